"""The conversations kept on this machine, as commands use them: opened, described, and asked again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from mini_llm.errors import MiniLLMError, UsageError
from mini_llm.types import NOTHING, Message, Opaque, Reasoning, Tool, ToolCall

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags
    from mini_llm.history import Conversation, Hit, Kept
    from mini_llm.history.sqlite import Store

CHAT = "chat"  # the name under which `chat` asks
NOT_KEPT = "bytes: not kept]"  # as `history.packing` puts it where a file was
TURN_ON = "turn it on: `mini-llm config set history true`"


class Thread(NamedTuple):
    """A conversation that goes on: its id ("": it is not kept), what was said, and what goes with the next question."""

    id: str
    messages: tuple[Message, ...] = ()
    options: Mapping[str, Any] = NOTHING


class HistoryOffError(MiniLLMError):
    """Nothing is kept: the user has not turned the history on."""

    code = "history_off"


@contextmanager
def opened(known: Flags) -> Iterator[Store]:
    """Open what is kept. Where the history is off, what was kept before can still be seen, and deleted."""
    from mini_llm import history

    loaded = known.load()
    file = loaded.paths.data / history.FILE
    if not loaded.config.history:
        if not file.exists():
            raise HistoryOffError("history is off: prompts and answers are not kept", hint=TURN_ON)
        known.say(f"note: history is off, nothing new is kept; {TURN_ON}")
    store = history.open_store(file)
    try:
        yield store
    finally:
        store.close()


def begun(known: Flags) -> Thread:
    """Return a new conversation."""
    if not known.load().config.history:
        return Thread("")
    from mini_llm import history

    return Thread(history.new_id())


def resumed(known: Flags, name: str) -> Thread:
    """Return the conversation whose id begins with *name*, without one the last that was had with `chat`."""
    if not known.load().config.history:
        raise HistoryOffError("history is off: no conversation is kept that could go on", hint=TURN_ON)
    with opened(known) as store:
        found = store.find(name)[0] if name else store.last(CHAT)
        turns = store.turns(found) if found else []
    if not turns:
        raise UsageError("there is no conversation to go on with", hint='begin one: `mini-llm chat "Hello"`')
    last = turns[-1]
    said = [*last.messages, *([last.answer] if last.answer is not None else [])]
    options: dict[str, Any] = {"model": last.asked}
    if any(isinstance(part, ToolCall) for message in said for part in message.parts):
        # Some providers take calls only beside the tools that were called; here is nobody who would run them.
        options |= {"tools": options_of(last).get("tools", ()), "tool_choice": "none"}
    return Thread(found, tuple(bare(message) for message in said), options)


def bare(message: Message) -> Message:
    """Return *message* as it can be sent again, to any model: without what only its own would understand."""
    if message.role != "assistant":
        return message
    return message._replace(parts=tuple(part for part in message.parts if not isinstance(part, Reasoning | Opaque)))


def since_last_answer(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return what was said after the last answer in *messages*: what a turn adds to those before it."""
    last = next((place for place in reversed(range(len(messages))) if messages[place].role == "assistant"), -1)
    return messages[last + 1 :]


def options_of(turn: Kept) -> dict[str, Any]:
    """Return what a client is told beside the messages, to ask the same as *turn* did."""
    kept = dict(turn.settings)
    names = ("max_tokens", "temperature", "top_p", "seed", "stop")
    options: dict[str, Any] = {"model": turn.asked, **{name: kept[name] for name in names if name in kept}}
    if tools := kept.get("tools"):
        options["tools"] = [Tool(**{name: told[name] for name in told if name in Tool._fields}) for told in tools]
    if choice := kept.get("tool_choice"):
        options["tool_choice"] = choice.get("name") or choice["mode"]
    if schema := kept.get("response_format", {}).get("schema"):
        options["schema"] = schema
    if effort := kept.get("thinking", {}).get("effort"):
        options["effort"] = effort
    return options


def described(one: Conversation) -> dict[str, Any]:
    """Return a conversation as JSON has it."""
    return {
        "id": one.id,
        "started": instant(one.started),
        "updated": instant(one.updated),
        "title": one.title,
        "tool": one.tool,
        "turns": one.turns,
        "model": one.model,
        **_cost(one.cost_nanos),
        "unpriced": one.unpriced,
    }


def described_turn(turn: Kept, *, first: bool) -> dict[str, Any]:
    """Return a turn as JSON has it, with the messages that it adds; the *first* has all."""
    from mini_llm.history import packing

    messages = turn.messages if first else since_last_answer(turn.messages)
    return {
        "request_id": turn.request_id,
        "time": instant(turn.time),
        **{name: getattr(turn, name) for name in ("tool", "asked", "route", "provider", "model", "status")},
        **_cost(turn.cost_nanos),
        "input_tokens": turn.input_tokens,
        "output_tokens": turn.output_tokens,
        "seconds": round(turn.seconds, 3),
        "settings": dict(turn.settings),
        "messages": [packing.packed(message, str) for message in messages],
        "answer": None if turn.answer is None else packing.packed(turn.answer, str),
    }


def described_hit(hit: Hit) -> dict[str, Any]:
    """Return what was found as JSON has it."""
    text = hit.text.replace("\x02", "").replace("\x03", "")
    return {**hit._asdict(), "time": instant(hit.time), "text": text}


def instant(unix: float) -> str:
    """Return a time for machines."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="seconds")


def moment(unix: float) -> str:
    """Return a time for people, by their own clock."""
    return f"{datetime.fromtimestamp(unix).astimezone():%Y-%m-%d %H:%M}"


def _cost(nanos: int | None) -> dict[str, Any]:
    from mini_llm import pricing

    return {"cost": None if nanos is None else pricing.decimal(nanos), "cost_nanos": nanos}
