"""A conversation in a file of the user's own: JSON to go on with, or Markdown to read."""

from __future__ import annotations

import os
from json import dumps, loads
from pathlib import Path
from typing import NamedTuple

from mini_llm.cli.conversations import bare
from mini_llm.cli.talk import Talk
from mini_llm.errors import UsageError
from mini_llm.history import packing
from mini_llm.types import Audio, Document, Image, Message

LARGEST = 64 << 20
ROLES = ("system", "developer", "user", "assistant", "tool")


class Saved(NamedTuple):
    """What a file holds."""

    file: Path
    model: str
    system: str
    messages: tuple[Message, ...]


def save(name: str, talk: Talk, *, over: str) -> Path:
    """Write *talk* for its owner alone. No file is written over but *over*, which is ours."""
    if not name:
        raise UsageError("save where?", hint="/save FILE.json, or FILE.md to read")
    file = Path(name).expanduser().absolute()
    text = _markdown(talk) if file.suffix.lower() == ".md" else _json(talk)
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if str(file) == over else os.O_EXCL)
    try:
        with os.fdopen(os.open(file, flags, 0o600), "w", encoding="utf-8", errors="replace") as opened:
            opened.write(text)
    except FileExistsError:
        raise UsageError(f"{file} is there already", hint="choose another name") from None
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror or error}") from error
    return file


def load(name: str) -> Saved:
    """Read a file that `save` wrote as JSON."""
    if not name:
        raise UsageError("load what?", hint="/load FILE.json")
    file = Path(name).expanduser().absolute()
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
        told = loads(content.decode("utf-8"))
        messages = tuple(bare(_message(one)) for one in told["messages"])
        model, system = told.get("model", ""), told.get("system", "")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(f"{file} is no conversation that was saved", hint="/save FILE.json writes one") from error
    if not (isinstance(model, str) and isinstance(system, str)):
        raise UsageError(f"{file} is no conversation that was saved")
    return Saved(file, model, system, messages)


def has_files(talk: Talk) -> bool:
    """Tell whether something in *talk* is saved by its name alone."""
    return any(isinstance(part, Image | Document | Audio) for message in talk.messages for part in message.parts)


def _message(told: object) -> Message:
    if not isinstance(told, dict) or told.get("role") not in ROLES:
        raise ValueError("no message")
    return packing.unpacked(told)


def _json(talk: Talk) -> str:
    told = {
        "model": talk.options.get("model", ""),
        "system": talk.options.get("system", ""),
        "messages": [packing.packed(message, str) for message in talk.messages],
    }
    return dumps(told, ensure_ascii=False, indent=2) + "\n"


def _markdown(talk: Talk) -> str:
    system = talk.options.get("system", "")
    heads = [f"## system\n\n{system}\n"] if system else []
    return "\n".join(
        [*heads, *(f"## {one.role}\n\n{packing.spoken(packing.packed(one, str))}\n" for one in talk.messages)]
    )
