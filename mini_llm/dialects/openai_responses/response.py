"""Whole answers of the Responses API, read and written."""

from __future__ import annotations

import secrets
import time
from typing import Any

from mini_llm.dialects import failures, loose
from mini_llm.dialects.calls import made_up_id
from mini_llm.dialects.openai_responses.usage import decode_usage, encode_usage
from mini_llm.dialects.openai_responses.words import INCOMPLETE, NAME, incomplete, item_id
from mini_llm.dialects.openai_responses.write_items import items_of
from mini_llm.dialects.tiers import openai_tier
from mini_llm.errors import ProtocolError, ServerError, TruncatedError
from mini_llm.types import (
    ChatResponse,
    Choice,
    FinishReason,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    Usage,
)

# Fields of the answer that have words of their own.
_KNOWN = frozenset({
    "id", "object", "created_at", "model", "output", "usage", "service_tier", "status", "error", "incomplete_details",
    "output_text",
})  # fmt: skip
_PREFIXES = {
    "message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc",
    "image_generation_call": "ig",
}  # fmt: skip


def decode_response(body: Json) -> ChatResponse:
    """Read an answer. Raises UpstreamError for an error inside a 200, ProtocolError for what is no answer."""
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a JSON object")
    refuse_failure(body)
    identity = loose.text(body.get("id"))
    items = body.get("output")
    if not isinstance(items, list):
        raise ProtocolError("the answer holds no output")
    if body.get("status") in ("queued", "in_progress"):
        raise ProtocolError("the answer is not finished: it goes on in the background")
    parts = [part for at, item in enumerate(loose.objects(items)) for part in parts_of(item, at, identity)]
    if not parts and (text := loose.text(body.get("output_text"))):
        parts.append(Text(text))
    thought = loose.text(body.get("reasoning"))  # mistral.rs; elsewhere it is an object that says what was asked for
    if thought.strip() and not any(isinstance(part, Reasoning) for part in parts):
        parts.insert(0, Reasoning(thought))
    reason = finish_reason(
        body,
        calls=any(isinstance(part, ToolCall) for part in parts),
        refused=any(isinstance(part, Refusal) for part in parts),
    )
    return ChatResponse(
        id=identity,
        model=loose.text(body.get("model")),
        choices=(Choice(Message("assistant", tuple(parts)), reason, logprobs=_logprobs(items)),),
        usage=decode_usage(body.get("usage"), body),
        created=loose.count(body.get("created_at")),
        service_tier=loose.text(body.get("service_tier")),
        dialect=NAME,
        extra={name: value for name, value in body.items() if name not in _KNOWN and value is not None},
    )


def refuse_failure(response: Json) -> None:
    """Raise if *response* says that it failed."""
    status = response.get("status")
    if response.get("error"):
        raise failures.inside({"error": response["error"]})
    if status == "failed" or response.get("type") == "error":
        raise ServerError("the provider says that its answer failed, and not why")
    if status == "cancelled":
        raise TruncatedError("the provider cancelled the answer")


def finish_reason(response: Json, *, calls: bool, refused: bool) -> FinishReason:
    """Return why the answer ended."""
    if response.get("status") == "incomplete":
        said = loose.text(loose.object_of(response.get("incomplete_details")).get("reason"))
        return INCOMPLETE.get(said, "length")
    return "tool_calls" if calls else "refusal" if refused else "stop"


def parts_of(item: Json, at: int, answer: str) -> list[Part]:
    """Return what the item *at* of an *answer* says; what we have no words for stays as it is."""
    match item.get("type"):
        case "message" if is_answer(item):
            return [*phase_of(item), *_content(item)]
        case "reasoning":
            return [*thoughts_of(item)]
        case "function_call" | "custom_tool_call":
            return [call_of(item, at, answer)]
        case "image_generation_call" if picture := loose.text(item.get("result")):
            return [Image(data=picture, media_type=f"image/{loose.text(item.get('output_format')) or 'png'}")]
        case str():
            return [Opaque(NAME, item)]
    return []


def is_answer(item: Json) -> bool:
    """Whether a message is the model's own. A compacted conversation holds the caller's, too."""
    return item.get("role") not in ("user", "system", "developer")


def phase_of(item: Json) -> list[Part]:
    """Return the field of a message that must come back with it."""
    return [Opaque(NAME, {"phase": phase})] if (phase := loose.text(item.get("phase"))) else []


