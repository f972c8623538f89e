"""Write a request for Converse. The model's name stands in the path."""

from __future__ import annotations

import orjson

from mini_llm.dialects.anthropic_messages.thinking import max_tokens, thinking_fields
from mini_llm.dialects.bedrock_converse.words import NAME
from mini_llm.dialects.bedrock_converse.write_content import SYSTEM, cache_point, messages, refuse
from mini_llm.types import ChatRequest, Json, Text, Thinking, Tool, ToolCall

_INFERENCE = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}
_UNSAID = ("presence_penalty", "frequency_penalty", "seed", "logprobs", "top_logprobs")
_NOTHING_NEW = frozenset({"store", "stream_options"})
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium"}
NO_INPUT: Json = {"type": "object", "properties": {}}


def encode_request(request: ChatRequest) -> Json:
    """Return the body for *request*. Raises TranslationError for what Converse cannot say."""
    refuse.fields(request, _UNSAID)
    refuse.foreign(request, _NOTHING_NEW)
    first = next(
        (at for at, message in enumerate(request.messages) if message.role not in SYSTEM), len(request.messages)
    )
    body: Json = {"messages": messages(request, first)}
    if system := _system(request, first):
        body["system"] = system
    inference = {name: value for field, name in _INFERENCE.items() if (value := getattr(request, field)) is not None}
    if request.stop:
        inference["stopSequences"] = list(request.stop)
    if inference:
        body["inferenceConfig"] = inference
    body |= _tools(request) | _output(request)
    if own := _top_k(request) | _thinking(request):
        body["additionalModelRequestFields"] = own
    if request.metadata:
        body["requestMetadata"] = {name: str(value) for name, value in request.metadata.items()}
    if request.service_tier not in ("", "auto"):
        body["serviceTier"] = {"type": request.service_tier}
    return body if request.dialect not in ("", NAME) else {**body, **request.extra}


def _system(request: ChatRequest, first: int) -> list[Json]:
    """Return what stands before the conversation."""
    blocks: list[Json] = []
    for at, message in enumerate(request.messages[:first]):
        for part in message.parts:
            if not isinstance(part, Text):
                raise refuse.error(f"messages[{at}]", "a system prompt is text")
            if part.text.strip():
                blocks += [{"text": part.text}, *([cache_point(part.cache)] if part.cache else [])]
    return blocks


def _tools(request: ChatRequest) -> Json:
    if request.parallel_tool_calls is False and request.tools:
        raise refuse.error("parallel_tool_calls")
    choice = request.tool_choice
    called = {part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall)}
    tools = [block for at, tool in enumerate(request.tools) for block in _tool(tool, f"tools[{at}]")]
    if choice and choice.mode == "none":
        if called and tools:
            raise refuse.error("tool_choice", "calls can't be forbidden once there were some")
        tools = []
    if not tools:
        # Without tools a conversation that holds calls is refused, so those that were called are named.
        tools = [block for name in sorted(called) for block in _tool(Tool(name), "tools")]
    if not tools:
        return {}
    config: Json = {"tools": tools}
    if choice and request.tools and choice.mode != "none":
        names = {"auto": "auto", "required": "any", "tool": "tool"}
        config["toolChoice"] = {names[choice.mode]: {"name": choice.name} if choice.mode == "tool" else {}}
    return {"toolConfig": config}


def _tool(tool: Tool, path: str) -> list[Json]:
    if tool.raw is not None and tool.parameters is None:
        if tool.dialect != NAME:
            raise refuse.error(path, f"only {tool.dialect} has the tool {tool.name or tool.raw.get('type')}")
        return [tool.raw]
    written: Json = {"name": tool.name, "inputSchema": {"json": tool.parameters or NO_INPUT}}
    if tool.description:
        written["description"] = tool.description
    if tool.strict:
        written["strict"] = True
    return [{"toolSpec": written}, *([cache_point(tool.cache)] if tool.cache else [])]


def _output(request: ChatRequest) -> Json:
    wanted = request.response_format
    if wanted is None:
        return {}
    if wanted.kind == "json_object":
        raise refuse.error("response_format", "there is no plain JSON mode; give a json_schema")
    try:
        schema = orjson.dumps(wanted.schema or {}).decode()
    except orjson.JSONEncodeError as error:  # nested too deeply
        raise refuse.error("response_format", str(error)) from error
    form: Json = {"schema": schema, "name": wanted.name or "answer"}
    if wanted.description:
        form["description"] = wanted.description
    return {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": form}}}}


def _top_k(request: ChatRequest) -> Json:
    """Return `top_k`, which each maker names its own way."""
    if request.top_k is None:
        return {}
    if "anthropic." in request.model:
        return {"top_k": request.top_k}
    if "amazon.nova" in request.model:
        return {"inferenceConfig": {"topK": request.top_k}}
    raise refuse.error("top_k", "not for this model")


def _thinking(request: ChatRequest) -> Json:
    """Return how much to think, which each maker says its own way.

    https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html (2026-11)
    """
    wanted: Thinking | None = request.thinking
    if wanted is None:
        return {}
    if "anthropic." in request.model:
        return thinking_fields(request, max_tokens(request))
    off = wanted.enabled is False or wanted.effort == "none"
    level = "" if off else _LEVELS.get(wanted.effort or "medium", "high")
    if "nova-2" in request.model:
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level} if level else {"type": "disabled"}}
    if "gpt-oss" in request.model and level:
        return {"reasoning_effort": level}
    if level:
        raise refuse.error("thinking", "not for this model")
    return {}
