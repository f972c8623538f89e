"""Which addresses of a wallet service may be asked, and which a browser may be given. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from mini_llm.config.address import problem_with, shown
from mini_llm.errors import ConfigError, ProtocolError, UsageError
from mini_llm.providers import LOOPBACK

ISSUER = "https://passy.ai"
LONGEST = 2048
# What no shell, no browser's command line and no terminal reads as anything but an address.
_OPENABLE = re.compile(r"https?://[A-Za-z0-9._~:/?&=%+,\[\]-]+")
_ADDRESS = re.compile(r"[0-9.]+|.*:.*")  # of a host that is a number: nothing stands below it


def issuer_of(told: str) -> str:
    """Return the issuer that *told* names: https, or http on this machine; a bare host will do. Raises UsageError."""
    url = told.strip().rstrip("/")
    if "://" not in url:
        url = f"{'http' if url.partition(':')[0] in LOOPBACK else 'https'}://{url}"
    if problem := problem_with(url) or ("it must not hold a '?'" if "?" in url else ""):
        raise UsageError(f"{shown(told)} is no address of a wallet: {problem}")
    parts = urlsplit(url)
    if not is_safe(url):
        raise UsageError(
            f"a wallet is asked over https only, not at {shown(told)}", hint="http is for this machine: 127.0.0.1"
        )
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = f":{parts.port}" if parts.port and parts.port != usual else ""
    return f"{parts.scheme}://{_bracketed(host_of(url))}{port}{parts.path}"


def host_of(url: str) -> str:
    """Return the host of an address, lower case, without its port."""
    return (urlsplit(url).hostname or "").lower()


def label_of(issuer: str) -> str:
    """Return how people name an issuer: its host, with the port if it has one."""
    return issuer.partition("://")[2]


def is_safe(url: str) -> bool:
    """Tell whether a secret may travel there: https, or http on this machine."""
    scheme = url.partition(":")[0].lower()
    return scheme == "https" or (scheme == "http" and host_of(url) in LOOPBACK)


def is_within(url: str, issuer: str) -> bool:
    """Tell whether an address is at the issuer's own host or at one below it."""
    host, own = host_of(url), host_of(issuer)
    return host == own or (host.endswith(f".{own}") and not _ADDRESS.fullmatch(own))


def problem_of(url: object, issuer: str) -> str:
    """Say why *url* cannot be where *issuer* wants to be asked, "" if it can. Its host is not looked at."""
    if not isinstance(url, str) or not url or len(url) > LONGEST:
        return "it is no address"
    if problem := problem_with(url):
        return problem
    if not is_safe(url):
        return "it must begin with https://"
    if host_of(url) in LOOPBACK and host_of(issuer) not in LOOPBACK:
        return "it points to this machine"
    return ""


def to_open(url: object, issuer: str, what: str) -> str:
    """Return an address that may be shown and given to a browser.

    Raises ProtocolError for one that is not the issuer's own, or that anything could read as more than an address.
    """
    problem = problem_of(url, issuer)
    if not problem and not is_within(str(url), issuer):
        problem = "it is at another host"
    if not problem and not _OPENABLE.fullmatch(str(url)):
        problem = "it holds a character that such an address does not need"
    if problem:
        told = shown(url) if isinstance(url, str) else type(url).__name__
        raise ProtocolError(
            f"{label_of(issuer)} sent a {what} that is not opened, {told}: {problem}",
            hint="do not open it; tell whoever runs that service",
        )
    return str(url)


def endpoint(url: object, *, issuer: str, api: str, what: str) -> str:
    """Return an endpoint the issuer may name: at its host, below it, or at its API's. Raises ProtocolError."""
    problem = problem_of(url, issuer)
    if not problem and not is_within(str(url), issuer) and host_of(str(url)) != host_of(api):
        problem = f"it is neither at {host_of(issuer)} nor at {host_of(api)}"
    if problem:
        told = shown(url) if isinstance(url, str) else f"a {type(url).__name__}"
        raise ProtocolError(f"{label_of(issuer)} names {told} as its {what}: {problem}")
    return str(url)


def normal(url: object) -> str:
    """Return an issuer as one to compare with, "" for what is none."""
    try:
        return issuer_of(url) if isinstance(url, str) and "://" in url else ""
    except (UsageError, ConfigError):
        return ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
