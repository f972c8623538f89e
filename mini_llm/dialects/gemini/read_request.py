"""Read a caller's generateContent request. Its model stands in the path, not in the body."""

from __future__ import annotations

from typing import Any

from mini_llm.dialects.gemini.read_contents import read_contents, read_system
from mini_llm.dialects.gemini.schema import from_classic
from mini_llm.dialects.gemini.thinking import read_thinking
from mini_llm.dialects.gemini.words import NAME, Words
from mini_llm.types import ChatRequest, Json, ResponseFormat, Tool, ToolChoice

JSON_TYPE = "application/json"
_MODES: dict[object, str] = {1: "AUTO", 2: "ANY", 3: "NONE", 4: "VALIDATED"}
_CHOICES: dict[str, ToolChoice] = {
    "AUTO": ToolChoice("auto"), "ANY": ToolChoice("required"), "NONE": ToolChoice("none"),
    "VALIDATED": ToolChoice("auto"),
}  # fmt: skip


def decode_request(body: Json) -> ChatRequest:
    """Read *body*. Raises UsageError that names the field which is wrong."""
    fields = Words(body)
    config = fields.section("generationConfig")
    tools = tuple(tool for item in fields.each("tools") for tool in _tools(item))
    choosing = fields.section("toolConfig")
    calling = choosing.section("functionCallingConfig")
    mode = _mode(calling)
    choice, narrower = _tool_choice(mode, calling, tools)
    if mode == "VALIDATED":  # the calls fit their schemas
        tools = tuple(
            tool if tool.dialect and tool.parameters is None else tool._replace(strict=True) for tool in tools
        )
    return ChatRequest(
        model=fields.text("model").removeprefix("models/"),
        messages=(*read_system(fields), *read_contents(fields)),
        include_usage=True,  # this dialect always tells it
        max_tokens=config.whole("maxOutputTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=config.whole("topK"),
        stop=config.texts("stopSequences"),
        presence_penalty=config.number("presencePenalty"),
        frequency_penalty=config.number("frequencyPenalty"),
        seed=config.whole("seed"),
        n=config.whole("candidateCount"),
        logprobs=config.flag("responseLogprobs"),
        top_logprobs=config.whole("logprobs"),
        tools=tools,
        tool_choice=choice,
        response_format=_response_format(config),
        thinking=read_thinking(config.inner("thinkingConfig")),
        service_tier=fields.text("serviceTier"),
        dialect=NAME,
        extra={
            **fields.rest(),
            **_under("generationConfig", _config_rest(config)),
            **_under("toolConfig", choosing.rest()),
            **_under("toolConfig.functionCallingConfig", calling.rest() | narrower),
        },
    )


def _under(name: str, fields: Json) -> Json:
    """Return *fields* by their full paths, so that who cannot say one can name it."""
    return {f"{name}.{key}": value for key, value in fields.items()}


def _config_rest(config: Words) -> Json:
    rest = config.rest()
    modalities = rest.get("responseModalities")
    if isinstance(modalities, list) and [str(kind).upper() for kind in modalities] == ["TEXT"]:
        del rest["responseModalities"]  # what everyone does anyway
    return rest


def _tools(item: Words) -> list[Tool]:
    """Read one entry of `tools`: functions, and tools that run at Google."""
    functions = [_function(function) for function in item.each("functionDeclarations")]
    own = {name: value for name, value in item.raw.items() if name != "functionDeclarations" and value is not None}
    return [*functions, *(Tool(name, dialect=NAME, raw={name: value}) for name, value in own.items())]


def _is_own(tool: Tool) -> bool:
    """Whether *tool* runs at Google."""
    return tool.raw is not None and tool.parameters is None


def _function(item: Words) -> Tool:
    name, description = item.needed("name"), item.text("description")
    parameters, classic = item.json("parametersJsonSchema"), item.json("parameters")
    if parameters is None and classic is not None:
        parameters = from_classic(classic, item.path("parameters"))
    rest: dict[str, Any] = item.rest()
    if not rest:
        return Tool(name, description, parameters)
    return Tool(name, description, parameters or {"type": "object", "properties": {}}, dialect=NAME, raw=rest)


def _mode(calling: Words) -> str:
    value = calling.get("mode")
    mode = _MODES.get(value, "") if isinstance(value, int) else calling.text("mode").upper()
    if mode not in ("", "MODE_UNSPECIFIED", *_CHOICES):
        raise calling.wrong("mode", f"one of {', '.join(_CHOICES)}")
    return mode


def _tool_choice(mode: str, calling: Words, tools: tuple[Tool, ...]) -> tuple[ToolChoice | None, Json]:
    """Return the choice, and what of it has no word: several functions allowed of more."""
    allowed = calling.texts("allowedFunctionNames")
    choice = _CHOICES.get(mode)
    offered = {tool.name for tool in tools if not _is_own(tool)}
    if choice is None or not allowed or (mode == "ANY" and set(allowed) >= offered and len(offered) > 1):
        return choice, {}
    if mode == "ANY" and len(allowed) == 1:
        return ToolChoice("tool", allowed[0]), {}
    return choice, {"allowedFunctionNames": list(allowed)}


def _response_format(config: Words) -> ResponseFormat | None:
    kind = config.raw.get("responseMimeType")
    if kind in (None, "text/plain"):
        config.get("responseMimeType")
    if kind != JSON_TYPE:
        return None  # another type (a choice from an enum) stays in `extra`, with its schema
    config.get("responseMimeType")
    schema, classic = config.json("responseJsonSchema"), config.json("responseSchema")
    if schema is None and classic is not None:
        schema = from_classic(classic, config.path("responseSchema"))
    return ResponseFormat("json_object") if schema is None else ResponseFormat("json_schema", schema)
