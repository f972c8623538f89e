"""Where the gateway may listen: this machine freely, others only with a key and encryption."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from mini_llm.config import Gateway
from mini_llm.gateway import binding
from mini_llm.gateway.binding import Options, PortInUseError, UnfitError

OPEN = ("0.0.0.0", "::", "192.168.1.5", "ai.example.com", "8.8.8.8", "")


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Return a certificate for 127.0.0.1, and its key."""
    certificate = trustme.CA().issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


@pytest.fixture
def holder() -> Iterator[int]:
    """Return a port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def problems(options: Options) -> tuple[str, ...]:
    with pytest.raises(UnfitError) as caught:
        binding.check(options)
    assert caught.value.exit_code == 78
    return caught.value.problems


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_nothing(host: str) -> None:
    assert binding.check(Options(host)).tls is None


@pytest.mark.parametrize("host", OPEN)
def test_other_machines_need_a_key_and_encryption_both_told_at_once(host: str) -> None:
    without_key, without_tls = problems(Options(host))
    assert "--key" in without_key
    assert "--tls-cert" in without_tls
    assert "--behind-proxy" in without_tls


@pytest.mark.parametrize("host", OPEN)
def test_one_of_the_two_is_not_enough(host: str, files: tuple[str, str]) -> None:
    (told,) = problems(Options(host, key="env:KEY"))
    assert "--tls-cert" in told
    (told,) = problems(Options(host, tls_cert=files[0], tls_key=files[1]))
    assert "--key" in told
    (told,) = problems(Options(host, behind_proxy=("10.0.0.0/8",)))
    assert "--key" in told


@pytest.mark.parametrize("host", OPEN)
def test_a_key_with_tls_or_a_proxy_is_enough(host: str, files: tuple[str, str]) -> None:
    assert binding.check(Options(host, key="env:KEY", tls_cert=files[0], tls_key=files[1])).tls is not None
    assert len(binding.check(Options(host, key="env:KEY", behind_proxy=("10.0.0.0/8", "fd00::/8"))).proxies) == 2


def test_the_configurations_key_counts_and_what_was_asked_wins() -> None:
    settings = Gateway("10.0.0.1", 1, "env:CONFIGURED")
    assert Options().over(settings) == Options("10.0.0.1", 1, key="env:CONFIGURED")
    assert Options("::1", 0, key="env:ASKED").over(settings) == Options("::1", 0, key="env:ASKED")


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    told = problems(
        Options("0.0.0.0", tls_cert=str(tmp_path / "none"), tls_key="nor", behind_proxy=("10.0.0.1/8", "x"))
    )
    assert len(told) == 5


def test_a_key_that_does_not_fit_its_certificate_is_told(files: tuple[str, str], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("x").private_key_pem.write_to_path(other)
    assert "does not work" in problems(Options("::1", tls_cert=files[0], tls_key=str(other)))[0]
    assert "go together" in problems(Options("::1", tls_cert=files[0]))[0]


def test_tls_is_at_least_1_2(files: tuple[str, str]) -> None:
    context = binding.check(Options("::1", tls_cert=files[0], tls_key=files[1])).tls
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_nobody_is_asked_for_a_password(tmp_path: Path, files: tuple[str, str]) -> None:
    locked = tmp_path / "locked.pem"
    locked.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    assert problems(Options("::1", tls_cert=files[0], tls_key=str(locked)))


def test_a_port_that_is_held_is_not_shared(holder: int) -> None:
    with pytest.raises(PortInUseError) as caught:
        binding.bind("127.0.0.1", holder)
    assert caught.value.exit_code == 69


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
def test_the_other_address_of_localhost_is_ours_too_or_we_are_not_there() -> None:
    try:
        other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no ::1")
    with other, pytest.raises(PortInUseError):
        binding.bind("127.0.0.1", other.getsockname()[1])


def test_not_even_another_gateway_shares_it() -> None:
    sockets = binding.bind("127.0.0.1", 0)
    try:
        for sock in sockets:
            sock.listen()
        with pytest.raises(PortInUseError):
            binding.bind("127.0.0.1", sockets[0].getsockname()[1])
    finally:
        for sock in sockets:
            sock.close()


def test_an_address_that_is_not_ours_can_not_be_bound() -> None:
    with pytest.raises(UnfitError, match=r"can't listen on 192\.0\.2\.1"):
        binding.bind("192.0.2.1", 0)


def test_what_is_bound_does_not_listen_yet() -> None:
    sockets = binding.bind("127.0.0.1", 0)
    try:
        port = sockets[0].getsockname()[1]
        assert {sock.getsockname()[1] for sock in sockets} == {port}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    finally:
        for sock in sockets:
            sock.close()


@pytest.mark.parametrize(
    ("options", "url"),
    [
        (Options("127.0.0.1"), "http://127.0.0.1:1"),
        (Options("::1"), "http://[::1]:1"),
        (Options("0.0.0.0", tls_cert="x"), "https://127.0.0.1:1"),
        (Options("ai.example.com", tls_cert="x"), "https://ai.example.com:1"),
    ],
)
def test_the_address_is_one_that_clients_can_use(options: Options, url: str) -> None:
    assert binding.url(options, 1) == url


def test_there_are_descriptors_for_some_connections_at_least() -> None:
    assert binding.most_connections() >= 16
