"""From start to a million requests: how soon the gateway is ready, how workers share, how its memory grows."""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path

from gateway_load import loaded, wrk
from gateway_processes import Served, answers, family, free_port, processor_seconds
from gateway_servers import Ask, chat, our_home, ours, start_command

SAMPLES = 20


def ready_seconds(folder: Path, upstream: int) -> float:
    """Return the seconds from exec until the gateway answers."""
    port = free_port()
    environ = our_home(folder / f"home-{port}", {"whole": upstream})
    quiet = subprocess.DEVNULL
    began = time.monotonic()
    process = subprocess.Popen(start_command(port, 1), env=environ, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        while not answers(port):
            if time.monotonic() - began > 30:
                raise SystemExit("the gateway did not start")
            time.sleep(0.002)
        return time.monotonic() - began
    finally:
        process.terminate()
        process.wait(10)


def spread_over_workers(folder: Path, upstream: int, prompt: str, options: argparse.Namespace) -> None:
    """Print what one worker and two workers do under the same load."""
    print("\nWorkers, 64 connections")
    print(f"{'':10}{'CPU µs a request':>18}{'req/s':>10}   CPU of each process, s")
    for count in (1, 2):
        with ours(folder, {"whole": upstream}, workers=count) as gateway:
            ask = chat(gateway.served.port, "whole/m", prompt, headers=gateway.headers)
            rounds = [
                loaded(gateway.served, ask, folder, connections=64, seconds=options.seconds)
                for _ in range(options.rounds)
            ]
            shares = sorted((processor_seconds(pid) for pid in family(gateway.served.process)), reverse=True)
        each = " ".join(f"{share:.1f}" for share in shares)
        print(f"{count:<10}{min(r.cpu for r in rounds):18.1f}{max(r.rate for r in rounds):10,.0f}   {each}")


def soak(server: Served, ask: Ask, folder: Path, requests: int) -> None:
    """Print the memory after each of the steps to *requests*."""
    print(f"{'requests':>12}{'RSS MB':>10}{'CPU µs a request':>18}")
    print(f"{0:12}{server.memory():10.1f}")
    done = 0
    step = requests / SAMPLES
    rate = wrk(ask, folder, connections=16, seconds=1).rate
    while done < requests:
        load = loaded(server, ask, folder, seconds=max(1.0, round(step / rate)))
        done += load.requests
        rate = load.rate
        print(f"{done:12,}{server.memory():10.1f}{load.cpu:18.1f}", flush=True)
