"""Write what a model made as items: words and refusals as messages, thoughts, calls. For answers and for requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeGuard

from mini_llm.dialects import media
from mini_llm.dialects.openai_responses.citations import annotations_of
from mini_llm.dialects.openai_responses.words import CONTENT, NAME
from mini_llm.types import Audio, Image, Json, Opaque, Part, Reasoning, Refusal, Text, ToolCall


def items_of(parts: Iterable[Part], *, answer: bool) -> list[Json]:
    """Return *parts* of an assistant as items, without ids that none had. What has no place in one is left out.

    In an *answer* everything is told; a request takes back only the thoughts that the Responses API gave.
    """
    items: list[Json] = []
    fields: Json = {}
    open_to: list[Part] = []  # the words, or the thoughts, that the next of their kind join
    known = ""  # the id of those thoughts
    for part in parts:
        if is_fields(part):
            items += _closed(open_to, fields, answer=answer)
            fields = {**part.raw}
        elif isinstance(part, Reasoning):
            if part.dialect == NAME or (part.text and (answer or not part.dialect)):
                if open_to and not _continues(open_to[-1], known, part):
                    items += _closed(open_to, fields, answer=answer)
                known = (known if open_to else "") or _id_of([part])
                open_to.append(part)
        elif isinstance(part, (Text, Refusal, Audio)) or is_content(part):
            if open_to and isinstance(open_to[0], Reasoning):
                items += _closed(open_to, fields, answer=answer)
            open_to.append(part)
        elif item := whole_item(part):
            items += _closed(open_to, fields, answer=answer)
            items.append(item | fields)
            fields.clear()
    items += _closed(open_to, fields, answer=answer)
    return items


def is_fields(part: Part) -> TypeGuard[Opaque]:
    """Whether *part* holds fields of the item after it."""
    return isinstance(part, Opaque) and part.dialect == NAME and "type" not in part.raw


def is_content(part: Part) -> TypeGuard[Opaque]:
    """Whether *part* stands inside an item, although we have no words for it."""
    return isinstance(part, Opaque) and part.dialect == NAME and str(part.raw.get("type")).startswith(CONTENT)


def whole_item(part: Part) -> Json | None:
    """Return *part* as an item of its own; None if it is none."""
    if is_content(part):
        return None
    match part:
        case ToolCall():
            return call_item(part)
        case Image(data=data) if data:
            return {"type": "image_generation_call", "status": "completed", "result": data}
        case Opaque(dialect="openai_responses", raw=raw):
            return raw
    return None


def call_item(call: ToolCall) -> Json:
    """Return a call as an item."""
    namespace = {"namespace": call.namespace} if call.namespace else {}
    head: Json = {"call_id": call.id, "name": call.name, **namespace}
    if call.kind == "custom":
        return {"type": "custom_tool_call", **head, "input": call.arguments}
    return {"type": "function_call", **head, "arguments": call.arguments}


def output_text(text: str, citations: Iterable[Json] = (), logprobs: Iterable[Json] = ()) -> Json:
    """Return words of an answer."""
    return {
        "type": "output_text",
        "text": text,
        "annotations": annotations_of(citations, len(text)),
        "logprobs": list(logprobs),
    }


def _continues(last: Part, known: str, part: Reasoning) -> bool:
    """Whether *part* belongs to the item of *last*, whose id is *known*. An encrypted one is complete with that."""
    if not isinstance(last, Reasoning) or last.encrypted:
        return False
    return not (known and _id_of([part])) or part.id == known


def _id_of(thoughts: Iterable[Part]) -> str:
    ours = (part for part in thoughts if isinstance(part, Reasoning) and part.dialect == NAME)
    return next((part.id for part in ours if part.id), "")


def _closed(open_to: list[Part], fields: Json, *, answer: bool) -> Iterator[Json]:
    """Yield the item that *open_to* makes, if any, and start anew."""
    if not open_to:
        return
    parts = tuple(open_to)
    open_to.clear()
    if isinstance(parts[0], Reasoning):
        ours = any(isinstance(part, Reasoning) and part.dialect == NAME for part in parts)
        if not ours and not answer:
            return
        item = _thought(parts)
    else:
        item = {"type": "message", "role": "assistant", "content": [_words(part, answer=answer) for part in parts]}
    yield item | fields
    fields.clear()


def _thought(parts: tuple[Part, ...]) -> Json:
    thoughts = [part for part in parts if isinstance(part, Reasoning)]
    item: Json = {"type": "reasoning"}
    if identity := _id_of(thoughts):
        item["id"] = identity
    item["summary"] = [{"type": "summary_text", "text": part.text} for part in thoughts if part.summary]
    if content := [{"type": "reasoning_text", "text": part.text} for part in thoughts if _is_plain(part)]:
        item["content"] = content
    if encrypted := next((part.encrypted for part in thoughts if part.dialect == NAME and part.encrypted), ""):
        item["encrypted_content"] = encrypted
    return item


def _is_plain(part: Reasoning) -> bool:
    return bool(part.text) and not part.summary


def _words(part: Part, *, answer: bool) -> Json:
    match part:
        case Refusal(text=text):
            return {"type": "refusal", "refusal": text}
        case Audio(transcript=text):
            return output_text(text)
        case Opaque(raw=raw):
            return raw
        case Text(text=text, citations=citations):
            if answer:
                return output_text(text, citations)
            sources = annotations_of(citations, len(text))
            return {"type": "output_text", "text": text} | ({"annotations": sources} if sources else {})
    raise AssertionError(part)  # only these are gathered


def picture_data(part: Image) -> str:
    """Return a picture the way the other side takes it: a link, or a data URL."""
    return part.url or media.data_url(part.media_type or media.picture_type(part.data), part.data)
