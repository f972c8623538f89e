"""Where a request goes: scheme, host and port, taken from the front of a URL."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from mini_llm.errors import UsageError

PORTS = {"http": 80, "https": 443}
_BASE = re.compile(r"(https?)://(\[[0-9a-f:.]+(?:%[\w.-]+)?\]|[^\s/?#@:\[\]]+)(?::([0-9]{1,5}))?", re.IGNORECASE)
_UNIX_BASE = re.compile(r"http\+unix://([^\s/?#@:]+)", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9._-]+")


class Origin(NamedTuple):
    """One peer. `socket` is the path of a Unix socket, "" for TCP."""

    scheme: str
    host: str
    port: int
    socket: str = ""

    @classmethod
    def parse(cls, base: str) -> Origin:
        """Read `scheme://host[:port]`; raise UsageError for anything else, names and passwords too."""
        if found := _UNIX_BASE.fullmatch(base):
            path = unquote(found[1])
            if "\0" in path:
                raise UsageError("the path of a Unix socket holds a NUL")
            return cls("http", "localhost", 80, path)
        found = _BASE.fullmatch(base)
        if found is None:
            raise UsageError("not a URL like https://host:port/path", hint="keys belong in `apiKey`, not in the URL")
        scheme = found[1].lower()
        port = int(found[3] or PORTS[scheme])
        if not 0 < port < 65536:
            raise UsageError(f"no such port: {port}")
        host = found[2][1:-1].lower() if found[2].startswith("[") else _ascii_name(found[2])
        return cls(scheme, host, port)

    @property
    def label(self) -> str:
        """Return how messages name it."""
        return f"http+unix://{self.socket}" if self.socket else f"{self.scheme}://{self._bracketed}:{self.port}"

    @property
    def authority(self) -> str:
        """Return the value of its `host` field."""
        usual = self.socket or self.port == PORTS[self.scheme]
        return self._bracketed if usual else f"{self._bracketed}:{self.port}"

    @property
    def tunnel(self) -> str:
        """Return how a proxy is asked for it: always with the port."""
        return f"{self._bracketed}:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


def _ascii_name(name: str) -> str:
    """Return *name* in lower case, an international one in its ASCII form."""
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise UsageError("the host in the URL is not a name") from error
    if not _NAME.fullmatch(name.lower()):
        raise UsageError("the host in the URL is not a name")
    return name.lower()
