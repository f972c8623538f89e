"""`mini-llm chat -i`: one question after the other, until Ctrl-D."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mini_llm.cli import answer, conversations, output, slash
from mini_llm.cli.lines import Lines
from mini_llm.cli.prompt import Prompt
from mini_llm.cli.report import report
from mini_llm.cli.talk import Talk
from mini_llm.client.asynchronous import AsyncClient
from mini_llm.errors import LedgerError, MiniLLMError
from mini_llm.types import Message

if TYPE_CHECKING:
    from mini_llm.cli.asking import Shown
    from mini_llm.cli.flags import Flags

EARLIER = 500  # questions of before, for the arrow keys
LEAVING = "Ctrl-D or /exit leaves"


def converse(
    known: Flags,
    asked: Prompt,
    options: dict[str, Any],
    messages: Sequence[Message],
    shown: Shown,
    fetch: Callable[[str], bytes],
) -> None:
    """Talk. *asked* is the first question, if it is one."""
    decision = known.runtime().decide(options["model"])
    talk = Talk(messages, options)
    talk.attached = list(asked.parts)
    room = _Room(known, talk, shown, fetch)
    known.say_dim(f"{decision.line()}\n/help tells the commands, {LEAVING}")
    asyncio.run(room.talk(asked.text))


class _Room:
    """Somebody at a terminal, and a model."""

    def __init__(self, known: Flags, talk: Talk, shown: Shown, fetch: Callable[[str], bytes]) -> None:
        self._known = known
        self._talk = talk
        self._shown = shown
        self._slash = slash.Slash(known, talk, fetch)
        self._runtime = known.runtime()
        self._lines = Lines(
            {name: takes for name, (takes, _) in slash.COMMANDS.items()},
            self._names,
            earlier=_earlier(known),
            color=known.colour(),
        )

    async def talk(self, first: str) -> None:
        """Take turns until somebody leaves."""
        self._client = AsyncClient(runtime=self._runtime)
        try:
            if first:
                await self._ask(self._talk.question(first))
            while (line := await self._line()) is not None:
                await self._turn(line)
        except slash.Leave:
            pass
        finally:
            await self._close()

    async def _line(self) -> str | None:
        """Return what was typed, None at the end."""
        while True:
            try:
                return await self._lines.read()
            except EOFError:
                return None
            except KeyboardInterrupt:
                self._known.say_dim(LEAVING)

    async def _turn(self, line: str) -> None:
        asked: Message | None = None
        try:
            if slash.is_command(line):
                asked = self._slash.run(line)
            elif line or self._talk.attached:
                asked = self._talk.question(line)
        except MiniLLMError as error:
            report(error, self._known)
        if asked is not None:
            await self._ask(asked)

    async def _ask(self, asked: Message) -> None:
        """Ask, and show the answer; Ctrl-C stops it, and what came of it stays."""
        screen = answer.Screen.open(
            self._known, as_json=False, raw=self._shown.raw, render=self._shown.render, reasoning=self._shown.reasoning
        )
        output.talk("")
        stream = self._client.stream([*self._talk.messages, asked], **self._talk.options)
        task = asyncio.ensure_future(answer.follow(stream, screen))
        try:
            with _interrupting(task):
                await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise
            self._known.say_dim("stopped")
        except MiniLLMError as error:
            report(error, self._known)
        try:
            self._talk.answered(asked, stream.answer)
            if task.done() and not task.cancelled() and task.exception() is None and "schema" in self._talk.options:
                answer.check_fit(stream.answer, self._talk.options["schema"])
        except MiniLLMError as error:  # nothing came; or it does not fit
            if isinstance(error, answer.MisfitError):
                report(error, self._known)
            else:
                self._talk.failed(asked)
        output.talk("")

    async def _close(self) -> None:
        try:
            await self._runtime.close()
        except LedgerError as error:
            self._known.say(f"warning: {error.message}")
        if self._runtime.history is not None and self._runtime.history.trouble:
            self._known.say(f"warning: not kept in the history: {self._runtime.history.trouble}")

    def _names(self) -> Iterator[str]:
        """Yield the models that can be asked, by all their names."""
        runtime = self._runtime
        yield from runtime.loaded.config.aliases
        for provider in runtime.registry.usable():
            yield from (f"{provider.name}/{model}" for model in provider.models)
            yield from (f"{provider.name}/{model.id}" for model in runtime.catalogue.models(provider.name))


def _earlier(known: Flags) -> list[str]:
    """Return the questions of before; they are kept nowhere else than in the history."""
    if not known.load().config.history:
        return []
    with suppress(MiniLLMError), conversations.opened(known) as store:
        return store.prompts(conversations.CHAT, EARLIER)
    return []


@contextmanager
def _interrupting(task: asyncio.Task[None]) -> Iterator[None]:
    """Let Ctrl-C stop *task*, and nothing else."""
    loop = asyncio.get_running_loop()

    def stop(*_: object) -> None:
        loop.call_soon_threadsafe(task.cancel)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        sys.stdout.flush()
