"""What the ledger costs: CPU a row, a reservation's delay, a question to a million rows. `python bench/ledger.py`.

Every figure is measured on this machine, in this run; `--rows` sets the size of the large file.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from mini_llm.ledger import Entry, Ledger, new_request_id, open_sqlite
from mini_llm.ledger.budgets import Budgets
from mini_llm.ledger.entries import Batch, Limit
from mini_llm.ledger.sqlite import SQLiteBook
from mini_llm.types import Usage

DAY = 86_400
RAW = {
    "prompt_tokens": 1234,
    "completion_tokens": 321,
    "total_tokens": 1555,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 128, "audio_tokens": 0},
}
USAGE = Usage(input_tokens=1234, output_tokens=321, cache_read_tokens=1024, reasoning_tokens=128, raw=RAW)


def entry(number: int, at: float | None = None) -> Entry:
    """Return a row as a gateway writes it."""
    return Entry(
        time=time.time() if at is None else at,
        request_id=new_request_id() if at is None else f"ml-{int(at * 1000):011x}{number:014x}",
        attempt=1,
        route="fast (priority): groq/llama-3.3-70b, openai/gpt-5.5",
        provider=("groq", "openai", "anthropic")[number % 3],
        model=("llama-3.3-70b", "gpt-5.5", "claude-opus-4-8")[number % 3],
        status="ok" if number % 20 else "failed",
        tool=("claude", "codex", "opencode", "")[number % 4],
        usage=USAGE,
        price_snapshot="2026-11-20",
        cost_nanos=1_234_567,
        first_content=0.31,
        seconds=2.25,
        caller=f"key-{number % 5}",
        credential="groq",
        upstream_request_id=f"chatcmpl-{number:024x}",
    )


def ledger_in(folder: Path) -> Ledger:
    """Return a ledger whose file is in *folder*."""
    file = folder / "ledger.db"
    return Ledger(lambda: open_sqlite(file), open_reader=lambda: open_sqlite(file, reading=True))


def burst(folder: Path, rows: int = 100_000) -> None:
    """Append as fast as one thread can."""
    ledger = ledger_in(folder)
    entries = [entry(number) for number in range(rows)]
    began, cpu = time.perf_counter(), time.process_time()
    for each in entries:
        ledger.append(each)
    handed = time.perf_counter() - began
    ledger.close()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    told(f"burst of {rows:,} rows", f"{rows / took:,.0f} rows/s", f"{cpu / rows * 1e6:.1f} µs CPU a row")
    told("  of it for the caller", f"{handed / rows * 1e6:.2f} µs a row")


def paced(folder: Path, rate: int, seconds: float = 4.0) -> None:
    """Append at a steady rate from an event loop, as a gateway does; what the loop alone costs is taken off."""

    async def run(ledger: Ledger | None) -> float:
        began, cpu, done = time.perf_counter(), time.process_time(), 0
        entries = iter([entry(number) for number in range(int(rate * seconds) + rate)])
        cpu = time.process_time()
        while (since := time.perf_counter() - began) < seconds:
            due = int(since * rate) - done
            for _ in range(due):
                one = next(entries)
                if ledger is not None:
                    ledger.append(one)
            done += due
            await asyncio.sleep(0.001)
        if ledger is not None:
            ledger.close()
        return (time.process_time() - cpu) / done

    without = asyncio.run(run(None))
    cost = asyncio.run(run(ledger_in(folder))) - without
    told(f"{rate:,} rows/s", f"{cost * 1e6:.1f} µs CPU a row")


def beside_a_busy_thread(folder: Path, rows: int = 20_000) -> None:
    """Write while another thread never gives up the interpreter of its own accord."""
    ledger = ledger_in(folder)
    entries = [entry(number) for number in range(rows)]
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(100))

    busy = threading.Thread(target=spin)
    busy.start()
    began = time.perf_counter()
    for each in entries:
        ledger.append(each)
    ledger.close()
    took = time.perf_counter() - began
    stop.set()
    busy.join()
    told("beside a busy thread", f"{rows / took:,.0f} rows/s")


def reservations(folder: Path, count: int = 2000) -> None:
    """Set aside and settle, one after the other and many at once."""

    async def one(budgets: Budgets, ledger: Ledger, number: int) -> float:
        each = entry(number)
        began = time.perf_counter()
        held = await budgets.reserve(each._replace(status="unknown"), 2_000_000, lasts=60)
        assert held is not None
        ledger.append(each._replace(reservation=held.id))
        return time.perf_counter() - began

    async def run() -> None:
        ledger = ledger_in(folder)
        limits = [Limit("all", "daily", 10**15), Limit("key:key-1", "monthly", 10**15)]
        budgets = Budgets(ledger, limits)
        await one(budgets, ledger, 0)
        cpu = time.process_time()
        alone = []
        for number in range(1, count):
            alone.append(await one(budgets, ledger, number))
            await asyncio.sleep(0.001)
        cpu = time.process_time() - cpu
        cuts = statistics.quantiles(alone, n=100)
        told(
            "reserve + settle, one at a time",
            f"p50 {statistics.median(alone) * 1e3:.3f} ms",
            f"p99 {cuts[98] * 1e3:.3f} ms",
            f"{cpu / count * 1e6:.0f} µs CPU",
        )
        for number in range(5):
            began = time.perf_counter()
            batch = (one(budgets, ledger, count + number * 200 + each) for each in range(200))
            await asyncio.gather(*batch)
            if number == 4:
                told("reserve + settle, 200 at once", f"{(time.perf_counter() - began) / 200 * 1e3:.3f} ms each")
        ledger.close()

    asyncio.run(run())


def large(folder: Path, rows: int) -> None:
    """Fill a file with *rows* over 30 days; then ask it, and open it after a crash."""
    file = folder / "ledger.db"
    book = SQLiteBook(file)
    began, cpu = time.perf_counter(), time.process_time()
    for batch in _month(rows):
        book.write(Batch(batch))
    cpu = time.process_time() - cpu
    told(
        f"{rows:,} rows", f"{rows / (time.perf_counter() - began):,.0f} rows/s", f"{cpu / rows * 1e6:.1f} µs CPU a row"
    )
    book.close()
    told("file", f"{file.stat().st_size / rows:.0f} bytes a row")
    ledger = ledger_in(folder)
    for by in ("day", "month", "model", "route"):
        told(f"usage --by {by}", f"{timed(lambda by=by: ledger.usage(by)) * 1e3:.0f} ms")
    since = time.time() - 7.2 * DAY
    told("usage of the last 7.2 days", f"{timed(lambda: ledger.usage('day', since=since)) * 1e3:.0f} ms")
    told("total", f"{timed(ledger.totals) * 1e3:.0f} ms")
    told("open and recover", f"{timed(lambda: _start(folder)) * 1e3:.0f} ms")
    told("the same after a process was killed", f"{timed(lambda: _start(folder, killed=True)) * 1e3:.0f} ms")
    budgets = Budgets(ledger, [Limit("all", "total", 10**18), Limit("tool:codex", "monthly", 10**18)])
    began = time.perf_counter()
    asyncio.run(_reserve(budgets))
    told("first reservation", f"{(time.perf_counter() - began) * 1e3:.0f} ms")
    ledger.close()
    told("verify", f"{timed(lambda: ledger.verify(lambda *_: 1_234_567)):.1f} s")


async def _reserve(budgets: Budgets) -> None:
    await budgets.reserve(entry(2), 1, lasts=60)


def _start(folder: Path, *, killed: bool = False) -> None:
    book = SQLiteBook(folder / "ledger.db")
    if killed:  # its sign stays; the file is read through
        book.claim().drop()
    book.examine()
    book.recover()
    book.close()


def _month(rows: int) -> Iterator[list[Entry]]:
    start, step = time.time() - 30 * DAY, 30 * DAY / rows
    for first in range(0, rows, 1000):
        yield [entry(number, start + number * step) for number in range(first, min(first + 1000, rows))]


def timed(act: object) -> float:
    """Return the best of three."""
    assert callable(act)
    best = 1e9
    for _ in range(3):
        began = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - began)
    return best


def told(name: str, *figures: str) -> None:
    """Print one line."""
    print(f"{name:<36} {'   '.join(figures)}", flush=True)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    print(f"Python {platform.python_version()}, {platform.machine()}")
    for part in (burst, beside_a_busy_thread, reservations):
        with tempfile.TemporaryDirectory() as folder:
            part(Path(folder))
    for rate in (300, 1000, 3000):
        with tempfile.TemporaryDirectory() as folder:
            paced(Path(folder), rate)
    with tempfile.TemporaryDirectory() as folder:
        large(Path(folder), rows)


if __name__ == "__main__":
    main()
