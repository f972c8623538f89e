"""The conversations kept on this machine, as commands use them: opened, described, and asked again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mini_llm.errors import MiniLLMError

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags
    from mini_llm.history import Conversation, Hit, Kept
    from mini_llm.history.sqlite import Store
    from mini_llm.types import Message

TURN_ON = "turn it on: `mini-llm config set history true`"


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


def since_last_answer(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return what was said after the last answer in *messages*: what a turn adds to those before it."""
    last = next((place for place in reversed(range(len(messages))) if messages[place].role == "assistant"), -1)
    return messages[last + 1 :]


def options_of(turn: Kept) -> dict[str, Any]:
    """Return what a client is told beside the messages, to ask the same as *turn* did."""
    from mini_llm.types import Tool

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
