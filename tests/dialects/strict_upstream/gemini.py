"""Gemini's generateContent, strictly. https://ai.google.dev/api/generate-content (2026-11)

Names come in camel case and, from some clients, in snake case; the last are read here as the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from tests.dialects.strict_upstream.reading import Json, number, unknown

_FIELDS = ("contents", "systemInstruction", "generationConfig", "tools", "toolConfig", "safetySettings",
           "cachedContent", "serviceTier", "store", "labels", "modelArmorConfig")  # fmt: skip
_CONFIG = (
    "stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "responseModalities",
    "candidateCount", "maxOutputTokens", "temperature", "topP", "topK", "seed", "presencePenalty", "frequencyPenalty",
    "responseLogprobs", "logprobs", "thinkingConfig", "speechConfig", "imageConfig", "mediaResolution",
)  # fmt: skip
_KINDS = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode",
          "codeExecutionResult", "toolCall", "toolResponse")  # fmt: skip
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
# For calls that other models made. https://ai.google.dev/gemini-api/docs/thought-signatures (2026-11)
_SKIPS = ("c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=", "skip_thought_signature_validator")


def problems(body: Json, issued: Sequence[Json], model: str) -> list[str]:
    """Return what is wrong with *body*."""
    body = _camel(body)
    contents = body.get("contents") or []
    found = [*_head(body), *_tools(body)]
    if not contents:
        found.append("contents: is not specified")
    for at, content in enumerate(contents):
        found += _content(content, f"contents[{at}]")
    found += _order(contents)
    if re.search(r"gemini-([3-9]|flash|pro)", model):
        found += _signatures(contents, issued)
    return found


def _camel(value: Any) -> Any:
    """Return an object with its names in camel case; what callers name themselves (schemas, arguments) as it is."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = ("args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema")
    names = {name: re.sub(r"_([a-z])", lambda found: found[1].upper(), name) for name in value}
    return {names[name]: inner if names[name] in kept else _camel(inner) for name, inner in value.items()}


def _head(body: Json) -> Iterator[str]:
    yield from unknown(body, _FIELDS)
    config = body.get("generationConfig") or {}
    yield from unknown(config, _CONFIG, "generationConfig")
    yield from number(config, "temperature", 0, 2)
    yield from number(config, "topP", 0, 1)
    thinking = config.get("thinkingConfig") or {}
    yield from unknown(thinking, ("includeThoughts", "thinkingBudget", "thinkingLevel"), "thinkingConfig")
    if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
        yield "thinkingConfig: you can only set one of thinkingBudget and thinkingLevel"
    if ("responseSchema" in config or "responseJsonSchema" in config) and not config.get("responseMimeType"):
        yield "generationConfig: a response schema needs a responseMimeType"
    if config.get("logprobs") is not None and not config.get("responseLogprobs"):
        yield "generationConfig: logprobs needs responseLogprobs"
    if len(config.get("stopSequences") or ()) > 5:
        yield "generationConfig.stopSequences: at most 5"


def _tools(body: Json) -> Iterator[str]:
    tools = body.get("tools") or []
    declared = [function for tool in tools for function in tool.get("functionDeclarations") or ()]
    for function in declared:
        if not _NAME.fullmatch(str(function.get("name"))):
            yield f"tools: invalid function name {function.get('name')!r}"
        if "parameters" in function and "parametersJsonSchema" in function:
            yield "tools: parameters and parametersJsonSchema are mutually exclusive"
        known = ("name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema",
                 "behavior")  # fmt: skip
        yield from unknown(function, known, "functionDeclarations")
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    if calling.get("mode") not in (None, "AUTO", "ANY", "NONE", "VALIDATED"):
        yield "toolConfig: unknown mode"
    allowed = calling.get("allowedFunctionNames") or []
    if allowed and calling.get("mode") not in ("ANY", "VALIDATED"):
        yield "toolConfig: allowedFunctionNames only with mode ANY or VALIDATED"
    if not set(allowed) <= {function.get("name") for function in declared}:
        yield "toolConfig: allowedFunctionNames names what is not declared"


