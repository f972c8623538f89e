"""Mistral's chat: OpenAI's chat completions with words and rules of its own. https://docs.mistral.ai/api (2026-11)

Answers, streams and errors are read as OpenAI's. What a request says otherwise stands here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from mini_llm.dialects import media
from mini_llm.dialects.failures import decode as decode_error
from mini_llm.dialects.openai_chat import NAME as OPENAI
from mini_llm.dialects.openai_chat import decode_response, decode_stream, events, path
from mini_llm.dialects.openai_chat import encode_request as encode_openai
from mini_llm.dialects.refusing import Refusing
from mini_llm.errors import TranslationError
from mini_llm.types import (
    Audio,
    ChatRequest,
    Document,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Thinking,
    ToolCall,
    ToolResult,
)

__all__ = ["HEADERS", "NAME", "decode_error", "decode_response", "decode_stream", "encode_request", "events", "path"]

NAME: str = "mistral"
HEADERS: Mapping[str, str] = {}
_IDENTITY = re.compile(r"[a-zA-Z0-9]{9}")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NO_INPUT: Json = {"type": "object", "properties": {}}  # a function must say what it takes
_refuse = Refusing(NAME, "Mistral's chat")


def encode_request(request: ChatRequest) -> Json:
    """Return the body for *request*. Raises TranslationError for what Mistral's chat cannot say."""
    if request.top_k is not None:
        raise _refuse.error("top_k")
    if request.dialect != OPENAI:
        _refuse.foreign(request)
    spoken = (_spoken(message, f"messages[{at}]", _thinks(request)) for at, message in enumerate(request.messages))
    asked = request._replace(
        dialect=NAME,  # no cache marks
        messages=tuple(spoken),
        tools=tuple(
            tool if tool.raw else tool._replace(parameters=tool.parameters or NO_INPUT) for tool in request.tools
        ),
        thinking=None,
        include_usage=False,  # usage comes without being asked for, and the question would be refused
        extra={},
    )
    try:
        body = encode_openai(asked)
    except TranslationError as error:
        raise _refuse.error(error.field, error.message.partition(": ")[2]) from error
    if request.dialect in ("", OPENAI):
        body |= request.extra
    for name, ours in (("seed", "random_seed"), ("max_completion_tokens", "max_tokens")):
        if name in body:
            body[ours] = body.pop(name)
    if body.get("tool_choice") == "required":
        body["tool_choice"] = "any"
    if (effort := _effort(request.thinking)) and "reasoning_effort" not in body:
        body["reasoning_effort"] = effort
    body["messages"] = list(_in_order(body["messages"]))
    return body


def identity(call_id: str) -> str:
    """Return an id that is taken, nine letters and digits: others get one made from them, always the same."""
    if _IDENTITY.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.blake2b(call_id.encode("utf-8", "replace"), digest_size=8).digest())
    made = ""
    for _ in range(9):
        number, digit = divmod(number, len(_DIGITS))
        made += _DIGITS[digit]
    return made


def _spoken(message: Message, path: str, thinks: bool) -> Message:
    """Return *message* with what Mistral says in other words already in them."""
    parts = [ours for at, part in enumerate(message.parts) for ours in _part(part, f"{path}.content[{at}]", thinks)]
    return message._replace(role="system" if message.role == "developer" else message.role, parts=tuple(parts))


def _part(part: Part, path: str, thinks: bool) -> Iterator[Part]:
    match part:
        case ToolCall():
            yield part._replace(id=identity(part.id), signature="")
        case ToolResult():
            yield part._replace(call_id=identity(part.call_id))
        case Reasoning(text=text):
            if thinks and text and not (part.signature or part.encrypted or part.redacted):
                yield Opaque(OPENAI, {"type": "thinking", "thinking": [{"type": "text", "text": text}]})
        case Document():
            yield Opaque(OPENAI, _document(part))
        case Audio(data=data):
            if not data:
                raise _refuse.error(path, "sound that was made elsewhere")
            yield Opaque(OPENAI, {"type": "input_audio", "input_audio": data})
        case _:
            yield part


def _document(part: Document) -> Json:
    if part.file_id:
        return {"type": "file", "file_id": part.file_id}
    url = part.url or media.data_url(part.media_type or "application/pdf", part.data)
    return {"type": "document_url", "document_url": url} | ({"document_name": part.name} if part.name else {})


def _in_order(messages: list[Json]) -> Iterator[Json]:
    """Yield the turns as Mistral takes them: none of a user right after a tool's, and a last one of ours goes on.

    It answers 400 otherwise: "Unexpected role 'user' after role 'tool'", "Expected last role User or Tool (or Assistant
    with prefix True)". https://github.com/zed-industries/zed/issues/37021 (2026-11)
    """
    before = ""
    for at, message in enumerate(messages):
        if before == "tool" and message["role"] in ("user", "system"):
            yield {"role": "assistant", "content": "OK"}
        before = message["role"]
        last = at == len(messages) - 1 and before == "assistant" and not message.get("tool_calls")
        yield message | ({"prefix": True} if last else {})


def _thinks(request: ChatRequest) -> bool:
    return "magistral" in request.model or _effort(request.thinking) == "high"


def _effort(wanted: Thinking | None) -> str:
    """Return the effort: it knows two. https://docs.mistral.ai/capabilities/reasoning (2026-11)."""
    if wanted is None:
        return ""
    return "none" if wanted.enabled is False or wanted.effort == "none" else "high"
