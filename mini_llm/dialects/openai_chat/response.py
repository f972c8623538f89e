"""Whole answers of chat completions, read and written."""

from __future__ import annotations

import secrets
import time

from mini_llm.dialects import failures, loose
from mini_llm.dialects.calls import made_up_id
from mini_llm.dialects.media import split_data_url
from mini_llm.dialects.openai_chat.reasoning import NAME, reasoning_fields, reasoning_parts
from mini_llm.dialects.openai_chat.usage import decode_usage, encode_usage
from mini_llm.dialects.tiers import openai_tier
from mini_llm.errors import OverloadedError, ProtocolError, ServerError, TruncatedError
from mini_llm.types import (
    Audio,
    ChatResponse,
    Choice,
    FinishReason,
    Image,
    Json,
    Message,
    Opaque,
    Part,
    Refusal,
    Text,
    ToolCall,
)

FINISHED: dict[str, FinishReason] = {
    "stop": "stop", "eos": "stop", "end_turn": "stop", "stop_sequence": "stop", "length": "length",
    "max_tokens": "length", "model_length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls",
    "tool_use": "tool_calls", "content_filter": "content_filter", "safety": "content_filter",
}  # fmt: skip
# What callers are told. A pause has no word: "length" at least says that the answer is not whole.
TOLD: dict[FinishReason, str] = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter",
    "refusal": "content_filter", "pause": "length",
}  # fmt: skip
# Fields of the answer that have words of their own.
_KNOWN = frozenset({"id", "object", "created", "model", "choices", "usage", "service_tier"})


def decode_response(body: Json) -> ChatResponse:
    """Read an answer. Raises UpstreamError for an error inside a 200, ProtocolError for what is no answer."""
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a JSON object")
    if body.get("error"):
        raise failures.inside(body)
    choices = loose.objects(body.get("choices"))
    if not choices:
        raise ProtocolError("the answer holds no choices")
    return ChatResponse(
        id=loose.text(body.get("id")),
        model=loose.text(body.get("model")),
        choices=tuple(_choice(choice, loose.text(body.get("id"))) for choice in choices),
        usage=decode_usage(body.get("usage"), body),
        created=loose.count(body.get("created")),
        service_tier=loose.text(body.get("service_tier")),
        dialect=NAME,
        extra={name: value for name, value in body.items() if name not in _KNOWN and value is not None},
    )


def finish_reason(value: object, *, calls: bool, refused: bool) -> FinishReason:
    """Return why the answer ended. Raises when it says that it broke off."""
    said = loose.text(value).lower()
    if said == "error":
        raise ServerError("the provider broke the answer off with an error")
    if said == "insufficient_system_resource":  # DeepSeek
        raise OverloadedError("the provider broke the answer off: too little capacity")
    if said == "abort":  # vLLM, SGLang
        raise TruncatedError("the provider aborted the answer")
    # "stop" beside calls comes from a forced tool choice, and from providers that know no other word.
    found = FINISHED.get(said, "stop")
    if found == "stop":
        return "tool_calls" if calls else "refusal" if refused else "stop"
    return found


def tool_call(raw: Json, at: int, answer: str) -> ToolCall | None:
    """Return the call *at* of a message; None if there is no name in it."""
    identity = loose.text(raw.get("id")) or made_up_id(answer, at)
    custom = loose.object_of(raw.get("custom"))
    if raw.get("type") == "custom" and (name := loose.text(custom.get("name"))):
        return ToolCall(identity, name, arguments(custom.get("input")), "custom")
    function = loose.object_of(raw.get("function"))
    if not (name := loose.text(function.get("name"))):
        return None
    return ToolCall(identity, name, arguments(function.get("arguments")), signature=signature_of(raw))


def arguments(value: object) -> str:
    """Return the arguments as JSON text; some providers send them as an object."""
    return loose.json_text(value) if isinstance(value, (dict, list)) else loose.text(value)


def signature_of(raw: Json) -> str:
    """Return the thought signature that Gemini puts on a call, which must come back with it."""
    google = loose.object_of(loose.object_of(raw.get("extra_content")).get("google"))
    return loose.text(google.get("thought_signature"))


