"""What goes wrong before a provider has heard anything: names, addresses, certificates."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trustme

from tests.exchange import server_context
from tests.gateway.caller import Heard
from tests.gateway.hostile import say
from tests.gateway.stage import Case, Stage, play
from tests.gateway.test_faults_open import told_properly
from tests.gateway.tongues import DIALECTS, TEXT

each = pytest.mark.parametrize("dialect", DIALECTS)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
NAME = "api.provider.example"


async def unknown(host: str, port: int) -> Sequence[tuple[str, int]]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def nowhere(host: str, port: int) -> Sequence[tuple[str, int]]:
    return ()


async def asleep(host: str, port: int) -> Sequence[tuple[str, int]]:
    await asyncio.sleep(3600)
    return ()


NAMES = {"unknown": (unknown, 502, "upstream_unreachable"), "without address": (nowhere, 502, "upstream_unreachable"),
         "never resolved": (asleep, 504, "upstream_timeout")}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@both_ways
@each
def test_a_name_that_leads_nowhere_sends_us_elsewhere(tmp_path: Path, dialect: str, stream: bool, name: str) -> None:
    resolve, status, code = NAMES[name]
    case, url = Case(dialect, stream), f"http://{NAME}/v1"
    report = play(tmp_path / "both", case, [], [say()], url=url, resolve=resolve)
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "failed", code), ("second", "ok", "")]
    assert report.heard.ended_at == pytest.approx(5 if status == 504 else 0, abs=0.2)
    alone = play(tmp_path / "alone", case, [], url=url, resolve=resolve)
    assert alone.heard.status == status
    told_properly(alone)


@each
def test_a_good_answer_of_the_resolver_is_used_while_it_is_down(tmp_path: Path, dialect: str) -> None:
    asked: list[str] = []

    async def flips(host: str, port: int) -> Sequence[tuple[str, int]]:
        asked.append(host)
        if len(asked) > 1:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [("127.0.0.1", port)]

    async def ask(stage: Stage) -> Heard:
        assert (await stage.ask(dialect)).status == 200
        await asyncio.sleep(60)  # its connection is closed by now
        return await stage.ask(dialect)

    url = f"http://{NAME}:{{port}}/v1"
    report = play(tmp_path, Case(dialect, False), [say()], ask=ask, url=url, resolve=flips)
    assert report.told.text == TEXT
    assert asked == [NAME, NAME]


def _expired(authority: trustme.CA) -> trustme.LeafCert:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    return authority.issue_cert("127.0.0.1", not_before=past, not_after=past + datetime.timedelta(days=1))


def _not_yet(authority: trustme.CA) -> trustme.LeafCert:
    ahead = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
    return authority.issue_cert("127.0.0.1", not_before=ahead, not_after=ahead + datetime.timedelta(days=1))


def _self_signed(authority: trustme.CA) -> trustme.LeafCert:
    alone = trustme.CA()
    return trustme.LeafCert(alone.private_key_pem.bytes(), alone.cert_pem.bytes(), [])


CERTIFICATES: dict[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    "expired": _expired,
    "not yet valid": _not_yet,
    "for another host": lambda authority: authority.issue_cert("other.example"),
    "of an unknown authority": lambda authority: trustme.CA().issue_cert("127.0.0.1"),
    "self-signed": _self_signed,
}


def _trusting(home: Path, issue: Callable[[trustme.CA], trustme.LeafCert]) -> tuple[ssl.SSLContext, dict[str, str]]:
    """Return a server's context, and the environment that trusts the authority it should be of."""
    home.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    return server_context(issue(authority)), {"SSL_CERT_FILE": str(home / "ca.pem")}


@both_ways
@each
def test_a_certificate_that_is_right_is_taken(tmp_path: Path, dialect: str, stream: bool) -> None:
    tls, environ = _trusting(tmp_path / "ca", lambda authority: authority.issue_cert("127.0.0.1"))
    report = play(tmp_path / "home", Case(dialect, stream), [say()], tls=tls, environ=environ)
    assert report.told.text == TEXT


@pytest.mark.parametrize("certificate", CERTIFICATES)
@each
def test_a_certificate_that_is_not_sends_us_elsewhere_and_nothing_is_sent(
    tmp_path: Path, dialect: str, certificate: str
) -> None:
    tls, environ = _trusting(tmp_path / "ca", CERTIFICATES[certificate])
    case = Case(dialect, stream=True)
    report = play(tmp_path / "both", case, [say()], [say()], tls=tls, environ=environ)
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "failed", "upstream_tls"), ("second", "ok", "")]
    assert report.first.seen == []
    alone = play(tmp_path / "alone", case, [say()], tls=tls, environ=environ)
    assert alone.heard.status == 502
    assert "upstream_tls" in alone.heard.body.decode().lower() or dialect in ("anthropic_messages", "gemini")
    assert "certificate" in alone.heard.body.decode()
    told_properly(alone)


@each
def test_a_handshake_that_nobody_answers_costs_five_seconds(tmp_path: Path, dialect: str) -> None:
    report = play(tmp_path, Case(dialect, False), [say()], [say()], url="https://127.0.0.1:{port}/v1")
    assert report.told.text == TEXT
    assert report.outcomes == [("first", "failed", "upstream_timeout"), ("second", "ok", "")]
    assert report.heard.ended_at == pytest.approx(5, abs=0.2)
    assert report.first.seen == []
