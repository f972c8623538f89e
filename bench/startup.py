"""What a start costs: CPU milliseconds over a bare Python, in real processes, beside the budgets.

    python bench/startup.py [--rounds 20] [--peers]

Commands take turns, so that a busy moment falls on all of them. `--peers` adds `llm --version`, installed into a
virtual environment of its own in ~/.cache/mini-llm/bench. Ends with 1 when a budget is broken. Not for Windows.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

MINI_LLM = str(Path(sys.executable).with_name("mini-llm"))
PEER = "llm==0.36"


class Case(NamedTuple):
    """A command; `budget` in milliseconds over bare Python, 0 for none; `asks`: it is stopped at its request."""

    name: str
    command: Sequence[str]
    budget: int = 0
    asks: bool = False


BARE = Case("python -c pass", (sys.executable, "-c", "pass"))
CASES = (
    Case("import mini_llm", (sys.executable, "-c", "import mini_llm"), 30),
    Case("mini-llm --version", (MINI_LLM, "--version"), 60),
    Case("mini-llm --help", (MINI_LLM, "--help")),
    Case("mini-llm config path", (MINI_LLM, "config", "path")),
    Case("mini-llm chat, to the request", (MINI_LLM, "chat", "-m", "lab/llama-70b", "Hello"), 150, asks=True),
)


def main() -> int:
    """Measure, print the table, and return 1 if a budget is broken."""
    parser = argparse.ArgumentParser(description="What a start costs, in CPU milliseconds over a bare Python.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--peers", action="store_true", help="also measure `llm --version`")
    arguments = parser.parse_args()
    cases = [BARE, *CASES, *([_peer()] if arguments.peers else [])]
    with tempfile.TemporaryDirectory() as home, socket.create_server(("127.0.0.1", 0)) as server:
        environ = _world(Path(home), server.getsockname()[1])
        for case in cases:  # the first run compiles the bytecode
            _cpu(case, environ, server)
        rounds = [{case.name: _cpu(case, environ, server) for case in cases} for _ in range(arguments.rounds)]
    return _print({case: sorted(taken[case.name] for taken in rounds) for case in cases})


def _print(table: Mapping[Case, Sequence[float]]) -> int:
    bare = table[BARE]
    print(f"{'CPU ms over bare Python':<32}{'least':>8}{'median':>8}{'budget':>8}")
    broken = 0
    for case, taken in table.items():
        least, median = taken[0], statistics.median(taken)
        if case is not BARE:
            least, median = least - bare[0], median - statistics.median(bare)
        over = bool(case.budget) and least > case.budget
        broken += over
        print(f"{case.name:<32}{least:>8.1f}{median:>8.1f}{case.budget or '':>8}{'  over' if over else ''}")
    return 1 if broken else 0


def _cpu(case: Case, environ: Mapping[str, str], server: socket.socket) -> float:
    """Run *case* and return the CPU milliseconds it used, to its end or to the arrival of its request."""
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(case.command, env=environ, stdin=quiet, stdout=quiet, stderr=quiet)
    if case.asks:
        server.settimeout(10)
        try:
            with server.accept()[0] as connection:
                connection.recv(1)
        except TimeoutError:
            raise SystemExit(f"{case.name}: no request was made") from None
        finally:
            child.kill()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode and not case.asks:
        raise SystemExit(f"{case.name} ended with {child.returncode}")
    return (used.ru_utime + used.ru_stime) * 1000


def _world(home: Path, port: int) -> dict[str, str]:
    """Return an environment whose home knows one provider, on *port*."""
    (home / ".mini-llm").mkdir(mode=0o700)
    (home / ".mini-llm" / "config.json").write_text(
        f'{{"providers": {{"lab": {{"baseUrl": "http://127.0.0.1:{port}/v1"}}}}}}'
    )
    return {"HOME": str(home), "PATH": os.environ["PATH"]}


def _peer() -> Case:
    """Install the peer where it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mini-llm" / "bench" / PEER
    program = cache / "bin" / "llm"
    if not program.exists():
        print(f"installing {PEER} into {cache}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", cache], check=True)
        subprocess.run([cache / "bin" / "pip", "install", "--quiet", PEER], check=True)
    return Case("llm --version", (str(program), "--version"))


if __name__ == "__main__":
    sys.exit(main())
