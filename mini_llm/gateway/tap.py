"""A stream on its way from an upstream to a caller of the same dialect: each event goes on once it was decoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import orjson

from mini_llm import sse
from mini_llm.dialects import surrogates
from mini_llm.dialects.cost import dollars
from mini_llm.gateway.responder import Responder
from mini_llm.types import Delta, Usage

# What a provider adds to every event, and to one more, when it is asked for usage.
_NO_USAGE = b',"usage":null'
_DONE = b"[DONE]"
# How a complete answer ends where that is a word of its own, which some providers forget.
_ENDINGS = {
    "openai_chat": sse.Event("", _DONE),
    "anthropic_messages": sse.Event("message_stop", b'{"type":"message_stop"}'),
}
_CLOSING = (_DONE, b'{"type":"message_stop"}', b'{"type": "message_stop"}')
_NULLS = (b'"usage":null', b'"usage": null')
_BEGINS = b'{"type":"message_start"'  # Anthropic's first word on usage; its last one comes at the end
_NO_CHOICES = (b'"choices":[]', b'"choices": []')


class Tap:
    """Hold the events until the answer is committed (`open`), then write each as it comes.

    With *hide_usage*, what tells the usage of a chat completion is left out: its caller did not ask.
    `closed` ends it: what the decoder still yields comes from elsewhere. `recent` are the last events that passed.
    `cost` says what is asked for a usage; where it is set, an event that tells the usage tells that, too.
    """

    def __init__(self, *, hide_usage: bool = False, dialect: str = "") -> None:
        self._hide_usage = hide_usage
        self._ending = _ENDINGS.get(dialect)
        self._last: sse.Event | None = None
        self._waiting: list[sse.Event] = []
        self._held: list[bytes] = []
        self._responder: Responder | None = None
        self.closed = False
        self.cost: Callable[[Usage], int | None] | None = None
        self.recent: deque[sse.Event] = deque(maxlen=8)

    def came(self, event: sse.Event) -> None:
        """Note that *event* came; it may still prove to be nonsense."""
        self._last = event

    def read(self, delta: Delta | None = None) -> None:
        """Pass the last event on: it was decoded, to *delta* first of all."""
        event, self._last = self._last, None
        if self.closed:
            return
        if event is not None and self._waiting and event.data in _CLOSING:
            self._waiting.append(event)
        elif event is not None:
            self._tell_usage(None)
            if self.cost is None or not _ends(event):
                self._write(event)
            else:
                self._waiting.append(event)
        if self.cost is not None and delta is not None and delta.usage is not None:
            self._tell_usage(self.cost(delta.usage))

    def passed_over(self) -> None:
        """Pass the last event on, if it was not yet, unless it is nonsense: the decoder tells that a moment later."""
        if self._last is not None and not _is_json(self._last.data):
            self._last = None
        self.read()

    def end(self) -> None:
        """End the answer, which was found complete, in the words of its dialect if the provider did not."""
        self.read()
        self._tell_usage(None)
        if self._ending is not None and not self.closed:
            self._write(self._ending)

    def _tell_usage(self, nanos: int | None) -> None:
        """Pass on the event that waits for what is asked for the usage in it, and the ending behind it."""
        waiting, self._waiting = self._waiting, []
        for place, event in enumerate(waiting):
            self._write(event if place else _with_cost(event, nanos))

    def _write(self, event: sse.Event) -> None:
        if self._ending is not None and (event.data == _DONE or event.event == self._ending.event != ""):
            self._ending = None
        data = self._kept(event.data) if self._hide_usage else event.data
        if not data:
            return
        if event.event != "ping":
            self.recent.append(event)
        written = sse.encode(data, event.event)
        if self._responder is None:
            self._held.append(written)
        else:
            self._responder.write(written)

    def open(self, responder: Responder) -> None:
        """Write what was held, and from now on whatever comes."""
        self._responder = responder
        responder.write(b"".join(self._held))
        self._held.clear()

    def close(self) -> None:
        """Pass nothing on any more."""
        self._tell_usage(None)
        self.closed = True

    def _kept(self, data: bytes) -> bytes:
        if b'"usage"' not in data:
            return data
        if any(empty in data for empty in _NO_CHOICES):
            return b""
        return data.replace(_NO_USAGE, b"")


def _ends(event: sse.Event) -> bool:
    """Tell whether *event* says what the answer used: by itself, or in the response that it completes."""
    if b'"usage"' not in event.data or any(null in event.data for null in _NULLS):
        return False
    return not event.data.startswith(_BEGINS)


def _with_cost(event: sse.Event, nanos: int | None) -> sse.Event:
    """Return *event* with the cost beside its usage."""
    if nanos is None:
        return event
    told = surrogates.loads(event.data)
    holder = told.get("response") if isinstance(told.get("response"), dict) else told
    if not isinstance(holder.get("usage"), dict):
        return event
    holder["usage"]["cost"] = dollars(nanos)
    return event._replace(data=orjson.dumps(told))


def _is_json(data: bytes) -> bool:
    if data in (b"", _DONE):
        return True
    try:
        surrogates.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True
