"""Wait for somebody's yes: show that time passes, and open a browser when Enter asks for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from mini_llm.cli import browser
from mini_llm.cli.keys import Enter
from mini_llm.wallet.device import ExpiredError

if TYPE_CHECKING:
    from mini_llm.cli.login_screen import Screen

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class World:
    """What a login needs of the world."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    open: Callable[[str, Mapping[str, str], Callable[[], None]], None] = browser.open_at
    enter: Enter = field(default_factory=Enter)


async def wait(
    poll: Coroutine[Any, Any, Result],
    until: float,
    world: World,
    screen: Screen,
    *,
    page: str,
    environ: Mapping[str, str],
) -> Result:
    """Return what *poll* comes to. Meanwhile Enter opens *page*, if there is one to open."""
    polling = asyncio.ensure_future(poll)
    failed: list[bool] = []
    try:
        while not polling.done():
            screen.tick(until - world.now())
            if page and world.enter.pressed():
                world.open(page, environ, lambda: failed.append(True))
            if failed:
                failed.clear()
                screen.no_browser()
            await asyncio.wait({polling}, timeout=screen.tick_seconds)
        return polling.result()
    finally:
        polling.cancel()


async def for_enter(end: float, world: World) -> None:
    """Wait until Enter is pressed. Raises ExpiredError where nobody is there any more, or it is too late."""
    while not world.enter.pressed():
        if not world.enter.there or world.now() >= end:
            raise ExpiredError("nobody said yes in time", hint="run `mini-llm login` for a new code")
        await asyncio.sleep(0.1)
