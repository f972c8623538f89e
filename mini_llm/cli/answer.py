"""An answer on its way to the reader: text to stdout as it comes, talk to stderr, and nothing paid for in vain."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mini_llm import pricing
from mini_llm.cli import output
from mini_llm.client.answers import Answer, AsyncStream
from mini_llm.client.asking import Prompt
from mini_llm.client.asynchronous import AsyncClient
from mini_llm.errors import LedgerError, MiniLLMError
from mini_llm.types import Delta, Json

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags
    from mini_llm.runtime import Runtime

WIDEST = 100  # columns of rendered text; longer lines are hard to read
ENDINGS = {
    "length": "the answer was cut off at its token limit; `-o max_tokens=N` allows more",
    "content_filter": "the provider's filter ended the answer",
    "pause": "the model paused before it was done",
}


class MisfitError(MiniLLMError):
    """The answer is not of the form that was asked for."""

    code = "answer_does_not_fit"


class Question(NamedTuple):
    """What goes to the client: the prompt, and the options beside it. `strict`: the answer has to fit its schema."""

    prompt: Prompt
    options: dict[str, Any]
    strict: bool = False


class Sink(Protocol):
    """Takes text and shows it."""

    def feed(self, text: str) -> None: ...
    def close(self) -> None: ...


class Plain:
    """Text as it comes; ends with a new line. On a terminal without control characters."""

    def __init__(self, *, clean: bool) -> None:
        self._clean = clean
        self._last = ""

    def feed(self, text: str) -> None:
        """Write at once."""
        text = output.clean(text) if self._clean else text
        if text:
            output.data(text)
            self._last = text[-1]

    def close(self) -> None:
        """End the line."""
        if self._last not in ("", "\n"):
            output.data("\n")


class Screen:
    """Where one answer goes."""

    def __init__(self, flags: Flags, sink: Sink, *, as_json: bool, reasoning: bool) -> None:
        self.beside: dict[str, Any] = {}  # goes into the JSON, too
        self.begun = False
        self.as_json = as_json
        self._flags = flags
        self._sink = sink
        self._reasoning = reasoning
        self._thinking = False
        self._dim = output.coloured(sys.stderr, flags.environ, no_color=flags.no_color)

    @classmethod
    def open(cls, flags: Flags, *, as_json: bool, raw: bool, render: bool, reasoning: bool) -> Screen:
        """Choose how to show it: Markdown rendered on a terminal, plain text in a pipe, unless told otherwise."""
        terminal = output.is_terminal(sys.stdout)
        if render or (terminal and not raw and flags.environ.get("TERM") != "dumb"):
            return cls(flags, _painter(flags), as_json=as_json, reasoning=reasoning)
        return cls(flags, Plain(clean=terminal), as_json=as_json, reasoning=reasoning)

    def show(self, delta: Delta) -> None:
        """Show one step."""
        self.begun = True
        if delta.reasoning and self._reasoning:
            self._think(delta.reasoning)
        if text := delta.text or delta.refusal:
            self._stop_thinking()
            self._sink.feed(text)

    def whole(self, answer: Answer) -> None:
        """Show an answer that came in one piece."""
        if self._reasoning and answer.reasoning:
            self._think(answer.reasoning)
            self._stop_thinking()
        if self.as_json:
            output.json({**answer.to_dict(), **self.beside})
        else:
            self._sink.feed(answer.text)

    def close(self) -> None:
        """Write what is held back, also after a failure."""
        self._stop_thinking()
        self._sink.close()

    def tell(self, answer: Answer) -> None:
        """Say what an ended answer cost, and how it ended if that was odd."""
        if answer.dropped:
            self._flags.say(f"note: {answer.provider} does not take {', '.join(answer.dropped)}; left out")
        for warning in answer.warnings:
            self.warn(warning)
        ending = ENDINGS.get(answer.finish_reason, "" if answer.text or self.as_json else "the model sent no text")
        if ending:
            self._flags.say(f"note: {ending}")
        if output.is_terminal(sys.stdout) and output.is_terminal(sys.stderr) and not self.as_json:
            self._flags.say_dim(f"\n{_summary(answer)}")

    def warn(self, text: str) -> None:
        """Say that something beside the answer went wrong."""
        self._flags.say(f"warning: {text}")

    def _think(self, text: str) -> None:
        if sys.stderr is not None:
            text = output.clean(text)
            sys.stderr.write(f"{output.DIM}{text}{output.RESET}" if self._dim else text)
            sys.stderr.flush()
            self._thinking = True

    def _stop_thinking(self) -> None:
        if self._thinking and sys.stderr is not None:
            sys.stderr.write("\n\n")
            sys.stderr.flush()
            self._thinking = False


def run(runtime: Runtime, question: Question, screen: Screen, *, stream: bool) -> None:
    """Ask, and show the answer. Ctrl-C and a reader that goes away stop the model."""
    asyncio.run(_run(runtime, question, screen, stream=stream))


async def _run(runtime: Runtime, question: Question, screen: Screen, *, stream: bool) -> None:
    client = AsyncClient(runtime=runtime)
    try:
        await _unless_reader_leaves(_streamed if stream else _at_once, client, question, screen)
    finally:
        try:
            await runtime.close()
        except LedgerError as error:  # the answer is there: that it could not be booked must not look like failure
            screen.warn(error.message)
        if runtime.history is not None and runtime.history.trouble:
            screen.warn(f"not kept in the history: {runtime.history.trouble}")


async def _streamed(client: AsyncClient, question: Question, screen: Screen) -> None:
    stream = client.stream(question.prompt, **question.options)
    await follow(stream, screen)
    _check(question, stream.answer)


async def follow(stream: AsyncStream, screen: Screen) -> None:
    """Show an answer as it comes, and what it cost when it has ended."""
    async with stream:
        try:
            async for delta in stream:
                screen.show(delta)
        finally:
            with suppress(BrokenPipeError):
                screen.close()
        screen.tell(stream.answer)


async def _at_once(client: AsyncClient, question: Question, screen: Screen) -> None:
    answer = await client.chat(question.prompt, **question.options)
    screen.whole(answer)
    screen.close()
    screen.tell(answer)
    _check(question, answer)


def _check(question: Question, answer: Answer) -> None:
    if question.strict:
        check_fit(answer, question.options["schema"])


def check_fit(answer: Answer, schema: Json) -> None:
    """Raise MisfitError if *answer* is not JSON that fits *schema*."""
    from mini_llm import shape  # with what validates

    if why := shape.misfit(answer.text, schema):
        raise MisfitError(f"the answer does not fit the schema: {why}", hint="ask again, or ask another model: `-m`")


async def _unless_reader_leaves(ask: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Run *ask*; once nobody reads our stdout any more it is cancelled, and BrokenPipeError says why."""
    left = False
    task = asyncio.ensure_future(ask(*args))

    def leave() -> None:
        nonlocal left
        left = True
        task.cancel()

    watched = _watch_reader(leave)
    try:
        await task
    except asyncio.CancelledError:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        if left:
            raise BrokenPipeError from None
        raise
    finally:
        if watched is not None:
            asyncio.get_running_loop().remove_reader(watched)


