"""Whole answers under wrk's load: CPU a request, requests a second, and the latency of one request at a time."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from gateway_processes import Served
from gateway_servers import Ask

_SCRIPT = """
wrk.method = "POST"
wrk.body = [==[{body}]==]
{headers}
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.timeout + e.status, latency:percentile(50), latency:percentile(99)))
end
"""


class Load(NamedTuple):
    """What one round of wrk found. CPU is the server's, in µs a request; latencies are in ms; `memory` in MB."""

    requests: int
    rate: float
    p50: float
    p99: float
    cpu: float = 0.0
    memory: float = 0.0


def wrk(ask: Ask, folder: Path, *, connections: int, seconds: float) -> Load:
    """Ask again and again on *connections* at once. Raises SystemExit if any request failed."""
    headers = {"content-type": "application/json", **ask.headers}
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
    script = folder / "load.lua"
    script.write_text(_SCRIPT.format(body=ask.body.decode(), headers=lines))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(script)]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{ask.port}{ask.path}"], capture_output=True, text=True, check=False
    )
    result = next((line.split()[1:] for line in done.stdout.splitlines() if line.startswith("RESULT")), None)
    if result is None:
        raise SystemExit(f"wrk failed:\n{done.stdout}{done.stderr}")
    requests, micros, errors, p50, p99 = map(int, result)
    if errors or not requests:
        raise SystemExit(f"{errors} of {requests} requests to {ask.path} failed:\n{done.stdout}")
    return Load(requests, requests / micros * 1e6, p50 / 1000, p99 / 1000)


def loaded(server: Served, ask: Ask, folder: Path, *, connections: int = 16, seconds: float = 2) -> Load:
    """Do the same, and tell what it cost *server*."""
    before = server.cpu()
    load = wrk(ask, folder, connections=connections, seconds=seconds)
    return load._replace(cpu=(server.cpu() - before) / load.requests * 1e6, memory=server.memory())
