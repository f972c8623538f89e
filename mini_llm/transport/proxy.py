"""Which proxy stands between us and an origin: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`."""

from __future__ import annotations

import ipaddress
import re
from binascii import b2a_base64
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from mini_llm.errors import NetworkError, UsageError
from mini_llm.transport.origin import Origin

_URL = re.compile(r"(?:(?P<scheme>[a-z0-9+.-]+)://)?(?:(?P<user>[^/]*)@)?(?P<address>[^/@]+)/?", re.IGNORECASE)
_LOOPBACK = re.compile(r"localhost|.+\.localhost|127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3}")


class Proxy(NamedTuple):
    """One HTTP proxy. `authorization` is the value of Proxy-Authorization, "" for none."""

    origin: Origin
    authorization: str

    def __repr__(self) -> str:
        """Hide the password."""
        return f"Proxy({self.origin.label})"


def proxy_for(origin: Origin, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy *environ* wants for *origin*. This machine itself is never reached through one."""
    if origin.socket or _LOOPBACK.fullmatch(origin.host):
        return None
    for name in (f"{origin.scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            if url := environ.get(variable, "").strip():
                return None if _excluded(origin, environ) else _parse(url, variable)
    return None


def _parse(url: str, variable: str) -> Proxy:
    """Read a proxy's URL; the errors name the variable, never its value: it may hold a password."""
    found = _URL.fullmatch(url)
    if found is None or (found["scheme"] or "http").lower() != "http":
        raise _unsupported(variable)
    try:
        origin = Origin.parse(f"http://{found['address']}")
    except UsageError as error:
        raise _unsupported(variable) from error
    if not found["user"]:
        return Proxy(origin, "")
    user, _, password = found["user"].partition(":")
    pair = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return Proxy(origin, "Basic " + b2a_base64(pair, newline=False).decode("ascii"))


def _unsupported(variable: str) -> NetworkError:
    return NetworkError(
        f"{variable} names a kind of proxy that is not supported",
        hint="use http://host:port, or list the provider's host in NO_PROXY",
    )


def _excluded(origin: Origin, environ: Mapping[str, str]) -> bool:
    """Return whether `NO_PROXY` lists *origin*: by name, by a parent domain, by address or network, or with `*`."""
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return any(_matches(entry.strip().lower(), origin) for entry in listed.split(",") if entry.strip())


def _matches(entry: str, origin: Origin) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return _in_network(origin.host, entry)
    host, port = entry, ""
    if entry.startswith("["):
        host, _, port = entry[1:].partition("]")
    elif entry.count(":") == 1:
        host, _, port = entry.partition(":")
    if port.strip(":") not in ("", str(origin.port)):
        return False
    host = host.removeprefix("*").removeprefix(".")
    return origin.host == host or origin.host.endswith(f".{host}")


def _in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