def _watch_reader(leave: Callable[[], None]) -> int | None:
    """Call *leave* when the reader of our pipe goes away, even while no word comes. Needs a Unix pipe or socket."""
    if sys.platform == "win32" or sys.stdout is None or sys.stdout.isatty():
        return None  # there, the next write tells
    import select

    descriptor = sys.stdout.fileno()
    poll = select.poll()
    poll.register(descriptor, 0)  # asks for nothing but "closed at the other end"
    loop = asyncio.get_running_loop()

    def ready() -> None:
        if poll.poll(0):
            leave()
        else:  # a socket that only has something to read
            loop.remove_reader(descriptor)

    try:
        loop.add_reader(descriptor, ready)
    except (OSError, NotImplementedError):  # a regular file
        return None
    return descriptor


def _painter(flags: Flags) -> Sink:
    from mini_llm.cli.markdown import Painter

    width = min(shutil.get_terminal_size().columns, WIDEST)
    return Painter(output.data, width=width, color=flags.colour())


def _summary(answer: Answer) -> str:
    parts = [f"{answer.model} via {answer.provider}"]
    guess = "~" if answer.usage is not None and answer.usage.estimated else ""
    if answer.usage is not None:
        parts.append(f"{guess}{answer.usage.input_tokens:,} in, {guess}{answer.usage.output_tokens:,} out")
    if answer.cost_nanos is None:
        parts.append("cost unknown")
    elif answer.cost_nanos:
        parts.append(f"{guess}{pricing.dollars(answer.cost_nanos)}")
    return " · ".join([*parts, f"{answer.seconds:.1f} s"])


def plan(runtime: Runtime, question: Question, *, as_json: bool, color: bool) -> None:
    """Show what would be asked, and whom; send nothing."""
    from mini_llm.cli import explain
    from mini_llm.gateway import described
    from mini_llm.routing import needs_of

    request, decision = AsyncClient(runtime=runtime).plan(question.prompt, **question.options)
    tokens = needs_of(request).input_tokens
    if as_json:
        output.json({**described.decision(decision), "input_tokens": tokens, "sent": False})
        return
    explain.tell(decision, as_json=False, color=color)
    output.talk(f"about {max(tokens, 1):,} tokens in; nothing was sent")
