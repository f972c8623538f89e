"""Write the rest of a stream whose first part passed to the caller as its provider wrote it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence

from mini_llm import sse
from mini_llm.dialects import Dialect
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
