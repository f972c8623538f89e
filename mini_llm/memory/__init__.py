"""What models give and clients lose: thinking signatures, encrypted reasoning, the kind of a tool call.

Kept under the ids of an answer's tool calls and under what it said, in this process and on a shelf on disk; put back
into the conversation's next turn for the target that gave it, and for no other. Bounded, and gone after a day.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import orjson

from mini_llm.memory.keys import keys_of, said_since
from mini_llm.memory.weaving import Recalled, State, pieces_of, runs_of, state_of
from mini_llm.types import ChatRequest, Message

__all__ = ["LIFETIME", "MOST_KEPT", "Memo", "Memory", "Recalled", "Shelf", "source_of"]

LIFETIME = 86_400.0
MOST_KEPT = 2_000
# One answer's state, and all that this process keeps.
LARGEST = 1024 * 1024
MOST_BYTES = 64 * 1024 * 1024


class Memo(NamedTuple):
    """One thing remembered: `expires` is Unix seconds, `value` JSON."""

    key: bytes
    value: bytes
    expires: float


class Shelf(Protocol):
    """Where memories outlive the process."""

    def remember(self, memos: Sequence[Memo]) -> None:
        """Write without waiting."""

    def recall(self, keys: Sequence[bytes], now: float) -> Mapping[bytes, bytes]:
        """Return what is kept under *keys* and has not expired. May wait for the disk."""


def source_of(provider: str, model: str) -> str:
    """Return the name under which the state of an answer is known: its provider, and the vendor in the model's name.

    What a vendor signed or hid, it can read again in any of its models; nobody else can.
    """
    return f"{provider}/{model.rpartition('/')[0]}"


class Memory:
    """Keep what an answer's next turn will need; `scope` parts one caller's memories from another's."""

    def __init__(self, shelf: Shelf | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._shelf = shelf
        self._clock = clock
        self._kept: OrderedDict[bytes, Memo] = OrderedDict()
        self._size = 0
        self._sources: set[str] = set()

    def knows(self, source: str, body: bytes = b"") -> bool:
        """Tell whether anything that *source* gave may be kept; what others kept concerns a *body* with calls."""
        return source in self._sources or (self._shelf is not None and b'"tool_calls"' in body)

    @staticmethod
    def worth(answer: Message) -> bool:
        """Tell whether *answer* has any state that its caller may lose."""
        return state_of(answer, "") is not None

    def keep(self, answer: Message, request: ChatRequest, *, source: str = "", scope: str = "") -> None:
        """Remember the opaque state of *answer* to *request*, if it has any: both as the caller sees them.

        *source* is who gave it, as `source_of` says it; "" is anyone.
        """
        state = state_of(answer, source)
        if state is None:
            return
        try:
            value = orjson.dumps(state)
        except orjson.JSONEncodeError:  # half a surrogate pair, which no wire can hold
            return
        if len(value) > LARGEST:
            return
        self._sources.add(source)
        expires = self._clock() + LIFETIME
        memos = [Memo(key, value, expires) for key in keys_of(answer, said_since(request.messages), scope)]
        for memo in memos:
            self._keep(memo)
        if self._shelf is not None and memos:
            self._shelf.remember(memos)

    async def recall(self, request: ChatRequest, *, scope: str = "") -> Recalled:
        """Return *request* with what is known of its earlier answers."""
        runs = runs_of(request.messages)
        wanted = [
            keys_of(run.message, said_since(request.messages[: run.first]), scope) if run.assistant else []
            for run in runs
        ]
        found = await self._recall({key for keys in wanted for key in keys}) if any(wanted) else {}
        states: list[State | None] = []
        for keys in wanted:
            value = next((found[key] for key in keys if key in found), None)
            states.append(None if value is None else orjson.loads(value))
        return Recalled(request, tuple(pieces_of(request.messages, runs, states)))

    async def _recall(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        now = self._clock()
        found: dict[bytes, bytes] = {}
        missing: list[bytes] = []
        for key in keys:
            memo = self._kept.get(key)
            if memo is not None and memo.expires > now:
                self._kept.move_to_end(key)
                found[key] = memo.value
            else:
                missing.append(key)
        if missing and self._shelf is not None:
            shelved = await asyncio.to_thread(self._shelf.recall, missing, now)
            for key, value in shelved.items():
                self._keep(Memo(key, value, now + LIFETIME))
            found |= shelved
        return found

    def _keep(self, memo: Memo) -> None:
        before = self._kept.pop(memo.key, None)
        self._size += len(memo.value) - (len(before.value) if before else 0)
        self._kept[memo.key] = memo
        while len(self._kept) > MOST_KEPT or self._size > MOST_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest.value)
