"""What is asked: words from the arguments, what is piped in, and the files attached."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from mini_llm import attachments
from mini_llm.cli import stdin
from mini_llm.errors import UsageError
from mini_llm.types import Part

STDIN = "-"
NOTHING = 'give it as an argument: `mini-llm chat "Why is the sky blue?"`, or pipe it in'


class Prompt(NamedTuple):
    """Text to send, and parts that go with it."""

    text: str
    parts: tuple[Part, ...]


def read(
    words: Sequence[str],
    files: Sequence[str],
    *,
    use_stdin: bool,
    fetch: Callable[[str], bytes],
    warn: Callable[[str], None],
    needed: bool = True,
) -> Prompt:
    """Gather the prompt. Piped text comes first, as context; piped bytes and *files* become attachments.

    Unless *needed*, there may be none, and a silent stdin is not waited for.
    """
    asked = " ".join(_sound(word) for word in words if word != STDIN).strip()
    named = STDIN in words or STDIN in files
    patient = named or (needed and not asked)
    piped = stdin.read(limit=attachments.LARGEST, patient=patient, warn=warn) if use_stdin else b""
    parts = [load(name, fetch) for name in files if name != STDIN]
    context = ""
    if named and not piped:
        raise UsageError("nothing came from stdin", hint="pipe it in: `mini-llm chat - <notes.txt`")
    if piped.strip() or STDIN in files:
        if STDIN in files or attachments.media_type(piped, "stdin") != "text/plain":
            parts.insert(0, attachments.attach(piped, "stdin"))
        else:
            context = _context(piped, warn)
    text = "\n\n".join(part for part in (context, asked) if part)
    if needed and not text and not parts:
        raise UsageError("nothing to ask", hint=NOTHING)
    return Prompt(text, tuple(parts))


def _context(piped: bytes, warn: Callable[[str], None]) -> str:
    if len(piped) > attachments.LIMITS["text"]:
        raise UsageError(f"stdin is too large: text may have {attachments.LIMITS['text'] >> 20} MB, this has more")
    text = attachments.text(piped, "stdin")
    if "\ufffd" in text and b"\xef\xbf\xbd" not in piped:
        warn("warning: stdin is not valid UTF-8; what could not be read was replaced")
    return text.rstrip("\r\n")


def load(name: str, fetch: Callable[[str], bytes]) -> Part:
    """Return the file or the page called *name* as a part of a message."""
    return attachments.attach(*_load(name, fetch))


def _load(name: str, fetch: Callable[[str], bytes]) -> tuple[bytes, str]:
    if name.startswith(("http://", "https://")):
        return fetch(name), name.partition("?")[0]
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            return file.read(attachments.LARGEST + 1), name
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror or error}") from error


def _sound(word: str) -> str:
    """Return *word* as valid Unicode: arguments that are not UTF-8 arrive with lone surrogates."""
    return word.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8", "replace")
