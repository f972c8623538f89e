"""Where the gateway listens, and what must be so before it may listen there."""

from __future__ import annotations

import errno
import socket
import ssl
import sys
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple, TypeAlias

from mini_llm.config import Gateway
from mini_llm.errors import ConfigError, MiniLLMError

Network: TypeAlias = IPv4Network | IPv6Network

KEPT_DESCRIPTORS = 64  # for ledger, log, loop, listeners and what else is no client's connection
LEAST_CONNECTIONS = 16
MOST_DESCRIPTORS = 1 << 20
TWIN = {"127.0.0.1": "::1", "localhost": "::1"}  # what some clients mean by localhost


class UnfitError(ConfigError):
    """The gateway may not, or cannot, be started so."""

    exit_code = 78

    def __init__(self, problems: Sequence[str], *, hint: str = "") -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}", hint=hint, problems=problems)


class PortInUseError(MiniLLMError):
    """Somebody listens there already."""

    exit_code = 69
    code = "port_in_use"


class Options(NamedTuple):
    """What `mini-llm start` was asked for. "" and -1 leave it to the configuration.

    `key` is a reference to a key of the user's own; the others are as on the command line.
    """

    host: str = ""
    port: int = -1
    workers: int = 1
    key: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    behind_proxy: tuple[str, ...] = ()

    def over(self, settings: Gateway) -> Options:
        """Return these options, with the configuration's *settings* where nothing was asked."""
        return self._replace(
            host=self.host or settings.host,
            port=self.port if self.port >= 0 else settings.port,
            key=self.key or settings.api_key,
        )


class Binding(NamedTuple):
    """Options that were found good."""

    options: Options
    tls: ssl.SSLContext | None
    proxies: tuple[Network, ...]


def check(options: Options, *, keyed: bool = False) -> Binding:
    """Return how to listen. Raises UnfitError with everything that forbids it.

    *keyed*: nobody is let in without a key of their own, so that the gateway needs none to be open to others.
    """
    problems: list[str] = []
    proxies = _networks(options.behind_proxy, problems)
    tls = _tls(options, problems)
    if not is_loopback(options.host):
        if not options.key and not keyed:
            problems.append(
                f"{options.host} is open to other machines: give the gateway a key of your own,"
                " `gateway.apiKey` in the config or --key REFERENCE"
            )
        if not options.tls_cert and not options.behind_proxy:
            problems.append(
                f"{options.host} is open to other machines: encrypt with --tls-cert and --tls-key,"
                " or name the proxy that does, --behind-proxy CIDR"
            )
    if options.workers > 1 and sys.platform == "win32":
        problems.append("several workers can't share a port on Windows")
    if problems:
        raise UnfitError(problems, hint="without --host it listens to this machine only")
    return Binding(options, tls, proxies)


def bind(host: str, port: int) -> list[socket.socket]:
    """Return sockets bound to *host*, which do not listen yet. Raises PortInUseError or UnfitError."""
    try:
        found = socket.getaddrinfo(
            "127.0.0.1" if host in TWIN else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = found[0]
        sockets = [_bound(family, address)]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise _in_use(port) from None
        raise UnfitError([f"can't listen on {host}, port {port}: {error.strerror or error}"]) from None
    if twin := TWIN.get(host):
        try:
            sockets.append(_bound(socket.AF_INET6, (twin, sockets[0].getsockname()[1], 0, 0)))
        except OSError as error:  # this machine may have no IPv6
            if port and error.errno == errno.EADDRINUSE:  # some clients would go to whoever is there, with our token
                sockets[0].close()
                raise _in_use(port) from None
    return sockets


def url(options: Options, port: int) -> str:
    """Return the address that clients use."""
    scheme = "https" if options.tls_cert else "http"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(options.host, options.host)  # noqa: S104
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach *host*."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def most_connections() -> int:
    """Return how many clients this process has descriptors for, after asking for as many as it may have."""
    if sys.platform == "win32":
        return 10_000
    import resource  # not there on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, MOST_DESCRIPTORS) if hard != resource.RLIM_INFINITY else MOST_DESCRIPTORS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_DESCRIPTORS if soft == resource.RLIM_INFINITY else _for_clients(soft)
    for asked in (wanted, 10_240):  # macOS refuses what is more than its own limit
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (asked, hard))
            return _for_clients(asked)
    return _for_clients(soft)


def _for_clients(descriptors: int) -> int:
    """Return for how many clients *descriptors* do: each may need a second one, to a provider."""
    return max(LEAST_CONNECTIONS, (descriptors - KEPT_DESCRIPTORS) // 2)


def _in_use(port: int) -> PortInUseError:
    return PortInUseError(
        f"port {port} is in use by another program",
        hint=f"find it with `lsof -i :{port}`, or choose another port: --port NUMBER",
    )


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what rests of a gateway before is no hindrance
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _networks(told: Sequence[str], problems: list[str]) -> tuple[Network, ...]:
    networks = []
    for text in told:
        try:
            networks.append(ip_network(text))
        except ValueError:
            problems.append(f"--behind-proxy {text[:80]} is no network, as 10.0.0.0/8 is one")
    return tuple(networks)


def _tls(options: Options, problems: list[str]) -> ssl.SSLContext | None:
    if bool(options.tls_cert) != bool(options.tls_key):
        problems.append("--tls-cert and --tls-key go together")
        return None
    if not options.tls_cert:
        return None
    missing = [name for name in (options.tls_cert, options.tls_key) if not Path(name).is_file()]
    problems.extend(f"there is no {name}" for name in missing)
    if missing:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.tls_cert, options.tls_key, password=_nobody_there)
    except (OSError, ValueError) as error:
        problems.append(f"{options.tls_cert} with {options.tls_key} does not work: {error}")
        return None
    return context


def _nobody_there() -> str:
    """Refuse to ask for a key file's password: nobody may sit there."""
    raise ValueError("the key file has a password")
