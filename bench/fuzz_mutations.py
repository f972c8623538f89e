"""Change inputs so that they stay what is being read: values inside JSON, events inside a stream, sometimes bytes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 500, 2**31, 2**53, 2**63, 2**64 - 1, -(2**63), 0.5, 1.0, -0.0, 1e15, 1e308, 5e-324,
    "", " ", "0", "null", "\x00", "\ud7ff", "\ufffe", "🙂", "é" * 70, "\r\n", "data: x", "[DONE]", "{", '{"a":', "{}",
    '{"a":"\\ud83d"}', "[1]", "NaN", "data:image/png;base64,", "data:;base64,AAAA", "http://x", "a" * 5000, [], {},
    [[]], [{}], [None], {"": None}, {"type": "text"}, {"type": None}, {"type": {"a": 1}}, {"error": {}}, {"error": "x"},
    {"error": [1]}, {"code": 429, "message": {"a": [1]}},
)  # fmt: skip
RAW = (b"\\ud83d", b"\\ude00", b"\\u0000", b"\xff", b"\xc3", b"\\", b'"', b"1e999", b"-", b"NaN", b"\r", b"\n", b"\n\n")
DEEP = (30, 130, 260, 900)


class Mutator:
    """Knows the words of its seeds, and puts them where they don't belong."""

    def __init__(self, seeds: Sequence[bytes], bytewise: Callable[[bytes, int], bytes]) -> None:
        self._bytewise = bytewise
        self._keys: set[str] = set()
        self._values: list[Any] = []
        for seed in seeds:
            for document in _documents(seed):
                self._learn(document)
        self._words = sorted(self._keys)

    def _learn(self, value: Any, depth: int = 0) -> None:
        if len(self._values) < 20_000 and depth:
            self._values.append(value)
        if isinstance(value, dict):
            self._keys.update(value)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            self._learn(inner, depth + 1)

    def mutate(self, raw: bytes, longest: int, seed: int) -> bytes:
        """Return *raw* changed in one to four places."""
        draw = random.Random(seed)
        for _ in range(draw.choice((1, 1, 2, 4))):
            if draw.random() < 0.15:
                raw = self._bytes(raw, longest, draw)
            elif (whole := _parsed(raw)) is not None:
                raw = _written(self._changed(whole, draw)) or raw
            else:
                raw = self._stream(raw, draw)
        return raw[:longest]

    def _bytes(self, raw: bytes, longest: int, draw: random.Random) -> bytes:
        if draw.random() < 0.5:
            return self._bytewise(raw[:longest], longest)
        at = draw.randint(0, len(raw))
        return raw[:at] + draw.choice(RAW) + raw[at + draw.choice((0, 0, 1, 5)) :]

    def _stream(self, raw: bytes, draw: random.Random) -> bytes:
        """Return a stream with one of its events changed, or with events moved, doubled or left out."""
        end = b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n" if b"\n\n" in raw else b"\n"
        events = raw.split(end)
        at, other = draw.randrange(len(events)), draw.randrange(len(events))
        chosen = draw.random()
        if chosen < 0.6:
            head, mark, data = events[at].partition(b"data: ") if b"data: " in events[at] else (b"", b"", events[at])
            document = _parsed(data)
            if document is not None and (written := _written(self._changed(document, draw))):
                events[at] = head + mark + written
        elif chosen < 0.7:
            events[at], events[other] = events[other], events[at]
        elif chosen < 0.8:
            events.insert(at, events[other])
        elif chosen < 0.88:
            del events[at]
        elif chosen < 0.94:
            events = events[: at + 1]
        else:
            events[at:at] = [events[at]] * draw.choice((2, 40))
        return end.join(events)

    def _changed(self, document: Any, draw: random.Random) -> Any:
        """Return *document* with one of its values changed."""
        places = list(_places(document))
        if not places:
            return self._value(draw)
        holder, key = draw.choice(places)
        chosen = draw.random()
        if chosen < 0.45:
            holder[key] = self._value(draw)
        elif chosen < 0.55:
            del holder[key]
        elif chosen < 0.65 and isinstance(holder, dict) and self._words:
            holder[draw.choice(self._words)] = self._value(draw) if draw.random() < 0.5 else holder[key]
        elif chosen < 0.75 and isinstance(holder, list):
            holder[key:key] = [holder[key]] * draw.choice((1, 1, 3, 30))
        elif chosen < 0.85:
            holder[key] = [holder[key]] if draw.random() < 0.5 else {draw.choice(self._words or ["a"]): holder[key]}
        elif chosen < 0.9 and isinstance(holder[key], str):
            at = draw.randint(0, len(holder[key]))
            holder[key] = holder[key][:at] + draw.choice(("", "\x00", "🙂", '"', "}", "\n")) + holder[key][at + 1 :]
        elif chosen < 0.92:
            holder[key] = _nested(draw.choice(DEEP), draw.random() < 0.5)
        else:
            other, name = draw.choice(places)
            holder[key] = other[name] if not isinstance(other[name], (dict, list)) else orjson.loads(
                _written(other[name]) or b"null"
            )  # fmt: skip
        return document

    def _value(self, draw: random.Random) -> Any:
        value = draw.choice(self._values if self._values and draw.random() < 0.5 else ODD)
        return orjson.loads(orjson.dumps(value)) if isinstance(value, (dict, list)) else value


def _documents(seed: bytes) -> Iterator[Any]:
    """Yield the JSON in a seed: all of it, or that of each event."""
    whole = _parsed(seed)
    if whole is not None:
        yield whole
        return
    for line in seed.replace(b"\r", b"\n").split(b"\n"):
        document = _parsed(line.partition(b"data: ")[2] or line)
        if document is not None:
            yield document


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the holder and the key of every value inside *document*."""
    waiting = [document]
    while waiting:
        holder = waiting.pop()
        if isinstance(holder, (dict, list)):
            for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
                yield holder, key
                waiting.append(value)


def _nested(depth: int, lists: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _written(value: Any) -> bytes:
    """Return *value* as JSON; also what orjson finds too deep to write."""
    import json

    try:
        return orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError):
        try:
            return json.dumps(value, ensure_ascii=False).encode()
        except (RecursionError, UnicodeEncodeError):
            return b""
