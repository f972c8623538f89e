"""Who has a port of this machine: our gateway, another program (by name), or nobody."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mini_llm.config import Loaded
from mini_llm.doctor.finding import Finding
from mini_llm.gateway import process

LISTENS = "0A"  # in /proc/net/tcp
SECONDS = 1.0


class Owner(NamedTuple):
    """A process that listens. `pid` is 0 where the system does not tell us whose the port is."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})" if self.pid else "a program of another user"


def look(loaded: Loaded) -> Iterator[Finding]:
    """Tell who has the gateway's port."""
    record = process.find(loaded.paths.home)
    if record is not None:
        yield Finding("gateway", "ok", f"it runs at {record.url}, pid {record.pid}, since {record.since()}")
        return
    host, port = loaded.config.gateway.host, loaded.config.gateway.port
    if not port or not taken(host, port):
        free = f"port {port} is free" if port else "it takes any port"
        yield Finding("gateway", "ok", f"not running; {free}")
        return
    what = f"port {port} is taken by {owner(port)}, and the gateway is not running"
    yield Finding("gateway", "problem", what, f"end that program, or: mini-llm config set gateway.port {port + 1}")


def taken(host: str, port: int) -> bool:
    """Say whether somebody answers there."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (compared, not bound)
    with suppress(OSError), socket.create_connection((address, port), timeout=SECONDS):
        return True
    return False


def owner(port: int) -> Owner:
    """Return the process that listens on *port*, as well as this system tells us."""
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        if sys.platform == "linux":
            return _on_linux(port)
        return _on_windows(port) if sys.platform == "win32" else _by_lsof(port)
    return Owner(0, "")


def _on_linux(port: int) -> Owner:
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(FileNotFoundError):
            for line in Path(table).read_text(encoding="utf-8").splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{words[9]}]")
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):  # another user's, or it has ended
            if any(str(handle.readlink()) in sockets for handle in (folder / "fd").iterdir()):
                return Owner(int(folder.name), (folder / "comm").read_text(encoding="utf-8").strip())
    return Owner(0, "")


def _by_lsof(port: int) -> Owner:
    told = _output("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc")
    found = re.search(r"^p(\d+)\nc(.*)$", told, re.MULTILINE)
    return Owner(int(found[1]), found[2]) if found else Owner(0, "")


def _on_windows(port: int) -> Owner:
    found = re.search(rf":{port}\s+\S+\s+LISTENING\s+(\d+)", _output("netstat", "-ano", "-p", "TCP"))
    if not found:
        return Owner(0, "")
    row = _output("tasklist", "/FI", f"PID eq {found[1]}", "/FO", "CSV", "/NH")
    return Owner(int(found[1]), row.strip().partition(",")[0].strip('"'))


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    return done.stdout
