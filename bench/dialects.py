"""Microseconds and allocations of translation: a request of 40 KB, and each event of a stream.

    python bench/dialects.py [--rounds 7] [--events 64] [--peers] [--only TEXT]

CPU of one process, without network and event loop; JSON is parsed and written where that belongs to the work. All
cases take turns in every round; the table shows the least and the median. `blocks` is how many objects one request, or
one event, leaves allocated while everything that was made of it is kept.

`--peers` measures LiteLLM's and any-llm's converters in the same rounds, each in a virtual environment of its own in
~/.cache/mini-llm/bench (made on first use, which takes minutes), and tells how many times as long as ours they take.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import dialects_inputs as inputs
import orjson

from mini_llm import dialects, peek, sse

PEERS = {"litellm": ("litellm==1.106.2", "orjson"), "any-llm": ("any-llm-sdk[anthropic,gemini]==1.40.2", "orjson")}
ENOUGH = 0.02  # seconds of CPU for one measurement

Run = Callable[[list[Any] | None], object]


class Case(NamedTuple):
    """Something to measure: `run` does it once, and keeps all it made if it gets a list.

    `share` is how many requests or events that is.
    """

    name: str
    run: Run
    share: int = 1


def main() -> int:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description="Microseconds and allocations of translation.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--events", type=int, default=64)
    parser.add_argument("--peers", action="store_true", help="also LiteLLM's and any-llm's converters")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    arguments = parser.parse_args()
    cases = [case for case in (*_requests(), *_streams(arguments.events)) if arguments.only in case.name]
    peers = [Peer(name, arguments.events) for name in PEERS] if arguments.peers else []
    taken: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        for case in cases:
            taken.setdefault(case.name, []).append(_microseconds(case))
        for peer in peers:
            for name in peer.cases:
                if arguments.only in name:
                    taken.setdefault(f"{peer.name}: {name}", []).append(peer.microseconds(name))
    _print(taken, {case.name: _blocks(case) for case in cases})
    return 0


def _requests() -> Iterator[Case]:
    bodies = inputs.bodies()
    body = bodies["openai_chat"]
    print(f"request: {', '.join(f'{name} {len(body)} bytes' for name, body in bodies.items())}")
    yield Case("request, passed through", _with_another_model(body))
    for source in dialects.NAMES:
        for target in dialects.NAMES:
            yield Case(f"request {source} -> {target}", _request(bodies[source], source, target))


def _with_another_model(body: bytes) -> Run:
    def run(keep: list[Any] | None) -> None:
        written = peek.with_model(body, "another-model")
        if keep is not None:
            keep.append(written)

    return run


def _request(body: bytes, source: str, target: str) -> Run:
    ours, theirs = dialects.get(source), dialects.get(target)

    def run(keep: list[Any] | None) -> None:
        parsed = orjson.loads(body)
        request = ours.decode_request(parsed)
        kept, _ = dialects.without(request, (), dialect=target)
        encoded = theirs.encode_request(kept)
        written = orjson.dumps(encoded)
        if keep is not None:
            keep += [parsed, request, kept, encoded, written]

    return run


def _streams(events: int) -> Iterator[Case]:
    chunks = inputs.stream("openai_chat", events)
    yield Case("event, passed through", _passed_through(chunks), len(chunks))
    for source in dialects.NAMES:
        chunks = inputs.stream(source, events)
        for target in dialects.NAMES:
            yield Case(f"event {source} -> {target}", _stream(chunks, source, target), len(chunks))


def _passed_through(chunks: Sequence[bytes]) -> Run:
    """Frame every event, and look into each until there is content."""

    def run(keep: list[Any] | None) -> None:
        parser = sse.Parser()
        looking = True
        for chunk in chunks:
            for event in parser.feed(chunk):
                if keep is not None:
                    keep.append(event)
                if looking:
                    choices = orjson.loads(event.data)["choices"]
                    looking = not (choices and choices[0]["delta"].get("content"))

    return run


def _stream(chunks: Sequence[bytes], source: str, target: str) -> Run:
    ours, theirs = dialects.get(source), dialects.get(target)

    def run(keep: list[Any] | None) -> None:
        deltas = _noted(ours.decode_stream(_noted(ours.events(inputs.of(chunks)), keep)), keep)
        inputs.drain(theirs.encode_stream(deltas), [] if keep is None else keep)

    return run


def _noted(source: AsyncGenerator[Any, None], keep: list[Any] | None) -> AsyncGenerator[Any, None]:
    """Return *source*, keeping what it yields if that is wanted."""
    return source if keep is None else _keeping(source, keep)


async def _keeping(source: AsyncGenerator[Any, None], keep: list[Any]) -> AsyncGenerator[Any, None]:
    async for item in source:
        keep.append(item)
        yield item


def _microseconds(case: Case) -> float:
    """Return the CPU for one request or event, over enough runs to be measured."""
    runs = 0
    gc.collect()
    before = time.process_time()
    while (took := time.process_time() - before) < ENOUGH:
        case.run(None)
        runs += 1
    return took / runs / case.share * 1e6


def _blocks(case: Case) -> float:
    kept: list[Any] = []
    case.run(None)
    gc.collect()
    gc.disable()
    before = sys.getallocatedblocks()
    case.run(kept)
    after = sys.getallocatedblocks()
    gc.enable()
    return (after - before) / case.share


class Peer:
    """Another project's converters, in a process of their own that waits to be asked."""

    def __init__(self, name: str, events: int) -> None:
        self.name = name
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mini-llm" / "bench" / name
        python = folder / "bin" / "python"
        if not (folder / "ready").exists():
            print(f"installing {', '.join(PEERS[name])} into {folder}", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[name]], check=True)
            (folder / "ready").touch()
        script = Path(__file__).with_name("dialects_peers.py")
        self._process = subprocess.Popen(
            [python, script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
        )
        bodies = {source: json.loads(body) for source, body in inputs.bodies().items()}
        streams = {source: [chunk.decode() for chunk in inputs.stream(source, events)] for source in dialects.NAMES}
        self.cases: list[str] = self._ask({"bodies": bodies, "streams": streams, "seconds": ENOUGH})

    def microseconds(self, case: str) -> float:
        """Return the CPU for one request or event."""
        return float(self._ask(case))

    def _ask(self, question: object) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        while not (line := self._process.stdout.readline()).startswith("= "):
            if not line:
                raise SystemExit(f"{self.name} ended")
        return json.loads(line[2:])


def _print(taken: Mapping[str, Sequence[float]], blocks: Mapping[str, float]) -> None:
    print(f"{'CPU µs':<52}{'least':>9}{'median':>9}{'blocks':>9}{'ours is':>9}")
    for name, times in taken.items():
        ours = taken.get(name.partition(": ")[2])
        made = f"{blocks[name]:.0f}" if name in blocks else ""
        ratio = f"{min(times) / min(ours):.1f} x" if ours else ""
        print(f"{name:<52}{min(times):>9.1f}{statistics.median(times):>9.1f}{made:>9}{ratio:>9}")


if __name__ == "__main__":
    sys.exit(main())
