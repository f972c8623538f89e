"""Anthropic's messages, strictly. https://platform.claude.com/docs/en/api/messages (2026-11)"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tests.dialects.strict_upstream.reading import Json, closed, number, unknown

_FIELDS = (
    "model", "max_tokens", "messages", "system", "stop_sequences", "stream", "temperature", "top_k", "top_p", "tools",
    "tool_choice", "thinking", "metadata", "service_tier", "output_config", "output_format", "container",
    "context_management", "mcp_servers", "cache_control", "inference_geo", "speed", "anthropic_version",
    "anthropic_beta",
)  # fmt: skip
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_THOUGHTS = ("thinking", "redacted_thinking")
_PICTURES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_BLOCKS = {
    "user": ("text", "image", "document", "tool_result", "search_result", "container_upload",
             "tool_reference"),
    "assistant": ("text", "tool_use", *_THOUGHTS, "server_tool_use", "web_search_tool_result", "web_fetch_tool_result",
                  "code_execution_tool_result", "compaction"),
}  # fmt: skip
_MARKS = 4


def problems(body: Json, issued: Sequence[Json], model: str) -> list[str]:
    """Return what is wrong with *body*."""
    return [*_head(body), *_tools(body), *_thinking(body), *_turns(body), *_loop(body, issued), *_marks(body)]


def _head(body: Json) -> Iterator[str]:
    yield from unknown(body, _FIELDS)
    limit = body.get("max_tokens")
    if type(limit) is not int or limit < 1:
        yield "max_tokens: field required"
    yield from number(body, "temperature", 0, 1)
    yield from number(body, "top_p", 0, 1)
    yield from unknown(body.get("metadata") or {}, ("user_id",), "metadata")
    if any(not isinstance(word, str) or not word.strip() for word in body.get("stop_sequences") or ()):
        yield "stop_sequences: each stop sequence must contain non-whitespace"
    if body.get("service_tier", "auto") not in ("auto", "standard_only"):
        yield "service_tier: must be auto or standard_only"
    output = body.get("output_config") or {}
    yield from unknown(output, ("format", "effort", "task_budget"), "output_config")
    if form := output.get("format"):
        yield from unknown(form, ("type", "schema"), "output_config.format")
        yield from closed(form.get("schema"), "output_config.format.schema")


def _tools(body: Json) -> Iterator[str]:
    names = [tool.get("name") for tool in body.get("tools") or ()]
    for at, tool in enumerate(body.get("tools") or ()):
        if tool.get("type", "custom") == "custom":
            if not _TOOL_NAME.fullmatch(str(tool.get("name"))):
                yield f"tools.{at}.custom.name: string should match pattern"
            if (tool.get("input_schema") or {}).get("type") != "object":
                yield f"tools.{at}.custom.input_schema.type: field required"
    if len(set(names)) < len(names):
        yield "tools: tool names must be unique"
    choice = body.get("tool_choice")
    if choice and not names:
        yield "tool_choice: may only be specified while providing tools"
    if choice and choice.get("type") == "tool" and choice.get("name") not in names:
        yield "tool_choice.name: no such tool"
    if choice and choice.get("type") == "none" and "disable_parallel_tool_use" in choice:
        yield "tool_choice.none.disable_parallel_tool_use: extra inputs are not permitted"


def _thinking(body: Json) -> Iterator[str]:
    thinking = body.get("thinking") or {}
    kind = thinking.get("type", "disabled")
    if kind == "disabled":
        return
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if type(budget) is not int or budget < 1024:
            yield "thinking.enabled.budget_tokens: should be at least 1024"
        elif budget >= body.get("max_tokens", 0):
            yield "max_tokens: must be greater than thinking.budget_tokens"
    if body.get("temperature") not in (None, 1, 1.0):
        yield "temperature: may only be set to 1 when thinking is enabled"
    if body.get("top_k") is not None:
        yield "top_k: must be unset when thinking is enabled"
    if body.get("top_p") is not None and body["top_p"] < 0.95:
        yield "top_p: must be at least 0.95 when thinking is enabled"
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        yield "tool_choice: thinking may not be enabled when tool_choice forces tool use"


def _turns(body: Json) -> Iterator[str]:
    turns = body.get("messages") or []
    if not turns:
        yield "messages: at least one message is required"
    calls: list[str] = []  # of the turn before
    before = ""
    for at, turn in enumerate(turns):
        path, role, blocks = f"messages.{at}", turn.get("role"), _blocks(turn)
        yield from unknown(turn, ("role", "content"), path)
        if role not in ("user", "assistant"):
            yield f"{path}.role: unexpected role {role!r}"
            continue
        if role == before or (at == 0 and role != "user"):
            yield f"{path}: roles must alternate, and begin with user"
        before = role
        if not blocks and not (role == "assistant" and at == len(turns) - 1):
            yield f"{path}: all messages must have non-empty content"
        for place, block in enumerate(blocks):
            yield from _block(block, role, f"{path}.content.{place}")
        yield from _results(blocks, calls, path)
        calls = [block["id"] for block in blocks if block.get("type") == "tool_use"]
        if len(set(calls)) < len(calls):
            yield f"{path}: tool_use ids must be unique"
    if calls:
        yield "messages: tool_use ids were found without tool_result blocks immediately after"
    last = _blocks(turns[-1])[-1:] if turns and before == "assistant" else []
    if last and last[0].get("type") == "text" and last[0]["text"] != last[0]["text"].rstrip():
        yield "messages: final assistant content cannot end with trailing whitespace"


def _blocks(turn: Json) -> list[Json]:
    content = turn.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content or []


def _block(block: Json, role: str, path: str) -> Iterator[str]:
    kind = block.get("type")
    if kind not in _BLOCKS[role]:
        yield f"{path}: {kind} is not allowed in a message of {role}"
    if kind == "text" and not block["text"].strip():
        yield f"{path}: text content blocks must be non-empty"
    if kind == "thinking" and not (isinstance(block.get("thinking"), str) and block.get("signature")):
        yield f"{path}.signature: field required"
    if kind == "redacted_thinking" and not block.get("data"):
        yield f"{path}.data: field required"
    if kind in _THOUGHTS and "cache_control" in block:
        yield f"{path}.cache_control: extra inputs are not permitted"
    if kind == "tool_use":
        yield from unknown(block, ("type", "id", "name", "input", "cache_control", "caller"), path)
        if not _ID.fullmatch(str(block.get("id"))) or not _TOOL_NAME.fullmatch(str(block.get("name"))):
            yield f"{path}: id and name should match pattern"
        if not isinstance(block.get("input"), dict):
            yield f"{path}.input: should be a valid dictionary"
    if kind == "image" and block["source"]["type"] == "base64" and block["source"]["media_type"] not in _PICTURES:
        yield f"{path}.source.media_type: should be one of {_PICTURES}"
    if kind == "tool_result":
        for at, inner in enumerate(_blocks(block)):
            yield from _block(inner, "user", f"{path}.content.{at}")


def _results(blocks: list[Json], calls: list[str], path: str) -> Iterator[str]:
    """Yield what is wrong with the results in a turn after *calls*: all of them, no other, and first."""
    kinds = [block.get("type") == "tool_result" for block in blocks]
    answered = [block.get("tool_use_id") for block in blocks if block.get("type") == "tool_result"]
    if sorted(map(str, answered)) != sorted(calls):
        yield f"{path}: results of {answered} do not answer the calls {calls} just before"
    if kinds != sorted(kinds, reverse=True):
        yield f"{path}: tool_result blocks must come first"


def _loop(body: Json, issued: Sequence[Json]) -> Iterator[str]:
    """Yield what is wrong with the thoughts: those of the last answer must be there, as they were issued."""
    signed = [_sealed(block) for answer in issued for block in answer["content"] if block["type"] in _THOUGHTS]
    turns = [turn for turn in body.get("messages") or () if turn.get("role") == "assistant"]
    thoughts = [block for turn in turns for block in _blocks(turn) if block.get("type") in _THOUGHTS]
    if issued and any(_sealed(block) not in signed for block in thoughts):
        yield "messages: invalid signature in thinking block"
    kind = (body.get("thinking") or {}).get("type", "disabled")
    if kind == "disabled" or not turns:
        return
    last = _blocks(turns[-1])
    called = _called(last)
    if called and kind == "enabled" and last[0].get("type") not in _THOUGHTS:
        yield "messages: when thinking is enabled, a final assistant message must start with a thinking block"
    for answer in issued:
        if called and _called(answer["content"]) == called:
            given = [_sealed(block) for block in answer["content"] if block["type"] in _THOUGHTS]
            if [_sealed(block) for block in last if block.get("type") in _THOUGHTS] != given:
                yield "messages: thinking blocks in the latest assistant message cannot be modified"


def _called(blocks: list[Json]) -> list[tuple[str, Json]]:
    return [(block["name"], block["input"]) for block in blocks if block.get("type") == "tool_use"]


def _sealed(block: Json) -> tuple[str, str]:
    return str(block.get("thinking", "")), str(block.get("signature") or block.get("data"))


def _marks(body: Json) -> Iterator[str]:
    marked = [block for turn in body.get("messages") or () for block in _blocks(turn)]
    system = body.get("system")
    marked += [*(body.get("tools") or ()), *(system if isinstance(system, list) else ())]
    if sum(bool(block.get("cache_control")) for block in marked) > _MARKS:
        yield f"cache_control: a maximum of {_MARKS} blocks may be marked"
    if isinstance(system, list) and any(not block["text"].strip() for block in system):
        yield "system: text content blocks must be non-empty"
