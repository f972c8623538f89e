"""Start a gateway without a terminal. What it says before it has its log, or at a crash, goes to `gateway.out`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mini_llm.config import Paths, files
from mini_llm.errors import MiniLLMError
from mini_llm.gateway import process
from mini_llm.gateway.access_log import NAME
from mini_llm.gateway.binding import Options
from mini_llm.gateway.process import Record

SAID_NAME = "gateway.out"
READY_SECONDS = 30.0
LOOK_SECONDS = 0.02


class NotStartedError(MiniLLMError):
    """The detached gateway ended before it was ready; `said` is what it wrote."""

    code = "not_started"

    def __init__(self, said: str, exit_code: int) -> None:
        super().__init__(said.strip() or f"the gateway ended with {exit_code} and said nothing")
        self.said = said
        self.exit_code = exit_code or 1


def start(paths: Paths, flags: Sequence[str], options: Options, environ: Mapping[str, str]) -> Record:
    """Start a gateway of its own session, and return its record once it is ready. Raises NotStartedError."""
    said = _emptied(paths.logs / SAID_NAME)
    command = [sys.executable, "-m", "mini_llm", *flags, "start", *arguments(options), "--log", str(paths.logs / NAME)]
    with said.open("ab") as out:
        child = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ, **_apart()
        )
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        code = child.poll()
        if code is not None:
            raise NotStartedError(said.read_bytes().decode(errors="replace"), code)
        record = process.find(paths.home)
        if record is not None and record.pid == child.pid and record.ready:
            child.returncode = 0  # it lives on; nobody waits for it
            return record
        time.sleep(LOOK_SECONDS)
    child.kill()
    raise NotStartedError("the gateway did not get ready in time", child.wait())


def arguments(options: Options) -> list[str]:
    """Return *options* as they stand on a command line."""
    given = {
        "--host": options.host,
        "--port": str(options.port) if options.port >= 0 else "",
        "--workers": str(options.workers),
        "--key": options.key,
        "--tls-cert": options.tls_cert,
        "--tls-key": options.tls_key,
    }
    words = [word for name, value in given.items() if value for word in (name, value)]
    return words + [word for network in options.behind_proxy for word in ("--behind-proxy", network)]


def _emptied(file: Path) -> Path:
    """Return *file*, empty and for this user alone."""
    files.make_folder(file.parent)
    file.unlink(missing_ok=True)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return file


def _apart() -> dict[str, Any]:
    """Return how a process is started that our terminal's end does not concern."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
