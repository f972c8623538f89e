"""What a stream that passed as its provider wrote it may still need: its rest from another target, or its last word."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence

from mini_llm import sse
from mini_llm.dialects import Dialect
from mini_llm.types import ChatResponse, Delta

# The last event of a stream, where it is more than the one that says why the answer ended.
_LAST = {
    "openai_chat": sse.Event("", b"[DONE]"),
    "anthropic_messages": sse.Event("message_stop", b'{"type":"message_stop"}'),
}


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


def last_word(dialect: Dialect, recent: Sequence[sse.Event]) -> bytes:
    """Return what ends a stream whose answer has ended, if its provider forgot it; else b""."""
    last = _LAST.get(dialect.NAME)
    if last is None or (recent and _is(recent[-1], last)):
        return b""
    return sse.encode(last.data, last.event)


def _is(event: sse.Event, last: sse.Event) -> bool:
    return event.event == last.event if last.event else event.data.strip() == last.data
