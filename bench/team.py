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
from typing import NamedTuple

import uvloop
from gateway_load import Load, loaded
from gateway_processes import Served, answers, free_port, running
from gateway_servers import ROOT, TOKEN, Ask, chat, paced_upstream, start_command, whole_upstream
from gateway_streams import streams

from mini_llm.team import accounts, journal, keys, people, teams
from mini_llm.team.rights import Rights
from mini_llm.team.roles import Operator
from mini_llm.team.state import SECRET_FILE, STORE_FILE
from mini_llm.team.store import Db, Store
from mini_llm.team.tokens import Tokens, make_secret

PROMPT = "The sky is blue because air scatters short waves more than long ones. " * 8
CONFIG = {
    "prices": {f"{name}/m": {"input": "1.00", "output": "2.00"} for name in ("whole", "paced")},
    "routing": {"strategy": "cost"},
    "wallet": {"type": "none"},
}
CREDITS = 10**15
EVENTS = 64  # of a stream


class Measured(NamedTuple):
    """A server, and the key to ask it with."""

    served: Served
    port: int
    key: str

    def ask(self, model: str, text: str, *, stream: bool = False) -> Ask:
        """Return a chat completion."""
        return chat(self.port, model, text, stream=stream, headers={"authorization": f"Bearer {self.key}"})


class Upstreams(NamedTuple):
    """The ports of who answers at once, and of who streams."""

    whole: int
    paced: int


def configure(home: Path, upstreams: Upstreams) -> None:
    """Write what both servers are told of their providers."""
    home.mkdir(mode=0o700, parents=True)
    providers = {
        name: {"baseUrl": f"http://127.0.0.1:{port}/v1", "models": ["m"], "apiKey": "sk-bench-0123456789"}
        for name, port in upstreams._asdict().items()
    }
    (home / "config.json").write_text(json.dumps({"providers": providers, **CONFIG}))


def found(home: Path, upstreams: Upstreams) -> str:
    """Make a team with plenty of credits in *home*, and return a key of its owner."""
    configure(home, upstreams)
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
def gateway(folder: Path, upstreams: Upstreams) -> Iterator[Measured]:
    """Run the plain gateway with the same settings, and tell how it is asked."""
    configure(folder, upstreams)
    token = folder / "gateway.token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    port = free_port()
    with running(start_command(port, 1), port, log=folder / "gateway.log", environ=environ_of(folder)) as served:
        yield Measured(served, port, TOKEN)


@contextmanager
def team(folder: Path, upstreams: Upstreams) -> Iterator[Measured]:
    """Run a team server, and tell how it is asked."""
    token = found(folder / "profiles" / "team", upstreams)
    port = free_port()
    with running(command(port), port, log=folder / "team.log", environ=environ_of(folder)) as served:
        yield Measured(served, port, token)


def ready_seconds(folder: Path, upstreams: Upstreams) -> float:
    """Return the seconds from exec until the server answers."""
    found(folder / "profiles" / "team", upstreams)
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


def compare(folder: Path, upstreams: Upstreams, options: argparse.Namespace) -> None:
    """Print what a request costs each of the two, whole and streamed."""
    with gateway(folder / "gateway", upstreams) as plain, team(folder / "team", upstreams) as ours:
        both = {"the gateway": plain, "the team server": ours}
        wholes: dict[str, list[Load]] = {name: [] for name in both}
        streamed: dict[str, list[float]] = {name: [] for name in both}
        for _ in range(options.rounds):
            for name, one in both.items():
                wholes[name].append(loaded(one.served, one.ask("whole/m", PROMPT), folder, seconds=options.seconds))
            for name, one in both.items():
                found = uvloop.run(streams(one.served, one.ask("paced/m", "PLAN", stream=True), events=EVENTS))
                streamed[name].append(found.cpu * EVENTS)
    print("CPU µs a request, least")
    print(f"{'':18}{'whole':>9}{'ratio':>7}{'stream':>9}{'ratio':>7}{'req/s best':>12}{'p50 ms':>8}{'RSS MB':>8}")
    for name, loads in wholes.items():
        whole, stream = min(load.cpu for load in loads), min(streamed[name])
        of_gateway = (min(load.cpu for load in wholes["the gateway"]), min(streamed["the gateway"]))
        print(
            f"{name:18}{whole:9,.0f}{whole / of_gateway[0]:7.2f}{stream:9,.0f}{stream / of_gateway[1]:7.2f}"
            f"{max(load.rate for load in loads):12,.0f}{min(load.p50 for load in loads):8.2f}{loads[-1].memory:8.1f}"
        )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mini-llm-bench-") as name:
        folder = Path(name)
        with whole_upstream(folder) as whole, paced_upstream(folder) as paced:
            upstreams = Upstreams(whole.port, paced.port)
            ready = sorted(ready_seconds(folder / f"ready-{place}", upstreams) for place in range(options.rounds))
            print(f"ready after {ready[0]:.2f} s at best, {statistics.median(ready):.2f} s in the middle\n")
            compare(folder, upstreams, options)


if __name__ == "__main__":
    main()
