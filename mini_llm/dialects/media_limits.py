"""How large pictures, files and sound may be, and which addresses are fetched: checked before anything is sent.

Sizes are those of the base64 text, as it goes over the wire. What stands at an address is fetched by the target, or
not at all: we fetch nothing that a request names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mini_llm.errors import TranslationError
from mini_llm.types import Audio, ChatRequest, Document, Image, Part, ToolResult

_MB = 1024 * 1024


class Limits(NamedTuple):
    """The most bytes of one picture, of one document, and of all in a request; 0 is no known limit."""

    image: int = 0
    document: int = 0
    whole: int = 0


LIMITS: Mapping[str, Limits] = {
    # https://platform.claude.com/docs/en/build-with-claude/vision (2026-11)
    "anthropic_messages": Limits(image=10 * _MB, whole=32 * _MB),
    # https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html (2026-11)
    "bedrock_converse": Limits(image=5 * _MB, document=6 * _MB),
    # https://ai.google.dev/gemini-api/docs/file-input-methods (2026-11)
    "gemini": Limits(document=50 * _MB, whole=100 * _MB),
    # https://platform.openai.com/docs/guides/images-vision (2026-11)
    "openai_chat": Limits(document=50 * _MB, whole=50 * _MB),
    "openai_responses": Limits(document=50 * _MB, whole=50 * _MB),
}
_NONE = Limits()
# How the addresses begin that a target fetches, where these are not all of the web's; Gemini's own module knows more.
_FETCHED: Mapping[str, tuple[str, ...]] = {"anthropic_messages": ("https://",), "gemini": ("https://", "gs://")}
_WEB = ("https://", "http://")
# Files that only Google opens, and only for the one whose key is in the request.
_GOOGLES = "https://generativelanguage.googleapis.com/"


def check(request: ChatRequest, dialect: str) -> None:
    """Raise TranslationError for the first part of *request* that a target of *dialect* takes or fetches not."""
    limits = LIMITS.get(dialect, _NONE)
    whole = 0
    for at, message in enumerate(request.messages):
        for path, part in _media(message.parts, f"messages[{at}].content"):
            if not isinstance(part, Audio) and part.url:
                _check_address(part.url, path, dialect)
            size = len(part.data)
            whole += size
            most = {Image: limits.image, Document: limits.document}.get(type(part), 0)
            if most and size > most:
                raise _too_large(path, f"{type(part).__name__.lower()} of {_told(size)}", most, dialect)
            if limits.whole and whole > limits.whole:
                raise _too_large(path, f"request with {_told(whole)} of pictures and files", limits.whole, dialect)


def _media(parts: Iterable[Part], path: str) -> Iterator[tuple[str, Image | Document | Audio]]:
    for at, part in enumerate(parts):
        if isinstance(part, Image | Document | Audio):
            yield f"{path}[{at}]", part
        elif isinstance(part, ToolResult):
            yield from _media(part.parts, f"{path}[{at}].content")


def _check_address(url: str, path: str, dialect: str) -> None:
    wanted = _FETCHED.get(dialect, _WEB)
    if url.startswith(wanted) and (dialect == "gemini" or not url.startswith(_GOOGLES)):
        return
    raise TranslationError(
        f"{path}: {dialect} does not fetch {url[:80]}",
        field=path,
        hint=f"send it as base64, or give an address that begins with {' or '.join(wanted)}",
    )


def _too_large(path: str, what: str, most: int, dialect: str) -> TranslationError:
    return TranslationError(
        f"{path}: a {what} is too large for {dialect}, which takes at most {_told(most)}",
        field=path,
        hint="make it smaller, give an address the provider can fetch, or choose a model of another provider",
    )


def _told(size: int) -> str:
    return f"{size / _MB:.1f} MB" if size % _MB else f"{size // _MB} MB"
