"""Web addresses, and the origin a secret is bound to."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

from mini_llm.errors import ConfigError

PORTS = {"http": 80, "https": 443}
SCHEMES = ("http", "https", "http+unix")

# What any two URL parsers read the same way. Everything else (spaces, backslashes, non-ASCII) is refused.
_ALLOWED = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?")


@lru_cache(256)
def origin_of(url: str) -> str:
    """Return `scheme://host:port`, lower case, default port filled in; ConfigError for what is no address of ours."""
    if problem := problem_with(url):
        raise ConfigError(f"{shown(url)} is no address we can call: {problem}")
    parts = urlsplit(url)
    if parts.scheme == "http+unix":
        return "http+unix://" + quote(unquote(parts.netloc), safe="")
    host = (parts.hostname or "").lower()
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{parts.port or PORTS[parts.scheme]}"


def problem_with(url: str) -> str:
    """Say what is wrong with an address, "" if nothing."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        return "it must begin with http://, https:// or http+unix://"
    if not _ALLOWED.fullmatch(url):
        return "it holds a character that cannot be in an address"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or port is malformed"
    if "@" in parts.netloc:
        return "it must not hold a user name or password"
    if parts.fragment or "#" in url:
        return "it must not hold a '#'"
    if parts.scheme == "http+unix":
        ok = unquote(parts.netloc).startswith("/")
        return "" if ok else "its host must be the socket's path with %2F for each slash"
    if port == 0:
        return "port 0 cannot be called"
    host = parts.hostname or ""
    if not host:
        return "it has no host"
    return "" if _is_host(host, bracketed="[" in parts.netloc) else "its host or port is malformed"


def _is_host(host: str, *, bracketed: bool) -> bool:
    if not bracketed:
        return len(host) <= 253 and ".." not in host and _HOST.fullmatch(host) is not None
    import ipaddress  # 3 ms, and such addresses are rare

    try:
        return ipaddress.IPv6Address(host).scope_id is None
    except ValueError:
        return False


def shown(url: str) -> str:
    """Return an address fit to be read by others: no password, no query, no control characters."""
    bare = re.sub(r"//[^/?#]*@", "//…@", url)
    bare = re.sub(r"[?#].*", "?…", bare, flags=re.DOTALL)
    return repr(bare[:200])
