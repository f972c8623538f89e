"""The history's words: what dispatch hears, what is kept of it, and what a search finds. Frozen, and without logic."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from mini_llm.errors import MiniLLMError
from mini_llm.types import ChatRequest, ChatResponse, Message

LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # none that is read as another
ID_LETTERS = 12


class HistoryError(MiniLLMError):
    """The history cannot be read or written."""

    code = "history_unavailable"


class NoConversationError(MiniLLMError):
    """Nothing is kept under this id, or more than one thing."""

    status = 404
    code = "conversation_not_found"


class Heard(NamedTuple):
    """A request and its answer. `request` and `response` are worked out by the thread that writes, not before.

    `conversation` is "" where the caller does not say: then it is known again by what was said in it.
    """

    request: Callable[[], ChatRequest]
    response: Callable[[], ChatResponse | None]
    request_id: str
    time: float
    route: str
    provider: str
    model: str
    status: Literal["ok", "partial", "cancelled"]
    conversation: str = ""
    tool: str = ""
    caller: str = ""
    cost_nanos: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float = 0.0


class Conversation(NamedTuple):
    """One conversation in a list. Times are Unix seconds; `unpriced` turns are not in `cost_nanos`."""

    id: str
    started: float
    updated: float
    title: str
    tool: str
    turns: int
    model: str
    cost_nanos: int
    unpriced: int


class Kept(NamedTuple):
    """One turn: all that was sent, what came back (None if it was too large), and the request's other settings.

    `asked` is the model as the caller named it. `request_id` is that of the ledger's rows.
    """

    conversation: str
    request_id: str
    time: float
    tool: str
    asked: str
    route: str
    provider: str
    model: str
    status: str
    cost_nanos: int | None
    input_tokens: int | None
    output_tokens: int | None
    seconds: float
    messages: tuple[Message, ...]
    answer: Message | None
    settings: Mapping[str, Any]


class Hit(NamedTuple):
    """A place where something was found. In `text`, what was found stands between U+0002 and U+0003."""

    conversation: str
    request_id: str
    time: float
    role: str
    title: str
    text: str


def new_id() -> str:
    """Return an id for a conversation; the first few letters usually tell it from all others."""
    return "".join(secrets.choice(LETTERS) for _ in range(ID_LETTERS))
