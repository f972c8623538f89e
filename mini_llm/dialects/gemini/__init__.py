"""Google's generateContent, of the Gemini API and of Vertex."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from mini_llm.dialects.failures import decode as decode_error
from mini_llm.dialects.gemini.errors import encode_error, encode_error_event
from mini_llm.dialects.gemini.framing import events
from mini_llm.dialects.gemini.read_request import decode_request
from mini_llm.dialects.gemini.read_stream import decode_stream
from mini_llm.dialects.gemini.response import decode_response, encode_response
from mini_llm.dialects.gemini.usage import decode_usage
from mini_llm.dialects.gemini.write_request import encode_request
from mini_llm.dialects.gemini.write_stream import encode_rest, encode_stream
from mini_llm.types import Json, Usage

__all__ = [
    "HEADERS",
    "NAME",
    "decode_error",
    "decode_request",
    "decode_response",
    "decode_stream",
    "encode_error",
    "encode_error_event",
    "encode_request",
    "encode_response",
    "encode_rest",
    "encode_stream",
    "events",
    "glance",
    "path",
    "used",
]

NAME: str = "gemini"
HEADERS: Mapping[str, str] = {}


def path(model: str, *, stream: bool) -> str:
    """Return where requests go below a provider's base URL. Tuned models keep their own kind: `tunedModels/x`."""
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/{resource(model)}:{method}"


def resource(model: str) -> str:
    """Return the path of *model*, safe to stand in a URL."""
    kind, slash, name = model.partition("/")
    if not slash or kind not in ("models", "tunedModels"):
        kind, name = "models", model
    return f"{kind}/{quote(name, safe='@-._~')}"


def glance(body: Json) -> Usage | None:
    """Return what a whole answer used, and read no more of it. Raises as `decode_response` for what looks like none."""
    if body.get("candidates") and not body.get("error"):
        return used(body)
    return decode_response(body).usage


def used(body: Json) -> Usage | None:
    """Return what an answer says that it used."""
    return decode_usage(body.get("usageMetadata"))
