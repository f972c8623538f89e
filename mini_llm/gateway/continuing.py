"""What follows events that passed to the caller as their provider wrote them: the rest, or an error that fits."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence

import orjson

from mini_llm import sse
from mini_llm.dialects import Dialect, loose
from mini_llm.errors import MiniLLMError
from mini_llm.types import ChatResponse, Delta


def continuing(
    dialect: Dialect,
    sent: ChatResponse,
    deltas: AsyncIterable[Delta],
    *,
    recent: Sequence[sse.Event],
    include_usage: bool,
    model: str,
) -> AsyncGenerator[bytes, None]:
    """Write *deltas* after what was *sent*: a caller of *dialect* reads one answer. Ids stay, what is open goes on.

    *recent* are the last few events that the caller got, the very last at the end. Raises TruncatedError where they
    leave open what cannot be gone on with.
    """
    return dialect.encode_rest(deltas, sent, recent=recent, include_usage=include_usage, model=model)


def break_off(error: MiniLLMError, sent: ChatResponse, recent: Sequence[sse.Event]) -> None:
    """Tell *error* which answer it breaks off, and after how many events where they are numbered."""
    if error.answer_id or not recent or recent[-1].data[:1] != b"{":
        return
    error.answer_id = sent.id
    number = loose.object_of(orjson.loads(recent[-1].data)).get("sequence_number")
    error.events = number + 1 if type(number) is int else 0
