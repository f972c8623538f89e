"""The gateway beside nginx, and with --peers beside Portkey and LiteLLM: one run, the same load, CPU from /proc.

    python bench/gateway.py [CASE ...] [--rounds 5] [--seconds 2] [--events 64] [--peers] [--requests 1000000]

Cases: requests, latency, streams, ledger, idle, ready, workers, hardships (all by default), and soak (on request).
Linux only; needs nginx and wrk (Debian: `apt-get install nginx-light wrk`). nginx is also the upstream, of a JSON
answer of 670 bytes; streams come from bench/gateway_upstream.py. Rounds of all servers take turns, so that a noisy
moment hits all; ratios compare the least. The peers are installed into ~/.cache/mini-llm/bench on first use.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import gateway_hardships as hardships
import uvloop
from gateway_load import Load, loaded, wrk
from gateway_process_life import ready_seconds, soak, spread_over_workers
from gateway_processes import Served, post
from gateway_servers import (
    LITELLM_KEY,
    TEXT,
    Ask,
    Ours,
    chat,
    litellm,
    messages,
    ours,
    paced_upstream,
    portkey,
    proxy,
    whole_upstream,
    without_ledger,
)
from gateway_streams import Figures, streams

Found = TypeVar("Found")


class World(NamedTuple):
    """The servers that run, and the folder they write to."""

    folder: Path
    whole: Served
    paced: Served
    ours: Ours


class Measured(NamedTuple):
    """A server, and how it is asked."""

    name: str
    server: Served
    ask: Ask


PROMPT = TEXT * 8


@contextmanager
def world() -> Iterator[World]:
    """Start what every case needs."""
    with tempfile.TemporaryDirectory(prefix="mini-llm-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        whole = stack.enter_context(whole_upstream(folder))
        paced = stack.enter_context(paced_upstream(folder))
        gateway = stack.enter_context(ours(folder, {"whole": whole.port, "paced": paced.port}))
        yield World(folder, whole, paced, gateway)


def requests(here: World, options: argparse.Namespace) -> None:
    """Compare whole answers, 16 at once."""
    with ExitStack() as stack:
        reference = stack.enter_context(proxy(here.folder, here.whole.port))
        who = [
            Measured("nginx proxy_pass", reference, chat(reference.port, "m", PROMPT)),
            *_ours(here, "whole/m", PROMPT),
            *(_peers(here, stack) if options.peers else ()),
        ]
        rounds = _in_turn(who, options.rounds, lambda one: _load(one, here, options))
    print("\nWhole answers, 16 at once")
    print(f"{'':34}{'CPU µs least':>13}{'median':>9}{'x nginx':>9}{'x relayed':>10}{'req/s best':>12}{'RSS MB':>8}")
    least = {name: min(load.cpu for load in loads) for name, loads in rounds.items()}
    for one in who:
        loads = rounds[one.name]
        print(
            f"{one.name:34}{least[one.name]:13,.1f}{statistics.median(load.cpu for load in loads):9,.1f}"
            f"{least[one.name] / least[who[0].name]:9.2f}{least[one.name] / least[who[1].name]:10.2f}"
            f"{max(load.rate for load in loads):12,.0f}{loads[-1].memory:8.1f}"
        )


def latency(here: World, options: argparse.Namespace) -> None:
    """Compare the latency of one request at a time with that of asking the upstream itself."""
    with proxy(here.folder, here.whole.port) as reference:
        who = [
            Measured("the upstream itself", here.whole, chat(here.whole.port, "m", PROMPT)),
            Measured("nginx proxy_pass", reference, chat(reference.port, "m", PROMPT)),
            *_ours(here, "whole/m", PROMPT),
        ]
        rounds = _in_turn(
            who, options.rounds, lambda one: wrk(one.ask, here.folder, connections=1, seconds=options.seconds)
        )
    print("\nWhole answers, 1 at a time, ms")
    print(f"{'':34}{'p50':>8}{'added':>8}{'p99':>8}{'added':>8}")
    direct = rounds[who[0].name]
    for name, loads in rounds.items():
        p50, p99 = min(load.p50 for load in loads), min(load.p99 for load in loads)
        added = (p50 - min(load.p50 for load in direct), p99 - min(load.p99 for load in direct))
        print(f"{name:34}{p50:8.2f}{added[0]:8.2f}{p99:8.2f}{added[1]:8.2f}")


def streamed(here: World, options: argparse.Namespace) -> None:
    """Compare 200 streams of 64 events, 20 ms apart."""
    with proxy(here.folder, here.paced.port) as reference:
        who = [
            Measured("the upstream itself", here.paced, chat(here.paced.port, "m", "PLAN", stream=True)),
            Measured("nginx, buffering off", reference, chat(reference.port, "m", "PLAN", stream=True)),
            *_ours(here, "paced/m", "PLAN", stream=True),
        ]
        rounds = _in_turn(
            who, options.rounds, lambda one: uvloop.run(streams(one.server, one.ask, events=options.events))
        )
    print(f"\n200 streams at once, begun within 1 s, {options.events} events each, 20 ms apart; times in ms, least")
    print(f"{'':34}{'CPU µs an event':>16}{'x nginx':>9}{'lost':>6}{'late p99':>10}{'latest':>8}", end="")
    print(f"{'first p50':>11}{'p99':>8}{'added p99':>11}")
    best = {name: Figures(*(min(column) for column in zip(*found, strict=True))) for name, found in rounds.items()}
    direct, nginx = best[who[0].name], best[who[1].name]
    for name, found in best.items():
        lost = sum(one.lost for one in rounds[name])
        print(
            f"{name:34}{found.cpu:16.1f}{found.cpu / nginx.cpu:9.2f}{lost:6}{found.late_p99:10.1f}{found.latest:8.1f}"
            f"{found.first_p50:11.1f}{found.first_p99:8.1f}{found.first_p99 - direct.first_p99:11.1f}"
        )


def ledger(here: World, options: argparse.Namespace) -> None:
    """Tell what the ledger costs: the same gateway with one that drops its rows."""
    with without_ledger(here.folder, {"whole": here.whole.port}) as off:
        who = [
            Measured("mini-llm, its rows dropped", off.served, _ask_ours(off, "whole/m", PROMPT)),
            Measured("mini-llm", here.ours.served, _ask_ours(here.ours, "whole/m", PROMPT)),
        ]
        rounds = _in_turn(who, options.rounds, lambda one: _load(one, here, options))
    print("\nCPU of a whole answer with the ledger and without, 16 at once")
    print(f"{'':34}{'CPU µs least':>13}{'median':>9}{'x without':>11}")
    least = {name: min(load.cpu for load in loads) for name, loads in rounds.items()}
    for name, loads in rounds.items():
        median = statistics.median(load.cpu for load in loads)
        print(f"{name:34}{least[name]:13,.1f}{median:9,.1f}{least[name] / least[who[0].name]:11.2f}")


def idle(here: World, options: argparse.Namespace) -> None:
    """Tell what the process takes when nothing happens, and with 1,000 streams that are silent."""
    print("\nMemory")
    with ours(here.folder, {"whole": here.whole.port, "paced": here.paced.port}) as fresh:
        print(f"{'idle':50}{fresh.served.memory():8.1f} MB")
        ask = _ask_ours(fresh, "paced/m", "PLAN", stream=True)
        print(f"{'1,000 idle streams add':50}{uvloop.run(hardships.idle_streams(fresh.served, ask)):8.1f} MB")


def soaked(here: World, options: argparse.Namespace) -> None:
    """Tell how the memory of one process grows over many requests."""
    print("\nMemory over many requests")
    with ours(here.folder, {"whole": here.whole.port}) as fresh:
        soak(fresh.served, _ask_ours(fresh, "whole/m", PROMPT), here.folder, options.requests)


def ready(here: World, options: argparse.Namespace) -> None:
    """Tell how long a start takes."""
    taken = [ready_seconds(here.folder, here.whole.port) for _ in range(options.rounds)]
    print(f"\nReady after {min(taken):.3f} s (least), {statistics.median(taken):.3f} s (median) from exec")


def workers(here: World, options: argparse.Namespace) -> None:
    """Compare one worker with two."""
    spread_over_workers(here.folder, here.whole.port, PROMPT, options)


def hard(here: World, options: argparse.Namespace) -> None:
    """Tell how it bears clients that behave badly, or leave."""
    ask = _ask_ours(here.ours, "paced/m", "PLAN", stream=True)
    print("\nHardships")
    with ours(here.folder, {"paced": here.paced.port}) as fresh:
        stalled = _ask_ours(fresh, "paced/m", "PLAN", stream=True)
        grown = uvloop.run(hardships.stalled_readers(fresh.served, stalled))
    print(f"{'100 readers that stall on 50 MB each add':50}{grown:8.1f} MB")
    whole = _ask_ours(here.ours, "whole/m", PROMPT)
    alone, among = hardships.slow_senders(whole, here.folder)
    print(f"{'p99 of a healthy client, alone':50}{alone:8.2f} ms")
    print(f"{'p99 among 200 slow senders':50}{among:8.2f} ms   {among / alone:.2f} x")
    seconds = uvloop.run(hardships.leaving_clients(ask, here.paced))
    late = sum(one > 1 for one in seconds)
    print(
        f"{'clients gone, upstream closed after at most':50}{max(seconds):8.3f} s    {late} of {len(seconds)} over 1 s"
    )


CASES: dict[str, Callable[[World, argparse.Namespace], None]] = {
    "requests": requests,
    "latency": latency,
    "streams": streamed,
    "ledger": ledger,
    "idle": idle,
    "ready": ready,
    "workers": workers,
    "hardships": hard,
    "soak": soaked,
}


def _ours(here: World, model: str, text: str, *, stream: bool = False) -> list[Measured]:
    relayed = _ask_ours(here.ours, model, text, stream=stream)
    translated = messages(here.ours.served.port, model, text, stream=stream, headers=here.ours.headers)
    return [
        Measured("mini-llm, relayed", here.ours.served, relayed),
        Measured("mini-llm, messages to chat", here.ours.served, translated),
    ]


def _ask_ours(gateway: Ours, model: str, text: str, *, stream: bool = False) -> Ask:
    return chat(gateway.served.port, model, text, stream=stream, headers=gateway.headers)


def _peers(here: World, stack: ExitStack) -> Iterator[Measured]:
    upstream = here.whole.port
    node = stack.enter_context(portkey(here.folder))
    named = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"}
    key = {"authorization": "Bearer sk-0123456789"}
    yield Measured("Portkey 1.15.2", node, chat(node.port, "m", PROMPT, headers={**named, **key}))
    python = stack.enter_context(litellm(here.folder, upstream))
    key = {"authorization": f"Bearer {LITELLM_KEY}"}
    yield Measured("LiteLLM 1.106.2", python, chat(python.port, "m", PROMPT, headers=key))


def _load(one: Measured, here: World, options: argparse.Namespace) -> Load:
    return loaded(one.server, one.ask, here.folder, seconds=options.seconds)


def _in_turn(who: list[Measured], rounds: int, measure: Callable[[Measured], Found]) -> dict[str, list[Found]]:
    """Measure all of *who* in each round, after each was asked once to see that it answers."""
    for one in who:
        ask = one.ask._replace(body=one.ask.body.replace(b"PLAN", b"plan events=1 id=0"))
        status, body = post(ask.port, ask.path, ask.body, ask.headers)
        if status != 200 or (b"ky is blue" not in body and b"@0:0:" not in body):
            raise SystemExit(f"{one.name} answers {status}: {body[:500]!r}")
    found: dict[str, list[Found]] = {one.name: [] for one in who}
    for _ in range(rounds):
        for one in who:
            found[one.name].append(measure(one))
    return found


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="The gateway beside nginx and others.")
    parser.add_argument("cases", nargs="*", choices=[*CASES, []], help="all but soak by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="of one round of one server")
    parser.add_argument("--events", type=int, default=64, help="of each stream")
    parser.add_argument("--peers", action="store_true", help="also Portkey and LiteLLM")
    parser.add_argument("--requests", type=int, default=1_000_000, help="of soak")
    options = parser.parse_args()
    if missing := [program for program in ("nginx", "wrk") if shutil.which(program) is None]:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    print(f"Python {sys.version.split()[0]}, {options.rounds} rounds of {options.seconds:g} s")
    with world() as here:
        for name in options.cases or [name for name in CASES if name != "soak"]:
            CASES[name](here, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
