"""Read what `chat` is told beside the prompt: `-o KEY=VALUE` and `--schema`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from json import JSONDecodeError, loads
from math import isfinite
from pathlib import Path
from typing import Any, cast

from mini_llm import shape
from mini_llm.errors import UsageError
from mini_llm.types import Json

SCHEMA_LIMIT = 1 << 20
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def read(pairs: Sequence[str]) -> dict[str, Any]:
    """Return the options in *pairs*; a `stop` may be said more than once."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not separator or name not in KNOWN:
            what = f"unknown option {name}" if separator else f"cannot read the option {pair}"
            raise UsageError(what, hint=f"write `-o KEY=VALUE`; known: {', '.join(KNOWN)}")
        value = _value(name, text)
        found[name] = [*found.get(name, ()), value] if name == "stop" else value
    return found


def seconds(value: float) -> float:
    """Return a timeout that makes sense."""
    if not isfinite(value) or value <= 0:
        raise UsageError(f"a timeout of {value:g} seconds makes no sense", hint="give seconds: `--timeout 30`")
    return value


def schema(told: str) -> Json:
    """Return the JSON schema that *told* names (a file), is (JSON), or describes (`name, age int, tags [str]`)."""
    found = _read(told)
    shape.check(found)
    return found


def _read(told: str) -> Json:
    if told.lstrip().startswith("{"):
        return _schema(told, "the schema")
    path = Path(told).expanduser()
    looks_like_file = path.suffix == ".json" or "/" in told
    if not looks_like_file and not _exists(path):
        return shape.schema(told)
    try:
        with path.open("rb") as file:
            content = file.read(SCHEMA_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"cannot read {told}: {error.strerror or error}") from error
    if len(content) > SCHEMA_LIMIT:
        raise UsageError(f"{told} is too large for a schema: at most 1 MB")
    return _schema(content, told)


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name is a description, not a file
        return False


def _schema(content: str | bytes, name: str) -> Json:
    try:
        found = loads(content)
    except JSONDecodeError as error:
        raise UsageError(f"{name} is not JSON: {error.msg} (line {error.lineno}, column {error.colno})") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON that can be read") from error
    if not isinstance(found, dict):
        raise UsageError(f"{name} is not a JSON schema: it must be an object")
    return cast(Json, found)


def _value(name: str, text: str) -> Any:
    try:
        return KNOWN[name](text)
    except ValueError:
        raise UsageError(f"{name} cannot be {text or 'empty'}", hint=f"{name} is {MEANING[KNOWN[name]]}") from None


def _whole(text: str) -> int:
    value = int(text)
    if abs(value) > 2**63 - 1:
        raise ValueError(text)
    return value


def _count(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise ValueError(text)
    return value


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(text)
    return value


def _text(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _effort(text: str) -> str:
    if text not in EFFORTS:
        raise ValueError(text)
    return text


KNOWN: dict[str, Callable[[str], Any]] = {
    "temperature": _number,
    "max_tokens": _count,
    "top_p": _number,
    "seed": _whole,
    "stop": _text,
    "effort": _effort,
}
MEANING: dict[Callable[[str], Any], str] = {
    _number: "a number",
    _count: "a whole number from 1",
    _whole: "a whole number",
    _text: "text",
    _effort: ", ".join(EFFORTS),
}
