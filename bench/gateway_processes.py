"""Processes that are measured: started for the length of a block, their CPU and memory read from /proc."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Served(NamedTuple):
    """A server that runs: where it listens, and the process whose family does the work."""

    port: int
    process: int

    def cpu(self) -> float:
        """Return the CPU seconds, user and system, of the process and all below it."""
        return sum(processor_seconds(pid) for pid in family(self.process))

    def memory(self) -> float:
        """Return resident MB of the process and all below it."""
        return sum(_resident(pid) for pid in family(self.process)) / 1e6


def family(process: int) -> list[int]:
    """Return *process* and all that descend from it."""
    found = [process]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], port: int, *, log: Path, environ: Mapping[str, str] | None = None, patience: float = 20
) -> Iterator[Served]:
    """Run *command* until the block ends; it must listen on *port* before *patience* is over."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ, start_new_session=True
        )
    try:
        await_port(port, process, patience, log)
        yield Served(port, process.pid)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            print(f"{command[0]} did not end when asked to", file=sys.stderr)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def await_port(port: int, process: subprocess.Popen[bytes], patience: float, log: Path) -> None:
    """Wait until *port* answers. Raises SystemExit with the end of *log* if it never does."""
    ends = time.monotonic() + patience
    while not listening(port):
        if process.poll() is not None or time.monotonic() > ends:
            raise SystemExit(f"nothing listens on {port}:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.002)


def listening(port: int) -> bool:
    """Tell whether *port* takes connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(port: int) -> bool:
    """Tell whether our gateway on *port* serves."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except ConnectionError:
        return False
    finally:
        connection.close()


def post(port: int, path: str, body: bytes, headers: Mapping[str, str], *, timeout: float = 30) -> tuple[int, bytes]:
    """Ask once; return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body, {"content-type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def processor_seconds(pid: int) -> float:
    """Return the CPU seconds of one process, 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has just ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0
