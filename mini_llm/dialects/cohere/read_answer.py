"""Read a whole answer of Cohere's chat."""

from __future__ import annotations

from mini_llm.dialects import calls, failures, loose
from mini_llm.dialects.cohere.words import NAME, decode_usage, finish_reason, sources
from mini_llm.errors import ProtocolError
from mini_llm.types import ChatResponse, Choice, Json, Message, Part, Reasoning, Text, ToolCall


def decode_response(body: Json) -> ChatResponse:
    """Read an answer. Raises UpstreamError for an error inside a 200, ProtocolError for what is no answer."""
    if not isinstance(body, dict):
        raise ProtocolError("the answer is not a JSON object")
    message = body.get("message")
    if body.get("error") or isinstance(message, str):
        raise failures.inside(body)
    if not isinstance(message, dict):
        raise ProtocolError("the answer holds no message")
    identity = loose.text(body.get("id"))
    called = [tool_call(raw, at, identity) for at, raw in enumerate(loose.objects(message.get("tool_calls")))]
    found = [call for call in called if call.name]
    reason = finish_reason(body.get("finish_reason"), calls=bool(found), told=loose.text(body.get("error")))
    citations = loose.objects(message.get("citations"))
    choice = Choice(
        Message("assistant", (*_words(message, citations), *found)),
        reason,
        logprobs=tuple(loose.objects(body.get("logprobs"))),
    )
    return ChatResponse(
        id=identity,
        model="",
        choices=(choice,),
        usage=decode_usage(body.get("usage")),
        dialect=NAME,
        extra={"citations": citations} if citations else {},
    )


def tool_call(raw: Json, at: int, answer: str) -> ToolCall:
    """Return the call *at* of an *answer*."""
    function = loose.object_of(raw.get("function"))
    given = function.get("arguments")
    arguments = loose.json_text(given) if isinstance(given, dict) else loose.text(given)
    return ToolCall(
        loose.text(raw.get("id")) or calls.made_up_id(answer, at), loose.text(function.get("name")), arguments
    )


def _words(message: Json, citations: list[Json]) -> list[Part]:
    """Return what was thought and said. The plan before a call is said to the reader."""
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else loose.objects(content)
    parts: list[Part] = []
    for at, block in enumerate(blocks):
        if thinking := loose.text(block.get("thinking")):
            parts.append(Reasoning(thinking))
        if text := loose.text(block.get("text")):
            ours = [citation for citation in citations if loose.count(citation.get("content_index")) in (0, at)]
            parts.append(Text(text, citations=tuple(source for citation in ours for source in sources(citation))))
    if plan := loose.text(message.get("tool_plan")):
        parts.append(Text(plan))
    return parts
