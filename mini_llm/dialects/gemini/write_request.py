"""Write a generateContent request for an upstream. The model goes into the path."""

from __future__ import annotations

from typing import Any

from mini_llm.dialects.gemini.read_request import JSON_TYPE
from mini_llm.dialects.gemini.schema import to_json_schema
from mini_llm.dialects.gemini.thinking import thinking_config
from mini_llm.dialects.gemini.words import CANNOT, NAME, version
from mini_llm.dialects.gemini.write_contents import written_turns
from mini_llm.types import ChatRequest, Json, ResponseFormat, Tool

# Fields that are written as they stand, under their own names.
_PLAIN = {
    "max_tokens": "maxOutputTokens", "temperature": "temperature", "top_p": "topP", "top_k": "topK",
    "presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty", "seed": "seed",
    "n": "candidateCount", "logprobs": "responseLogprobs", "top_logprobs": "logprobs",
}  # fmt: skip
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}


def encode_request(request: ChatRequest) -> Json:
    """Return the body for *request*. Raises TranslationError for what generateContent cannot say."""
    _refuse(request)
    body = written_turns(request)
    if request.tools:
        body["tools"] = _tools(request)
        if calling := _calling(request):
            body["toolConfig"] = {"functionCallingConfig": calling}
    config: Json = {name: value for field, name in _PLAIN.items() if (value := getattr(request, field)) is not None}
    if request.stop:
        config["stopSequences"] = list(request.stop)
    if request.response_format:
        config |= _response_format(request.response_format)
    if thinking := thinking_config(request):
        config["thinkingConfig"] = thinking
    if config:
        body["generationConfig"] = config
    if request.service_tier not in ("", "auto"):
        body["serviceTier"] = "standard" if request.service_tier == "default" else request.service_tier
    if request.dialect in ("", NAME):
        for path, value in request.extra.items():
            _put(body, path.split("."), value)
    return body


def _refuse(request: ChatRequest) -> None:
    """Raise for the first thing in *request* that has no place here."""
    if request.parallel_tool_calls is False:
        raise CANNOT.error("parallel_tool_calls", "a model may always call several tools at once")
    if request.user:
        raise CANNOT.error("user")
    for at, message in enumerate(request.messages):
        if message.name:
            raise CANNOT.error(f"messages[{at}].name", "turns have no names")
    CANNOT.foreign(request)


def _put(body: Json, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        body = body.setdefault(name, {})
    body[path[-1]] = value


def _tools(request: ChatRequest) -> list[Json]:
    """Return the tools: functions that follow one another share an entry."""
    tools: list[Json] = []
    for at, tool in enumerate(request.tools):
        path = f"tools[{at}]"
        if tool.raw is not None and tool.parameters is None:
            if tool.dialect != NAME:
                raise CANNOT.error(path, f"only {tool.dialect} has the tool {tool.name or tool.raw.get('type')}")
            tools.append(dict(tool.raw))
            continue
        if not tools or "functionDeclarations" not in tools[-1]:
            tools.append({"functionDeclarations": []})
        tools[-1]["functionDeclarations"].append(_function(tool, path))
    return tools


def _function(tool: Tool, path: str) -> Json:
    written: Json = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if tool.parameters is not None:
        written["parametersJsonSchema"] = to_json_schema(tool.parameters, f"{path}.parameters")
    return written | (tool.raw or {} if tool.dialect == NAME else {})


def _calling(request: ChatRequest) -> Json:
    """Return how functions are to be called. Where a strict schema must hold, there is a mode of its own for it."""
    choice = request.tool_choice
    mode = _MODES[choice.mode] if choice else ""
    strict = any(tool.strict for tool in request.tools)
    if mode in ("", "AUTO") and strict and version(request.model) >= (2, 5):
        mode = "VALIDATED"
    calling: Json = {"mode": mode} if mode else {}
    if choice and choice.mode == "tool":
        calling["allowedFunctionNames"] = [choice.name]
    return calling


def _response_format(wanted: ResponseFormat) -> Json:
    if wanted.kind == "json_object":
        return {"responseMimeType": JSON_TYPE}
    schema = to_json_schema(wanted.schema or {}, "response_format.json_schema.schema")
    if wanted.description and "description" not in schema and "$ref" not in schema:
        schema["description"] = wanted.description
    return {"responseMimeType": JSON_TYPE, "responseJsonSchema": schema}