def _content(content: Json, path: str) -> Iterator[str]:
    yield from unknown(content, ("role", "parts"), path)
    if content.get("role", "user") not in ("user", "model", "function"):
        yield f"{path}.role: please use a valid role: user, model"
    parts = content.get("parts")
    for at, part in enumerate([parts] if isinstance(parts, dict) else parts or []):
        kinds = [name for name in _KINDS if name in part]
        beside = ("thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata")
        yield from unknown(part, (*_KINDS, *beside), f"{path}.parts[{at}]")
        if len(kinds) != 1:
            yield f"{path}.parts[{at}].data: required oneof field must have one initialized field, has {kinds}"
        blob = part.get("inlineData")
        if blob is not None and not (blob.get("mimeType") and blob.get("data")):
            yield f"{path}.parts[{at}].inlineData: needs mimeType and data"
        call = part.get("functionCall") or part.get("functionResponse")
        if call is not None and not call.get("name"):
            yield f"{path}.parts[{at}]: name: cannot be empty"
    if not parts:
        yield f"{path}.parts: must not be empty"


def _order(contents: list[Json]) -> Iterator[str]:
    """Yield what is wrong with the order: each turn of calls has a turn of as many results right after it."""
    before: Json = {}
    for at, content in enumerate(contents):
        calls, results = _calls(content), _results(content)
        if calls and (at == 0 or (before.get("role") == "model")):
            yield f"contents[{at}]: a function call turn comes right after a user turn or function responses"
        asked = _calls(before)
        if results and sorted(map(str, results)) != sorted(map(str, asked)):
            yield f"contents[{at}]: function responses {results} must equal the function calls {asked} just before"
        if asked and not results:
            yield f"contents[{at}]: the number of function response parts must equal that of function call parts"
        if content.get("role") == before.get("role") == "model":
            yield f"contents[{at}]: two turns of the model in a row"
        before = content
    if _calls(before):
        yield "contents: ends with calls that nobody answered"


def _parts(content: Json) -> list[Json]:
    parts = content.get("parts") or []
    return [parts] if isinstance(parts, dict) else parts


def _calls(content: Json) -> list[str]:
    return [part["functionCall"]["name"] for part in _parts(content) if "functionCall" in part]


def _results(content: Json) -> list[str]:
    return [part["functionResponse"]["name"] for part in _parts(content) if "functionResponse" in part]


def _signatures(contents: list[Json], issued: Sequence[Json]) -> Iterator[str]:
    """Yield what is wrong in the current turn: the first call of each step carries its signature."""
    given = {}
    for answer in issued:
        parts = answer["candidates"][0]["content"]["parts"]
        first = next((part for part in parts if "functionCall" in part), None)
        if first is not None and "thoughtSignature" in first:
            given[_named(first)] = first["thoughtSignature"]
    said = {part["thoughtSignature"] for answer in issued for part in answer["candidates"][0]["content"]["parts"]
            if "thoughtSignature" in part}  # fmt: skip
    start = 0
    for at, content in enumerate(contents):
        if content.get("role", "user") == "user" and not _results(content):
            start = at
    for at, content in enumerate(contents):
        for part in _parts(content):
            signature = part.get("thoughtSignature")
            if issued and signature and signature not in said and signature not in _SKIPS:
                yield f"contents[{at}]: corrupted thought signature"
        first = next((part for part in _parts(content) if "functionCall" in part), None)
        if first is None or at < start:
            continue
        if not first.get("thoughtSignature"):
            yield f"contents[{at}]: function call is missing a thought_signature"
        elif given.get(_named(first), first["thoughtSignature"]) != first["thoughtSignature"]:
            yield f"contents[{at}]: function call carries another signature than was issued"


def _named(part: Json) -> str:
    call = part["functionCall"]
    return str(
        (
            call["name"],
            sorted(
                (name, str(float(value)) if type(value) in (int, float) else value)
                for name, value in call.get("args", {}).items()
            ),
        )
    )
