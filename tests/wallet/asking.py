"""What the tests of the wallet's client share: a clock that only waiting moves, and one question to a service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from mini_llm.wallet.service import Service

Result = TypeVar("Result")


class Clock:
    """A clock that stands still but for who sleeps by it; `slept` are the waits."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def ask(question: Callable[[Service], Awaitable[Result]], *, seconds: float = 10.0) -> Result:
    """Open a service and ask it one thing."""

    async def asked() -> Result:
        async with Service.open({}, seconds=seconds) as service:
            return await question(service)

    return asyncio.run(asked())
