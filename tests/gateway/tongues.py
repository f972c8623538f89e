"""The four dialects as a provider writes them, cut into the pieces that faults are put between.

Written by hand after recordings; nothing of the product is used, so that it can be judged by this.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

DIALECTS = ("openai_chat", "openai_responses", "anthropic_messages", "gemini")
WORDS = ("One", " two", " three", " four", " five.")
TEXT = "".join(WORDS)
USAGE = (10, 5)
FAILED = "the provider broke"

Json = dict[str, Any]


class Stream(NamedTuple):
    """The events of one answer: what comes before its content, one for each word, the reason it ended, the rest."""

    head: tuple[bytes, ...]
    words: tuple[bytes, ...]
    stop: tuple[bytes, ...]
    tail: tuple[bytes, ...]

    @property
    def events(self) -> tuple[bytes, ...]:
        """All of them in order."""
        return self.head + self.words + self.stop + self.tail

    @property
    def first_content(self) -> int:
        """How many events there are up to the first word."""
        return len(self.head) + 1

    @property
    def complete(self) -> int:
        """How many events there are up to the one after which only the sentinel is missing."""
        return len(self.head) + len(self.words) + len(self.stop)


def dialect_of(path: str) -> str:
    """Return the dialect spoken at *path*, "" if it is none of these."""
    bare = path.partition("?")[0]
    if ":generateContent" in bare or ":streamGenerateContent" in bare:
        return "gemini"
    ends = {"/chat/completions": "openai_chat", "/responses": "openai_responses", "/messages": "anthropic_messages"}
    return next((dialect for end, dialect in ends.items() if bare.endswith(end)), "")


def whole(dialect: str, words: Sequence[str] = WORDS, usage: tuple[int, int] | None = USAGE) -> bytes:
    """Return an answer as it comes at once."""
    return json.dumps(_WHOLE[dialect]("".join(words), usage)).encode()


def stream(dialect: str, words: Sequence[str] = WORDS, usage: tuple[int, int] | None = USAGE) -> Stream:
    """Return an answer as it streams."""
    return _STREAM[dialect](words, usage)


def error(dialect: str, status: int, message: str = FAILED, code: str = "") -> bytes:
    """Return the body with which a provider refuses."""
    kind = code or {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}.get(status, "")
    if dialect == "anthropic_messages":
        return json.dumps({"type": "error", "error": {"type": kind or "api_error", "message": message}}).encode()
    if dialect == "gemini":
        said: Json = {"code": status, "message": message, "status": code or "INTERNAL"}
        return json.dumps({"error": said}).encode()
    return json.dumps({"error": {"message": message, "type": kind or "server_error", "code": code or None}}).encode()


def error_event(dialect: str, status: int = 500, message: str = FAILED, code: str = "") -> bytes:
    """Return the event with which a provider ends a stream that failed."""
    if dialect == "openai_responses":
        failed = {"id": "resp_1", "status": "failed", "error": {"code": code or "server_error", "message": message}}
        return _event({"type": "response.failed", "response": failed}, named=True)
    body = json.loads(error(dialect, status, message, code))
    return _event(body, named=dialect == "anthropic_messages")


def _event(body: Json, *, named: bool = False) -> bytes:
    name = f"event: {body['type']}\n" if named else ""
    return f"{name}data: {json.dumps(body)}\n\n".encode()


def _chat_usage(usage: tuple[int, int]) -> Json:
    return {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}


def _responses_usage(usage: tuple[int, int]) -> Json:
    return {"input_tokens": usage[0], "output_tokens": usage[1], "total_tokens": sum(usage)}


def _gemini_usage(usage: tuple[int, int]) -> Json:
    return {"promptTokenCount": usage[0], "candidatesTokenCount": usage[1], "totalTokenCount": sum(usage)}


def _chat_whole(text: str, usage: tuple[int, int] | None) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return body | ({"usage": _chat_usage(usage)} if usage else {})


def _responses_whole(text: str, usage: tuple[int, int] | None, status: str = "completed") -> Json:
    part = {"type": "output_text", "text": text, "annotations": []}
    item = {"id": "msg_1", "type": "message", "status": status, "role": "assistant", "content": [part]}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": "m",
        "output": [item] if text else [],
        "error": None,
        "incomplete_details": None,
        "usage": _responses_usage(usage) if usage else None,
    }


def _anthropic_whole(text: str, usage: tuple[int, int] | None) -> Json:
    body: Json = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    return body | ({"usage": {"input_tokens": usage[0], "output_tokens": usage[1]}} if usage else {})


def _gemini_whole(text: str, usage: tuple[int, int] | None, reason: str = "STOP") -> Json:
    candidate: Json = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    body: Json = {"candidates": [candidate | ({"finishReason": reason} if reason else {})]}
    body |= {"modelVersion": "m", "responseId": "r1"}
    return body | ({"usageMetadata": _gemini_usage(usage)} if usage else {})


def _chat_stream(words: Sequence[str], usage: tuple[int, int] | None) -> Stream:
    def chunk(delta: Json, reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return _event(body | {"choices": [choice]})

    last = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    used = (_event(last | {"usage": _chat_usage(usage)}),) if usage else ()
    return Stream(
        (chunk({"role": "assistant", "content": ""}),),
        tuple(chunk({"content": word}) for word in words),
        (chunk({}, "stop"), *used),
        (b"data: [DONE]\n\n",),
    )


def _responses_stream(words: Sequence[str], usage: tuple[int, int] | None) -> Stream:
    text = "".join(words)
    begun = _responses_whole("", None, "in_progress")
    done = _responses_whole(text, usage)
    item, part = done["output"][0], done["output"][0]["content"][0]
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    bodies = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
        {"type": "response.content_part.added", "part": part | {"text": ""}, **place},
        *({"type": "response.output_text.delta", "delta": word, **place} for word in words),
        {"type": "response.output_text.done", "text": text, **place},
        {"type": "response.content_part.done", "part": part, **place},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    events = tuple(_event(body | {"sequence_number": at}, named=True) for at, body in enumerate(bodies))
    return Stream(events[:4], events[4 : 4 + len(words)], events[4 + len(words) :], ())


def _anthropic_stream(words: Sequence[str], usage: tuple[int, int] | None) -> Stream:
    begun = _anthropic_whole("", (usage[0], 1) if usage else None) | {"content": [], "stop_reason": None}
    ended: Json = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
    ended |= {"usage": {"output_tokens": usage[1]}} if usage else {}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": w}} for w in words]
    return Stream(
        tuple(_event(body, named=True) for body in ({"type": "message_start", "message": begun}, block)),
        tuple(_event(body, named=True) for body in deltas),
        tuple(_event(body, named=True) for body in ({"type": "content_block_stop", "index": 0}, ended)),
        (_event({"type": "message_stop"}, named=True),),
    )


def _gemini_stream(words: Sequence[str], usage: tuple[int, int] | None) -> Stream:
    return Stream(
        (),
        tuple(_event(_gemini_whole(word, None, "")) for word in words),
        (_event(_gemini_whole("", usage)),),
        (),
    )


_WHOLE = {
    "openai_chat": _chat_whole,
    "openai_responses": _responses_whole,
    "anthropic_messages": _anthropic_whole,
    "gemini": _gemini_whole,
}
_STREAM = {
    "openai_chat": _chat_stream,
    "openai_responses": _responses_stream,
    "anthropic_messages": _anthropic_stream,
    "gemini": _gemini_stream,
}
