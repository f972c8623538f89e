"""Run the command line as people do: a real process, behind pipes or on a real pseudo-terminal."""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mini_llm.cli import main

MINI_LLM = (sys.executable, "-m", "mini_llm")
# Gives the process its terminal, so that Ctrl-C reaches it as a signal.
ON_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Result(NamedTuple):
    """What a process left: its exit code and what it wrote."""

    code: int
    out: str
    err: str


def world(home: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing is known but *home*."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "COVERAGE_PROCESS_START") if name in os.environ}
    return {**kept, "HOME": str(home), "MINI_LLM_HOME": str(home), **(environ or {})}


def run(
    home: Path,
    *args: str | bytes,
    stdin: bytes | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60,
) -> Result:
    """Run `mini-llm ARGS`; without *stdin* there is none."""
    done = subprocess.run(
        [*MINI_LLM, *args],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        env=world(home, environ),
        cwd=cwd or home,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


def inside(home: Path, *args: str, environ: Mapping[str, str] | None = None, stdin: str = "") -> Result:
    """Run `mini-llm ARGS` in this process, which is quicker; nobody sits there."""
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(stdin)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(args, world(home, environ))
    finally:
        sys.stdin = before
    return Result(code, out.getvalue(), err.getvalue())


def start(home: Path, *args: str, environ: Mapping[str, str] | None = None, **settings: Any) -> subprocess.Popen[bytes]:
    """Start `mini-llm ARGS` and go on."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **settings}
    return subprocess.Popen([*MINI_LLM, *args], env=world(home, environ), cwd=home, **streams)


class Terminal:
    """A pseudo-terminal of 80 columns with `mini-llm ARGS` running on it. `screen` is all that was written."""

    def __init__(self, home: Path, *args: str, environ: Mapping[str, str] | None = None) -> None:
        import fcntl  # not there on Windows, where no test asks for a terminal
        import termios

        self.screen = ""
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *MINI_LLM, *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=world(home, {"TERM": "xterm-256color", **(environ or {})}),
            cwd=home,
        )
        os.close(slave)

    def until(self, text: str, timeout: float = 30) -> str:
        """Read until *text* is on the screen; return the screen without styles."""
        end = time.monotonic() + timeout
        while text not in self.plain:
            assert time.monotonic() < end, f"{text!r} did not come: {self.screen!r}"
            if not self._read(0.05) and self._process.poll() is not None and not self._read(0.05):
                raise AssertionError(f"it ended without {text!r}: {self.screen!r}")
        return self.plain

    def pause(self) -> None:
        """Let a moment pass while something else is to happen."""
        self._read(0.05)

    def press(self, keys: str) -> None:
        """Type *keys*; "\\x03" is Ctrl-C."""
        os.write(self._master, keys.encode())

    def insist(self, keys: str, patience: float = 5) -> None:
        """Type *keys* until it ends: a Ctrl-C right before a read begins is noticed with the next key only."""
        for _ in range(6):
            self.press(keys)
            end = time.monotonic() + patience
            while time.monotonic() < end:
                self._read(0.05)
                if self._process.poll() is not None:
                    return

    def end(self, timeout: float = 30) -> int:
        """Read to the end and return the exit code."""
        end = time.monotonic() + timeout
        while self._process.poll() is None:
            assert time.monotonic() < end, f"it does not end: {self.screen!r}"
            self._read(0.05)
        while self._read(0.05):
            pass
        if self._master >= 0:  # a number that is closed twice may be another file's by then
            os.close(self._master)
            self._master = -1
        return self._process.returncode

    @property
    def plain(self) -> str:
        """The screen without styles, lines ending as in text."""
        return STYLE.sub("", self.screen).replace("\r\n", "\n")

    def _read(self, wait: float) -> bool:
        if self._master < 0:
            return False
        ready, _, _ = select.select([self._master], [], [], wait)
        with contextlib.suppress(OSError):  # the other side is closed
            data = os.read(self._master, 65536) if ready else b""
            self.screen += data.decode(errors="replace")
            return bool(data)
        return False


def on_terminal(
    home: Path, *args: str, environ: Mapping[str, str] | None = None, timeout: float = 30
) -> tuple[int, str]:
    """Run to the end on a terminal; return the exit code and the screen without styles."""
    terminal = Terminal(home, *args, environ=environ)
    return terminal.end(timeout), terminal.plain