def thoughts_of(item: Json) -> list[Reasoning]:
    """Return a reasoning item: every summary and every text of it, then what is encrypted."""
    identity, encrypted = loose.text(item.get("id")), loose.text(item.get("encrypted_content"))
    dialect = NAME if identity or encrypted else ""
    told = [(loose.text(part.get("text")), True) for part in loose.objects(item.get("summary"))]
    told += [(loose.text(part.get("text")), False) for part in loose.objects(item.get("content"))]
    parts = [Reasoning(text, summary, identity, dialect=dialect) for text, summary in told if text]
    if encrypted or (identity and not parts):
        parts.append(Reasoning(id=identity, encrypted=encrypted, dialect=dialect))
    return parts


def call_of(item: Json, at: int, answer: str) -> ToolCall:
    """Return the call *at* of an *answer*."""
    identity = loose.text(item.get("call_id")) or loose.text(item.get("id")) or made_up_id(answer, at)
    name, namespace = loose.text(item.get("name")), loose.text(item.get("namespace"))
    if item.get("type") == "custom_tool_call":
        return ToolCall(identity, name, loose.text(item.get("input")), "custom", namespace)
    return ToolCall(identity, name, arguments_of(item), namespace=namespace)


def arguments_of(item: Json) -> str:
    """Return the arguments as JSON text; some servers send them as an object."""
    value = item.get("arguments")
    return loose.json_text(value) if isinstance(value, (dict, list)) else loose.text(value)


def _content(item: Json) -> list[Part]:
    content = item.get("content")
    if isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for part in loose.objects(content):
        match part.get("type"):
            case "output_text" | "text":
                citations = tuple(loose.objects(part.get("annotations")))
                if (text := loose.text(part.get("text"))) or citations:
                    parts.append(Text(text, citations=citations))
            case "refusal":
                parts.append(Refusal(loose.text(part.get("refusal"))))
            case str():
                parts.append(Opaque(NAME, part))
    return parts


def _logprobs(items: list[Any]) -> tuple[Json, ...]:
    parts = (part for item in loose.objects(items) for part in loose.objects(item.get("content")))
    return tuple(entry for part in parts for entry in loose.objects(part.get("logprobs")))


def encode_response(response: ChatResponse) -> Json:
    """Write an answer for a caller. There is one answer here: the first."""
    choice = response.choices[0] if response.choices else Choice(Message("assistant", ()), "stop")
    identity = response.id or response_id()
    items = items_of(choice.message.parts, answer=True)
    refused = any(isinstance(part, Refusal) for part in choice.message.parts)
    lacks = incomplete(choice.finish_reason, refused=refused)
    output = [finished_item(item, identity, at) for at, item in enumerate(items)]
    if lacks and output and "status" in output[-1]:
        output[-1]["status"] = "incomplete"
    if choice.logprobs:
        _spread(choice.logprobs, output)
    body = whole_response(
        identity, response.model, response.created or int(time.time()), output, response.usage, lacks=lacks
    )
    if tier := openai_tier(response, NAME):
        body["service_tier"] = tier
    return {**body, **response.extra} if response.dialect == NAME else body


def response_id() -> str:
    """Return a new id for an answer that came without one."""
    return f"resp_{secrets.token_hex(24)}"


def whole_response(
    identity: str,
    model: str,
    created: int,
    output: list[Json],
    usage: Usage | None,
    *,
    lacks: str = "",
    status: str = "",
) -> Json:
    """Return the object an answer is told in; *lacks* is why it is not whole."""
    return {
        "id": identity,
        "object": "response",
        "created_at": created,
        "status": status or ("incomplete" if lacks else "completed"),
        "background": False,
        "error": None,
        "incomplete_details": {"reason": lacks} if lacks else None,
        "instructions": None,
        "max_output_tokens": None,
        "model": model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": encode_usage(usage) if usage is not None else None,
        "user": None,
        "metadata": {},
    }


def finished_item(item: Json, answer: str, at: int) -> Json:
    """Return the item *at* of an *answer* with the id and the status that every item has."""
    kind = item["type"]
    named = item
    if not loose.text(item.get("id")):
        named = {"id": "", **item} | {"id": item_id(_PREFIXES.get(kind, "item"), answer, at)}
    if kind == "reasoning" or kind not in _PREFIXES:
        return named
    return {**named, "status": named.get("status", "completed")}


def _spread(logprobs: tuple[Json, ...], output: list[Json]) -> None:
    """Put *logprobs* where the words are: with the first text."""
    for item in output:
        for part in item.get("content", ()) if item["type"] == "message" else ():
            if part["type"] == "output_text":
                part["logprobs"] = list(logprobs)
                return
