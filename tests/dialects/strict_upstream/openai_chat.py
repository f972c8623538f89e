"""Chat completions, strictly: OpenAI's own rules, and those of providers that think and want their thoughts back.

https://platform.openai.com/docs/api-reference/chat/create (2026-11)
https://api-docs.deepseek.com/guides/thinking_mode (2026-11)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from tests.dialects.strict_upstream.reading import NAME, Json, closed, number, objects, unknown

_FIELDS = (
    "messages", "model", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "metadata", "modalities", "n", "parallel_tool_calls", "prediction",
    "presence_penalty", "prompt_cache_key", "prompt_cache_retention", "reasoning_effort", "response_format",
    "safety_identifier", "seed", "service_tier", "stop", "store", "stream", "stream_options", "temperature",
    "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
)  # fmt: skip
# What compatible providers took in recorded requests.
_OTHERS = ("enable_thinking", "usage", "provider", "reasoning", "top_k", "repetition_penalty", "min_p", "echo",
           "safety_model", "thinking")  # fmt: skip
_MESSAGE = {
    "system": ("role", "content", "name"),
    "developer": ("role", "content", "name"),
    "user": ("role", "content", "name"),
    "assistant": ("role", "content", "name", "refusal", "audio", "tool_calls", "function_call", "reasoning_content",
                  "reasoning", "reasoning_details"),
    "tool": ("role", "content", "tool_call_id", "name"),
    "function": ("role", "content", "name"),
}  # fmt: skip
_PARTS = {
    "system": ("text",), "developer": ("text",), "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"), "tool": ("text",), "function": ("text",),
}  # fmt: skip


def problems(body: Json, issued: Sequence[Json], model: str) -> list[str]:
    """Return what is wrong with *body*."""
    return [*_head(body), *_tools(body), *_messages(body), *_thoughts(body, issued)]


def _head(body: Json) -> Iterator[str]:
    yield from unknown(body, (*_FIELDS, *_OTHERS))
    yield from number(body, "temperature", 0, 2)
    yield from number(body, "top_p", 0, 1)
    yield from number(body, "presence_penalty", -2, 2)
    yield from number(body, "frequency_penalty", -2, 2)
    if body.get("stream_options") and not body.get("stream"):
        yield "stream_options: only allowed when stream is enabled"
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        yield "top_logprobs: needs logprobs"
    if len(body.get("user") or "") > 64:
        yield "user: string too long"
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        yield "stop: at most 4"
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        schema = form["json_schema"]
        yield from unknown(schema, ("name", "schema", "description", "strict"), "response_format.json_schema")
        if not NAME.fullmatch(str(schema.get("name"))):
            yield "response_format.json_schema.name: does not match pattern"
        if schema.get("strict"):
            yield from strictly(schema.get("schema"), "response_format")


def strictly(schema: object, where: str) -> Iterator[str]:
    """Yield what keeps *schema* from being a strict one."""
    yield from closed(schema, where)
    for path, inner in objects(schema, where):
        if sorted(inner.get("required") or ()) != sorted(inner.get("properties") or ()):
            yield f"{path}: required must name every property"


def _tools(body: Json) -> Iterator[str]:
    tools = body.get("tools")
    if tools == []:
        yield "tools: empty array"
    for at, tool in enumerate(tools or ()):
        kind = tool.get("type")
        if kind not in ("function", "custom"):
            yield f"tools[{at}].type: {kind!r} is not supported"
        elif not NAME.fullmatch(str(tool[kind].get("name"))):
            yield f"tools[{at}].{kind}.name: does not match pattern"
        elif kind == "function" and tool[kind].get("strict"):
            yield from strictly(tool[kind].get("parameters"), f"tools[{at}]")
    if not tools and not body.get("functions"):
        for name in ("tool_choice", "parallel_tool_calls"):
            if name in body:
                yield f"{name}: only allowed when tools are specified"
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and "function" in choice:
        names = [tool.get("function", {}).get("name") for tool in tools or ()]
        if choice["function"]["name"] not in names:
            yield "tool_choice: no such tool"


def _messages(body: Json) -> Iterator[str]:
    if not body.get("messages"):
        yield "messages: empty array"
    waiting: list[str] = []  # calls that still lack a result
    for at, message in enumerate(body.get("messages") or ()):
        path, role = f"messages[{at}]", message.get("role")
        if role not in _MESSAGE:
            yield f"{path}.role: unknown {role!r}"
            continue
        yield from unknown(message, _MESSAGE[role], path)
        yield from _content(message, role, path)
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                yield f"{path}: role tool must be a response to a preceding message with tool_calls"
            else:
                waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            yield f"{path}: tool_calls must be followed by tool messages; missing {waiting}"
        waiting = []
        for call in message.get("tool_calls") or ():
            yield from _call(call, f"{path}.tool_calls")
            if call.get("id") in waiting:
                yield f"{path}.tool_calls: duplicate id"
            waiting.append(str(call.get("id")))
    if waiting:
        yield f"messages: tool_calls must be followed by tool messages; missing {waiting}"


def _content(message: Json, role: str, path: str) -> Iterator[str]:
    content = message.get("content")
    if content is None:
        said = any(message.get(name) for name in ("tool_calls", "function_call", "refusal", "audio"))
        if role != "assistant" or not said:
            yield f"{path}.content: expected a string, got null"
    elif isinstance(content, list):
        if not content:
            yield f"{path}.content: empty array"
        for part in content:
            if part.get("type") not in _PARTS[role]:
                yield f"{path}.content: {part.get('type')!r} is not supported for {role}"
            if "cache_control" in part:
                yield f"{path}.content: unknown parameter cache_control"


def _call(call: Json, path: str) -> Iterator[str]:
    kind = call.get("type")
    yield from unknown(call, ("id", "type", "function", "custom", "index", "extra_content"), path)
    if not call.get("id") or len(call["id"]) > 40:
        yield f"{path}.id: must be a string of 1 to 40 characters"
    if kind == "custom":
        if not isinstance(call["custom"].get("input"), str):
            yield f"{path}.custom.input: expected a string"
        return
    function = call.get("function") or {}
    if kind != "function" or not NAME.fullmatch(str(function.get("name"))):
        yield f"{path}.function: must be a function with a name"
    try:
        if not isinstance(json.loads(function.get("arguments")), dict):
            yield f"{path}.function.arguments: must be a JSON object"
    except (TypeError, ValueError):
        yield f"{path}.function.arguments: must be JSON"


def _thoughts(body: Json, issued: Sequence[Json]) -> Iterator[str]:
    """Yield what is missing of the thoughts of the answers whose calls are in the conversation, or is not theirs."""
    given = [answer["choices"][0]["message"] for answer in issued]
    for at, message in enumerate(body.get("messages") or ()):
        if message.get("role") != "assistant":
            continue
        answer = next((one for one in given if _same(one, message)), {})
        for name in ("reasoning_content", "reasoning_details"):
            if answer.get(name) and message.get(name) != answer[name]:
                yield f"messages[{at}].{name}: in the thinking mode must be passed back to the API"
        for call, one in zip(message.get("tool_calls") or (), answer.get("tool_calls") or (), strict=False):
            if one.get("extra_content") and call.get("extra_content") != one["extra_content"]:
                yield f"messages[{at}]: function call is missing a thought_signature"
        if issued:
            yield from _foreign(message, given, f"messages[{at}]")


def _same(answer: Json, message: Json) -> bool:
    """Whether *message* is *answer* come back, by its calls."""
    return bool(message.get("tool_calls")) and _called(answer) == _called(message)


def _called(message: Json) -> list[tuple[str, object]]:
    functions = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    return [(str(one.get("name")), json.loads(one.get("arguments") or "{}")) for one in functions]


def _foreign(message: Json, given: list[Json], path: str) -> Iterator[str]:
    """Yield what in *message* none of the answers *given* had. Who tells details takes the words in them as well."""
    details = [one["reasoning_details"] for one in given if one.get("reasoning_details")]
    words = [one.get("reasoning_content") for one in given]
    if message.get("reasoning_details") and message["reasoning_details"] not in details:
        yield f"{path}.reasoning_details: property is unsupported"
    if message.get("reasoning_content") and message["reasoning_content"] not in words and not details:
        yield f"{path}.reasoning_content: property is unsupported"
    marks = [call.get("extra_content") for one in given for call in one.get("tool_calls") or ()]
    for call in message.get("tool_calls") or ():
        if "extra_content" in call and call["extra_content"] not in marks:
            yield f"{path}.tool_calls: property extra_content is unsupported"
