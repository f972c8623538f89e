"""The findings as text for an issue: no key, no host that is not public, no user, no name of this machine."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mini_llm.config import Config
from mini_llm.config.paths import user_folder
from mini_llm.doctor.finding import Finding
from mini_llm.errors import MiniLLMError
from mini_llm.providers import Registry

if TYPE_CHECKING:
    from pathlib import Path

HOST, USER = "[private host]", "[user]"
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+]*://)(?:[^\s/@]*@)?(?P<host>\[[0-9a-f:.]+\]|[^\s/:?#,;)\"']+)", re.IGNORECASE
)
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]*:[0-9a-fA-F:]*\])(?![\w.])")
_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")  # noqa: S104  (words to be shown, no address to bind)
_SHORTEST = 3  # a host called `a` would take every such letter away


class Disguise:
    """Takes out of a text what is nobody else's business. `public` are the hosts of providers that everybody knows."""

    def __init__(
        self,
        *,
        folder: Path,
        users: Iterable[str],
        machines: Iterable[str],
        private: Iterable[str],
        public: Iterable[str],
    ) -> None:
        self._public = {*public, *_LOCAL}
        hosts = {host for host in private if len(host) >= _SHORTEST} - self._public
        self._words = {str(folder): "~", **dict.fromkeys(hosts, HOST)}
        self._names = {**dict.fromkeys(users, USER), **dict.fromkeys(machines, HOST)}

    def hide(self, text: str) -> str:
        """Return *text* without it."""
        for word in sorted(self._words, key=len, reverse=True):
            text = text.replace(word, self._words[word])
        text = _ADDRESS.sub(_address, _URL.sub(self._url, text))
        for name, shown in self._names.items():
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", shown, text) if len(name) > 1 else text
        return text

    def _url(self, found: re.Match[str]) -> str:
        host = found["host"].strip("[]").lower()
        return found[0] if host in self._public else f"{found['scheme']}{HOST}"


def disguise(config: Config, environ: Mapping[str, str], public: Iterable[str]) -> Disguise:
    """Return what hides this user's own world."""
    import socket
    from getpass import getuser

    told = [one.base_url for one in config.providers.values()]
    told += [config.wallet.endpoint] if config.wallet else []
    told += [environ[name] for name in environ if name.lower().endswith(("_proxy", "_host", "_url", "_endpoint"))]
    hosts = {host for address in told for host in _hosts(address)}
    try:
        users = {getuser(), environ.get("USER", ""), environ.get("USERNAME", "")}
    except (OSError, KeyError):
        users = {environ.get("USER", "")}
    return Disguise(
        folder=user_folder(environ),
        users=users - {"root", "user"},
        machines={socket.gethostname()} - {"localhost"},
        private={*hosts, *config.gateway.hosts},
        public=public,
    )


def public_hosts() -> set[str]:
    """Return the hosts of the providers that everybody knows."""
    shipped = Registry(Config(), environ={}, folder=None)
    found = set()
    for name in shipped.names():
        with suppress(MiniLLMError):  # its address has a part that is the user's own
            found.add(urlsplit(shipped.get(name).base_url).hostname or "")
    return found


def write(findings: Sequence[Finding], hide: Callable[[str], str]) -> str:
    """Return the whole report, ready to paste."""
    rows = [f"{one.state:<8} {one.name:<14} {one.what}" for one in findings]
    return "\n".join(["```text", "mini-llm doctor", *map(partial(_line, hide), rows), "```"]) + "\n"


def _line(hide: Callable[[str], str], row: str) -> str:
    return hide(" ".join(row.splitlines())).replace("```", "'''")


def _hosts(address: str) -> set[str]:
    """Return the host in a URL, in `host:port`, or in a list of such."""
    found = set()
    for one in address.split(","):
        try:
            host = urlsplit(one.strip() if "://" in one else f"//{one.strip()}").hostname
        except ValueError:
            continue
        if host and ("." in host or ":" in host or "://" in one):
            found.add(host)
    return found


def _address(found: re.Match[str]) -> str:
    try:
        return found[0] if ipaddress.ip_address(found[0].strip("[]")).is_loopback else "[address]"
    except ValueError:
        return found[0]
