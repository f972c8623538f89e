"""A process that spends: `python -m tests.spending FOLDER NAME barrier|work`. It tells what it did on stdout.

`barrier`: 200 / PROCESSES requests at once against a budget for ten. `work`: until it is killed; what it sent, with a
budget and without, is in `sent-NAME`, what it saw the end of in `ended-NAME`, what the book acknowledged in
`acked-NAME`, each line written before the next step.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from pathlib import Path

from mini_llm.config.settings import Budget
from mini_llm.errors import BudgetError
from mini_llm.ledger import Entry, Ledger, new_request_id, open_journal, open_sqlite
from mini_llm.ledger.budgets import Budgets, limit_of
from mini_llm.ledger.entries import Batch
from mini_llm.types import Usage

DOLLAR = 10**9


def attempt(name: str) -> Entry:
    return Entry(time.time(), name, 1, "r", "groq", "llama", "unknown", usage=Usage(9, 5, estimated=True), cost_nanos=7)


async def barrier(budgets: Budgets, folder: Path, name: str, count: int) -> None:
    await budgets.reserve(attempt(f"{name}-first"), 0, lasts=60)
    print("ready", flush=True)
    while not (folder / "go").exists():
        await asyncio.sleep(0.001)
    asked = (budgets.reserve(attempt(f"{name}-{number}"), DOLLAR, lasts=60) for number in range(count))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    refused = sum(isinstance(outcome, BudgetError) for outcome in outcomes)
    print(len(outcomes) - refused, refused, flush=True)
    sys.stdin.readline()  # what is set aside falls when this process ends


async def work(budgets: Budgets, ledger: Ledger, folder: Path, name: str) -> None:
    sent = os.open(folder / f"sent-{name}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    acked = os.open(folder / f"acked-{name}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    ended = os.open(folder / f"ended-{name}", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    book = open_sqlite(folder / "ledger.db")

    async def spend() -> None:
        while True:
            entry = attempt(new_request_id())
            held = await budgets.reserve(entry, 10, lasts=60)
            assert held is not None
            if random.random() < 0.1:
                budgets.void(held)
                continue
            os.write(sent, f"{entry.request_id}\n".encode())
            await asyncio.sleep(random.random() * 0.02)
            ledger.append(entry._replace(status="ok", usage=Usage(9, 3), reservation=held.id, cost_nanos=5))
            await asyncio.sleep(random.random() * 0.01)

    async def send() -> None:
        while True:
            entry = attempt(new_request_id())
            ledger.begin(entry._replace(usage=None, cost_nanos=None))
            os.write(sent, f"{entry.request_id}\n".encode())
            await asyncio.sleep(random.random() * 0.02)
            ledger.append(entry._replace(status="ok", usage=Usage(9, 3), cost_nanos=5))
            os.write(ended, f"{entry.request_id}\n".encode())

    async def write() -> None:
        while True:
            entry = attempt(new_request_id())._replace(status="ok")
            book.write(Batch([entry]))
            os.write(acked, f"{entry.request_id}\n".encode())
            await asyncio.sleep(0.01)

    print("ready", flush=True)
    await asyncio.gather(write(), *(spend() for _ in range(8)), *(send() for _ in range(8)))


def main(folder: Path, name: str, what: str, count: int = 0) -> None:
    file = folder / "ledger.db"
    ledger = Ledger(lambda: open_sqlite(file), open_journal=lambda: open_journal(file))
    if what == "barrier":
        budgets = Budgets(ledger, [limit_of(Budget("all", "daily", "10"))])
        asyncio.run(barrier(budgets, folder, name, count))
    else:
        asyncio.run(work(Budgets(ledger, [limit_of(Budget("all", "total", "1000000"))]), ledger, folder, name))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
