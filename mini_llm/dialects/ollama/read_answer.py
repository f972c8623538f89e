"""Read an answer of Ollama's chat. A stream is the same object over and over, with a piece of the message in each."""

from __future__ import annotations

from calendar import timegm
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from time import strptime

from mini_llm import sse
from mini_llm.dialects import calls, failures, loose
from mini_llm.dialects.json_events import objects
from mini_llm.dialects.ollama.words import FINISHED, NAME
from mini_llm.errors import ProtocolError, TruncatedError
from mini_llm.types import (
    ChatResponse,
    Choice,
    Delta,
    FinishReason,
    Json,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolCallDelta,
    Usage,
)


def decode_response(body: Json) -> ChatResponse:
    """Read a whole answer. Raises UpstreamError for an error inside a 200, ProtocolError for what is no answer."""
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a JSON object")
    if body.get("error"):
        raise failures.inside(body)
    message = body.get("message")
    if not isinstance(message, dict):
        raise ProtocolError("the answer holds no message")
    if body.get("done") is False:
        raise TruncatedError("the answer ended before it was done")
    parts: list[Part] = []
    if thinking := loose.text(message.get("thinking")):
        parts.append(Reasoning(thinking))
    if text := loose.text(message.get("content")):
        parts.append(Text(text))
    called = tuple(_calls(message, loose.text(body.get("created_at")), 0))
    return ChatResponse(
        id="",
        model=loose.text(body.get("model")),
        choices=(
            Choice(
                Message("assistant", (*parts, *called)),
                _finish_reason(body, calls=bool(called)),
                logprobs=tuple(loose.objects(body.get("logprobs"))),
            ),
        ),
        usage=_usage(body),
        created=_created(body),
        dialect=NAME,
    )


async def decode_stream(events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
    """Yield what *events* say. Raises UpstreamError for an error among them, TruncatedError if the end is missing."""
    began = ""
    called = 0
    pieces = objects(events)
    try:
        async for _, body in pieces:
            if body.get("error"):
                raise failures.inside(body)
            if not began:
                began = loose.text(body.get("created_at")) or "1"
                yield Delta(model=loose.text(body.get("model")), created=_created(body))
            message = loose.object_of(body.get("message"))
            for delta in _words(message, body):
                yield delta
            for call in _calls(message, began, called):
                yield Delta(tool_call=ToolCallDelta(called, call.id, call.name, call.arguments))
                called += 1
            if body.get("done"):
                yield Delta(finish_reason=_finish_reason(body, calls=bool(called)), usage=_usage(body))
                return
    finally:
        await pieces.aclose()
    raise TruncatedError("the stream ended before the answer did")


def _words(message: Json, body: Json) -> Iterator[Delta]:
    if thinking := loose.text(message.get("thinking")):
        yield Delta(reasoning=thinking)
    text = loose.text(message.get("content"))
    logprobs = tuple(loose.objects(body.get("logprobs")))
    if text or logprobs:
        yield Delta(text=text, logprobs=logprobs)


def _calls(message: Json, answer: str, first: int) -> Iterator[ToolCall]:
    """Yield the calls of a message, which always come whole. Older servers give them no ids."""
    at = first
    for raw in loose.objects(message.get("tool_calls")):
        function = loose.object_of(raw.get("function"))
        if name := loose.text(function.get("name")):
            identity = loose.text(raw.get("id")) or calls.made_up_id(answer, at)
            given = function.get("arguments")
            arguments = given if isinstance(given, str) else loose.json_text(loose.object_of(given))
            yield ToolCall(identity, name, arguments or "{}")
            at += 1


def _finish_reason(body: Json, *, calls: bool) -> FinishReason:
    found = FINISHED.get(loose.text(body.get("done_reason")), "stop")
    return "tool_calls" if found == "stop" and calls else found


def _usage(body: Json) -> Usage | None:
    """Return the counts, which stand beside the message."""
    raw = {name: body[name] for name in ("prompt_eval_count", "eval_count") if type(body.get(name)) is int}
    if not raw:
        return None
    return Usage(
        input_tokens=loose.count(raw.get("prompt_eval_count")),
        output_tokens=loose.count(raw.get("eval_count")),
        raw=raw,
    )


def _created(body: Json) -> int:
    """Return the Unix time of `created_at`, 0 if it has none."""
    try:
        return max(timegm(strptime(loose.text(body.get("created_at"))[:19], "%Y-%m-%dT%H:%M:%S")), 0)
    except ValueError:
        return 0
