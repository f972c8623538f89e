"""The head of a request, as bytes. Nothing a caller hands in can add a line to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from mini_llm.errors import UsageError
from mini_llm.transport.origin import Origin
from mini_llm.transport.proxy import Proxy

# These say where the request goes and where it ends: they are ours to write.
OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(r'/[!"$-~]*')  # printable ASCII without a space or a fragment


def lines(method: str, target: str, fields: Sequence[tuple[str, str]], *, prefix: str = "", fixed: str) -> bytes:
    """Return the request line, the *fixed* lines and *fields*: all of a head but the length of the body.

    *prefix* stands before *target*: a proxy wants the whole URL. Raises UsageError, which never quotes a value or
    the target: they may hold a key.
    """
    if _TARGET.fullmatch(target) is None:
        raise UsageError("the path of the URL holds a character that does not belong there")
    lines = [f"{_method(method)} {prefix}{target} HTTP/1.1\r\n{fixed}"]
    for name, value in fields:
        if not (value.isascii() and value.isprintable()) and _VALUE.fullmatch(value) is None:
            raise UsageError(f"the header {_name(name)} holds a character that does not belong there")
        lines.append(f"{_name(name)}: {value}")
    return "\r\n".join([*lines, ""]).encode("latin-1")


def ending(method: str, size: int) -> bytes:
    """Return the end of a head before a body of *size* bytes."""
    if not size and method in ("GET", "HEAD", "OPTIONS", "DELETE"):
        return b"\r\n"
    return b"content-length: %d\r\n\r\n" % size


def prefix(origin: Origin, proxy: Proxy | None) -> str:
    """Return what stands before the path: the origin, if a proxy must be told it."""
    return f"http://{origin.authority}" if proxy and origin.scheme == "http" else ""


def fixed(origin: Origin, proxy: Proxy | None) -> str:
    """Return the lines that every request to *origin* has. A tunnel has shown the proxy its credentials already."""
    lines = f"host: {origin.authority}\r\naccept-encoding: identity"
    if proxy and proxy.authorization and origin.scheme == "http":
        lines += f"\r\nproxy-authorization: {proxy.authorization}"
    return lines


@lru_cache(maxsize=16)
def _method(method: str) -> str:
    if _TOKEN.fullmatch(method) is None or method == "CONNECT":
        raise UsageError("not an HTTP method")
    return method


@lru_cache(maxsize=512)
def _name(name: str) -> str:
    if _TOKEN.fullmatch(name) is None:
        raise UsageError("not a header name")
    if name.lower() in OURS:
        raise UsageError(f"the header {name} is written by the transport")
    return name