def content_text(value: object) -> str:
    """Return the words of a content: a string, a list of parts, or (Cloudflare) the JSON that was asked for."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(loose.text(part.get("text")) for part in loose.objects(value))
    return loose.json_text(value) if isinstance(value, dict) else ""


def pictures(message: Json) -> tuple[Image, ...]:
    """Return the pictures a model made, where OpenRouter puts them."""
    urls = (
        loose.text(loose.object_of(item.get("image_url")).get("url")) for item in loose.objects(message.get("images"))
    )
    return tuple(picture(url) for url in urls if url)


def picture(url: str) -> Image:
    """Return the picture at *url*, which may hold it itself."""
    found = split_data_url(url)
    return Image(data=found[1], media_type=found[0]) if found else Image(url=url)


def sound(message: Json) -> Audio | None:
    """Return the sound of a message or a delta."""
    audio = loose.object_of(message.get("audio"))
    identity, data, transcript = (loose.text(audio.get(name)) for name in ("id", "data", "transcript"))
    return Audio(data=data, id=identity, transcript=transcript) if identity or data or transcript else None


def kept_fields(message: Json) -> Opaque | None:
    """Return what must come back with this message and has no word of its own."""
    extra = message.get("extra_content")
    return Opaque(NAME, {"extra_content": extra}) if isinstance(extra, dict) and extra else None


def _choice(raw: Json, answer: str) -> Choice:
    message = loose.object_of(raw.get("message")) or loose.object_of(raw.get("delta"))
    parts: list[Part] = list(reasoning_parts(message))
    if text := content_text(message.get("content")) or loose.text(raw.get("text")):
        parts.append(Text(text, citations=tuple(loose.objects(message.get("annotations")))))
    if refusal := loose.text(message.get("refusal")):
        parts.append(Refusal(refusal))
    parts += pictures(message)
    calls = [tool_call(item, at, answer) for at, item in enumerate(loose.objects(message.get("tool_calls")))]
    calls.append(tool_call({"function": message.get("function_call")}, len(calls), answer))
    found = [call for call in calls if call]
    parts += [*found, *(part for part in (sound(message), kept_fields(message)) if part)]
    logprobs = loose.object_of(raw.get("logprobs")).get("content")
    return Choice(
        Message("assistant", tuple(parts)),
        finish_reason(raw.get("finish_reason"), calls=bool(found), refused=bool(refusal)),
        stop_sequence=loose.text(raw.get("stop_reason")),
        logprobs=tuple(loose.objects(logprobs)),
    )


def encode_response(response: ChatResponse) -> Json:
    """Write an answer for a caller."""
    body: Json = {
        "id": response.id or f"chatcmpl-{secrets.token_hex(12)}",
        "object": "chat.completion",
        "created": response.created or int(time.time()),
        "model": response.model,
        "choices": [_written(choice, at) for at, choice in enumerate(response.choices)],
    }
    if response.usage is not None:
        body["usage"] = encode_usage(response.usage)
    if tier := openai_tier(response, NAME):
        body["service_tier"] = tier
    return {**body, **response.extra} if response.dialect == NAME else body


def _written(choice: Choice, at: int) -> Json:
    parts = choice.message.parts
    text = "".join(part.text for part in parts if isinstance(part, Text))
    message: Json = {"role": "assistant", "content": text or None, "refusal": None}
    message |= reasoning_fields(parts)
    refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
    if refusal:
        message["refusal"] = refusal
    if calls := [written_call(part) for part in parts if isinstance(part, ToolCall)]:
        message["tool_calls"] = calls
    if annotations := written_citations(parts):
        message["annotations"] = annotations
    if images := [written_picture(part) for part in parts if isinstance(part, Image)]:
        message["images"] = images
    for part in parts:
        if isinstance(part, Audio):
            message["audio"] = {"id": part.id, "data": part.data, "expires_at": 0, "transcript": part.transcript}
        elif isinstance(part, Opaque) and part.dialect == NAME and "type" not in part.raw:
            message |= part.raw
    if not text and not calls and not refusal:
        message["content"] = ""
    return {
        "index": at,
        "message": message,
        "logprobs": {"content": list(choice.logprobs), "refusal": None} if choice.logprobs else None,
        "finish_reason": told_finish(choice.finish_reason, refused=bool(refusal)),
    }


def told_finish(reason: FinishReason | None, *, refused: bool) -> str:
    """Return OpenAI's word: a refusal in words of its own ends with "stop" there."""
    return "stop" if reason == "refusal" and refused else TOLD[reason or "stop"]


def written_call(call: ToolCall) -> Json:
    """Return a call as it stands in a message."""
    if call.kind == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    written: Json = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
    if call.signature:
        written["extra_content"] = {"google": {"thought_signature": call.signature}}
    return written


def written_picture(part: Image) -> Json:
    """Return a picture a model made, as OpenRouter says it."""
    url = part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def written_citations(parts: tuple[Part, ...]) -> list[Json]:
    """Return the sources of the text: OpenAI's own as they are, Anthropic's web results with the place in the text."""
    found: list[Json] = []
    at = 0
    for part in parts:
        if isinstance(part, Text):
            end = at + len(part.text)
            found += [written for citation in part.citations if (written := citation_of(citation, at, end))]
            at = end
    return found


def citation_of(citation: Json, start: int, end: int) -> Json | None:
    """Return one source of the text from *start* to *end*; None if it cannot be said here."""
    if citation.get("type") == "url_citation" and "url" in citation:  # the Responses API's, flat and from its own part
        flat = {name: value for name, value in citation.items() if name != "type"}
        flat |= {name: start + loose.count(flat.get(name)) for name in ("start_index", "end_index")}
        return {"type": "url_citation", "url_citation": flat}
    if citation.get("type") == "url_citation":
        return citation
    if not (url := loose.text(citation.get("url"))):
        return None
    place = {"start_index": start, "end_index": end, "url": url, "title": loose.text(citation.get("title"))}
    return {"type": "url_citation", "url_citation": place}
