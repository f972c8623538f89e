"""The team server beside the plain gateway: the same answers under the same load, CPU from /proc; and its start.

    python bench/team.py [--rounds 5] [--seconds 2]

Linux only; needs nginx and wrk (Debian: `apt-get install nginx-light wrk`). nginx is the upstream of both. Rounds take
turns, so that a noisy moment hits both; ratios compare the least.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway_load import Load, loaded
from gateway_processes import Served, answers, free_port, running
from gateway_servers import ROOT, TOKEN, Ask, chat, start_command, whole_upstream

from mini_llm.team import accounts, journal, keys, people, teams
from mini_llm.team.rights import Rights
from mini_llm.team.roles import Operator
from mini_llm.team.state import SECRET_FILE, STORE_FILE
from mini_llm.team.store import Db, Store
from mini_llm.team.tokens import Tokens, make_secret

PROMPT = "The sky is blue because air scatters short waves more than long ones. " * 8
CONFIG = {
    "prices": {"whole/m": {"input": "1.00", "output": "2.00"}},
    "routing": {"strategy": "cost"},
    "wallet": {"type": "none"},
}
CREDITS = 10**15


def configure(home: Path, upstream: int) -> None:
    """Write what both servers are told of their provider."""
    home.mkdir(mode=0o700, parents=True)
    provider = {"baseUrl": f"http://127.0.0.1:{upstream}/v1", "models": ["m"], "apiKey": "sk-bench-0123456789"}
    (home / "config.json").write_text(json.dumps({"providers": {"whole": provider}, **CONFIG}))


def found(home: Path, upstream: int) -> str:
    """Make a team with plenty of credits in *home*, and return a key of its owner."""
    configure(home, upstream)
    store = Store(home / "data" / STORE_FILE, Tokens(make_secret(home / SECRET_FILE)))
    now = time.time()

    def make(db: Db) -> str:
        team = teams.create(db, "Bench", now)
        account = accounts.create(db, "bench@example.com", "", now, identity=("bench", "1"))
        owner = people.join(db, team.id, account.id, "owner", now)
        journal.top_up(db, Operator(team.id), CREDITS, "bench", now)
        return keys.mint(db, owner, "bench", Rights(), owner, now)[1]

    try:
        return asyncio.run(store.write(make))
    finally:
        store.close()


def environ_of(folder: Path) -> Mapping[str, str]:
    """Return the environment of a server whose profile lies below *folder*."""
    return {**os.environ, "MINI_LLM_HOME": str(folder), "PYTHONPATH": str(ROOT)}


def command(port: int) -> list[str]:
    """Return what starts a team server."""
    return [sys.executable, "-m", "mini_llm", "team", "start", "--port", str(port)]


@contextmanager
def gateway(folder: Path, upstream: int) -> Iterator[tuple[Served, Ask]]:
    """Run the plain gateway with the same settings, and tell how it is asked."""
    configure(folder, upstream)
    token = folder / "gateway.token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    port = free_port()
    with running(start_command(port, 1), port, log=folder / "gateway.log", environ=environ_of(folder)) as served:
        yield served, chat(port, "whole/m", PROMPT, headers={"authorization": f"Bearer {TOKEN}"})


@contextmanager
def team(folder: Path, upstream: int) -> Iterator[tuple[Served, Ask]]:
    """Run a team server, and tell how it is asked."""
    token = found(folder / "profiles" / "team", upstream)
    port = free_port()
    with running(command(port), port, log=folder / "team.log", environ=environ_of(folder)) as served:
        yield served, chat(port, "whole/m", PROMPT, headers={"authorization": f"Bearer {token}"})


def ready_seconds(folder: Path, upstream: int) -> float:
    """Return the seconds from exec until the server answers."""
    found(folder / "profiles" / "team", upstream)
    port, quiet = free_port(), subprocess.DEVNULL
    began = time.monotonic()
    process = subprocess.Popen(command(port), env=environ_of(folder), stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        while not answers(port):
            if time.monotonic() - began > 30:
                raise SystemExit("the team server did not start")
            time.sleep(0.002)
        return time.monotonic() - began
    finally:
        process.terminate()
        process.wait(10)


def compare(folder: Path, upstream: int, options: argparse.Namespace) -> None:
    """Print what a request costs each of the two."""
    rounds: dict[str, list[Load]] = {"the gateway": [], "the team server": []}
    with gateway(folder / "gateway", upstream) as plain, team(folder / "team", upstream) as ours:
        for _ in range(options.rounds):
            for name, (served, ask) in zip(rounds, (plain, ours), strict=True):
                rounds[name].append(loaded(served, ask, folder, seconds=options.seconds))
    least = min(load.cpu for load in rounds["the gateway"])
    print(
        f"{'':18}{'CPU µs least':>13}{'median':>9}{'ratio':>8}{'req/s best':>12}{'p50 ms':>9}{'p99 ms':>9}{'RSS MB':>8}"
    )
    for name, loads in rounds.items():
        cpu = min(load.cpu for load in loads)
        print(
            f"{name:18}{cpu:13,.1f}{statistics.median(load.cpu for load in loads):9,.1f}{cpu / least:8.2f}"
            f"{max(load.rate for load in loads):12,.0f}{min(load.p50 for load in loads):9.2f}"
            f"{min(load.p99 for load in loads):9.2f}{loads[-1].memory:8.1f}"
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mini-llm-bench-") as name:
        folder = Path(name)
        with whole_upstream(folder) as upstream:
            ready = sorted(ready_seconds(folder / f"ready-{place}", upstream.port) for place in range(options.rounds))
            print(f"ready after {ready[0]:.2f} s at best, {statistics.median(ready):.2f} s in the middle\n")
            compare(folder, upstream.port, options)


if __name__ == "__main__":
    main()
