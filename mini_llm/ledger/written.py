"""An entry as text: what is kept of an attempt until its row is written. What is read back is not trusted."""

from __future__ import annotations

from typing import Any, get_args

import orjson

from mini_llm.ledger.entries import Entry, Payer, Status
from mini_llm.types import Usage

USAGE, RAW = Entry._fields.index("usage"), Usage._fields.index("raw")
LATEST = 2.5e11  # seconds: the year 9892, about where calendars end
MOST = 10**18
NOTHING: dict[str, Any] = {}


def written(entry: Entry, *, raw: bool = False) -> bytes:
    """Return *entry* as a JSON list, with what the provider sent if *raw* is wished and it can be written."""
    usage = entry.usage
    if usage is None:
        told = None
    else:
        told = (*usage[:RAW], dict(usage.raw) if raw and usage.raw else NOTHING, *usage[RAW + 1 :])
    try:
        return orjson.dumps((*entry[:USAGE], told, *entry[USAGE + 1 :]))
    except orjson.JSONEncodeError:  # half a surrogate pair, too deep, too large: nothing that a row must have
        told = None if usage is None else tuple(map(_bounded, usage._replace(raw=NOTHING)))
        words = cleaned(entry)
        return orjson.dumps((*words[:USAGE], told, *map(_bounded, words[USAGE + 1 :])))


def read_entry(text: str | bytes) -> Entry:
    """Return the entry that was written; an older version may have known fewer fields."""
    told = orjson.loads(text)
    told[USAGE] = None if told[USAGE] is None else Usage(*told[USAGE])
    return Entry(*told)


def checked(text: bytes) -> Entry | None:
    """Return the entry that was written, None if that is not one: a row of it could not be written, or not read."""
    try:
        entry = read_entry(text)
    except (orjson.JSONDecodeError, TypeError, IndexError, KeyError):
        return None
    plain = Entry(0.0, "", 0, "", "", "", "ok")
    sound = (
        all(_is_like(value, model) for value, model in zip(entry, plain, strict=True))
        and 0 <= entry.time <= LATEST
        and entry.attempt <= 10**6
        and entry.request_id != ""
        and entry.status in get_args(Status)
        and entry.paid_by in get_args(Payer)
        and not isinstance(entry.cost_nanos, float)
        and (entry.usage is None or _is_usage(entry.usage))
    )
    return entry if sound else None


def _is_usage(usage: Usage) -> bool:
    return not isinstance(usage.cost_nanos, float) and all(_is_like(*pair) for pair in zip(usage, Usage(), strict=True))


def cleaned(entry: Entry) -> Entry:
    """Return *entry* with texts that a database takes."""
    if all(value.isascii() for value in entry if isinstance(value, str)):
        return entry
    return Entry._make(text_of(value) if isinstance(value, str) else value for value in entry)


def text_of(text: str) -> str:
    """Return *text* without what is no UTF-8: half a surrogate pair from a command line."""
    return text.encode("utf-8", "replace").decode()


def _bounded(value: Any) -> Any:
    return max(-MOST, min(value, MOST)) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_like(value: Any, model: Any) -> bool:
    """Tell whether *value* may stand where *model* does."""
    if model is None:  # may be unknown
        return value is None or isinstance(value, Usage) or (_is_number(value) and abs(value) <= MOST)
    if isinstance(model, str | bool):
        return type(value) is type(model)
    if isinstance(model, int):
        return type(value) is int and 0 <= value <= MOST
    if isinstance(model, float):
        return _is_number(value) and abs(value) <= MOST
    return isinstance(value, dict)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
