"""Which gateway runs for this home: a record that a process of the same number, later, is not taken for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from mini_llm.config import files
from mini_llm.errors import MiniLLMError
from mini_llm.gateway.binding import Options, PortInUseError

NAME = "gateway.json"
STOP_NAME = "gateway.stop"  # Windows has no signal that a program could end by; there this file is the word
LOOK_SECONDS = 0.05


class NotRunningError(MiniLLMError):
    """No gateway runs for this home."""

    exit_code = 8
    code = "not_running"

    def __init__(self) -> None:
        super().__init__("the gateway is not running", hint="start it: mini-llm start --detach")


class Record(NamedTuple):
    """A gateway that runs. `birth` tells its process from a later one with the same number; `started` is Unix seconds.

    `log` is where a detached one writes, "" for one in a terminal. `options` are what it was asked for;
    `workers` are the processes that serve, where they are several; `config` is the file it was started with.
    """

    pid: int
    birth: str
    started: float
    url: str
    version: str
    log: str
    options: Options
    workers: tuple[int, ...] = ()
    ready: bool = False
    config: str = ""

    def since(self) -> str:
        """Say when it was started, in this machine's time."""
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.started))


def file(home: Path) -> Path:
    """Return where the record of this home is."""
    return home / NAME


def find(home: Path) -> Record | None:
    """Return the gateway that runs for *home*, None if none does."""
    record = _read(file(home))
    return record if record is not None and record.birth == birth(record.pid) else None


def need(home: Path) -> Record:
    """Return the gateway that runs for *home*. Raises NotRunningError."""
    record = find(home)
    if record is None:
        raise NotRunningError
    return record


def check_none(home: Path) -> None:
    """Raise PortInUseError if a gateway runs for *home*."""
    record = find(home)
    if record is not None:
        raise PortInUseError(
            f"the gateway is already running: pid {record.pid}, since {record.since()}, at {record.url}",
            hint="`mini-llm stop` ends it; with --profile NAME another one can run beside it",
        )


def claim(home: Path, record: Record) -> None:
    """Write the record. Raises PortInUseError if another gateway was faster."""
    with files.locked(file(home)) as target:
        found = find(home)
        if found is None or found.pid != record.pid:
            check_none(home)
        files.write(target, json.dumps({**record._asdict(), "options": record.options._asdict()}).encode())


def release(home: Path) -> None:
    """Remove the record if it is this process's own."""
    record = _read(file(home))
    if record is not None and record.pid == os.getpid():
        file(home).unlink(missing_ok=True)


def stop(home: Path, record: Record) -> None:
    """Ask a gateway to end. A second time it waits for no stream."""
    if sys.platform == "win32":
        (home / STOP_NAME).write_text(str(record.pid), encoding="utf-8")
        return
    with suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)


def wait_until_gone(record: Record, seconds: float, *, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Wait for the end of a gateway; say whether it came in time."""
    end = time.monotonic() + seconds
    while birth(record.pid) == record.birth:
        if time.monotonic() >= end:
            return False
        sleep(LOOK_SECONDS)
    return True


def told_to_stop(home: Path) -> bool:
    """Say, on Windows, whether `stop` asked this process to end."""
    if sys.platform != "win32":
        return False
    word = home / STOP_NAME
    with suppress(OSError):
        if word.read_text(encoding="utf-8") == str(os.getpid()):
            word.unlink()
            return True
    return False


def birth(pid: int) -> str:
    """Return what tells this process from every other that had or will have its number; "" if there is none."""
    if pid <= 0:
        return ""
    if sys.platform == "linux":
        return _birth_on_linux(pid)
    return _birth_on_windows(pid) if sys.platform == "win32" else _birth_by_ps(pid)


def _birth_on_linux(pid: int) -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    state, ticks = fields[0], fields[19]
    return "" if state in "ZX" else f"{boot} {ticks}"  # a zombie has ended; only its parent has not looked yet


def _birth_by_ps(pid: int) -> str:
    ps = ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)]
    done = subprocess.run(ps, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})  # noqa: S603
    state, _, began = done.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else began.strip()


def _birth_on_windows(pid: int) -> str:
    import ctypes  # only there is it needed

    kernel: Any = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return ""
    times = [ctypes.c_ulonglong() for _ in range(4)]
    code = ctypes.c_ulong()
    known = kernel.GetProcessTimes(ctypes.c_void_p(handle), *map(ctypes.byref, times))
    kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code))
    kernel.CloseHandle(ctypes.c_void_p(handle))
    return str(times[0].value) if known and code.value == 259 else ""  # STILL_ACTIVE


def _read(path: Path) -> Record | None:
    try:
        told = json.loads(files.read(path) or b"null")
        options = Options(**told["options"])
        options = options._replace(behind_proxy=tuple(options.behind_proxy))
        return Record(**{**told, "options": options, "workers": tuple(told["workers"])})
    except (ValueError, TypeError, KeyError, MiniLLMError):
        return None
