"""The Responses API, strictly. https://platform.openai.com/docs/api-reference/responses/create (2026-11)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.dialects.strict_upstream.openai_chat import strictly
from tests.dialects.strict_upstream.reading import NAME, Json, number, unknown

_FIELDS = (
    "background", "conversation", "include", "input", "instructions", "max_output_tokens", "max_tool_calls",
    "metadata", "model", "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key",
    "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store",
    "stream", "stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation",
    "user", "context_management", "client_metadata", "provider",
)  # fmt: skip
_CALLS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
_PARTS = {
    "user": ("input_text", "input_image", "input_file", "input_audio"),
    "system": ("input_text",), "developer": ("input_text",), "assistant": ("output_text", "refusal"),
}  # fmt: skip
_OTHER_ITEMS = (
    "compaction", "tool_search_call", "tool_search_output", "additional_tools", "item_reference", "web_search_call",
    "file_search_call", "computer_call", "computer_call_output", "code_interpreter_call", "image_generation_call",
    "local_shell_call", "local_shell_call_output", "mcp_call", "mcp_list_tools", "mcp_approval_request",
    "mcp_approval_response", "shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output",
    "agent_message", "program", "program_output",
)  # fmt: skip


def problems(body: Json, issued: Sequence[Json], model: str) -> list[str]:
    """Return what is wrong with *body*."""
    items = body.get("input")
    found = [*_head(body), *_tools(body)]
    if isinstance(items, list):
        for at, item in enumerate(items):
            found += _item(item, f"input[{at}]", stored=body.get("store") is not False)
        kept = any(body.get(name) for name in ("previous_response_id", "conversation", "prompt"))
        found += [*_calls(items, kept=kept), *_thoughts(items, issued)]
    elif not isinstance(items, str) and not body.get("prompt") and not body.get("previous_response_id"):
        found.append("input: required")
    return found


def _head(body: Json) -> Iterator[str]:
    yield from unknown(body, _FIELDS)
    yield from number(body, "temperature", 0, 2)
    yield from number(body, "top_p", 0, 1)
    reasoning = body.get("reasoning") or {}
    yield from unknown(reasoning, ("effort", "summary", "generate_summary", "context"), "reasoning")
    if reasoning.get("effort") not in (None, "none", "minimal", "low", "medium", "high", "xhigh"):
        yield f"reasoning.effort: unsupported value {reasoning['effort']!r}"
    if reasoning.get("summary") not in (None, "auto", "concise", "detailed"):
        yield f"reasoning.summary: unsupported value {reasoning['summary']!r}"
    text = body.get("text") or {}
    yield from unknown(text, ("format", "verbosity"), "text")
    form = text.get("format") or {}
    if form.get("type") == "json_schema":
        yield from unknown(form, ("type", "name", "schema", "description", "strict"), "text.format")
        if not NAME.fullmatch(str(form.get("name"))):
            yield "text.format.name: does not match pattern"
        if form.get("strict"):
            yield from strictly(form.get("schema"), "text.format")
    metadata = body.get("metadata") or {}
    if len(metadata) > 16 or not all(isinstance(value, str) for value in metadata.values()):
        yield "metadata: at most 16 strings"


def _tools(body: Json) -> Iterator[str]:
    names = []
    for at, tool in enumerate(body.get("tools") or ()):
        names.append(tool.get("name"))
        if tool.get("type") not in ("function", "custom"):
            continue
        if not NAME.fullmatch(str(tool.get("name"))):
            yield f"tools[{at}].name: does not match pattern"
        # Left out, `strict` is true here, and the schema is made to fit.
        if tool["type"] == "function" and tool.get("strict"):
            yield from strictly(tool.get("parameters"), f"tools[{at}]")
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") in ("function", "custom") and choice.get("name") not in names:
        yield "tool_choice: not found in tools"


def _item(item: Json, path: str, *, stored: bool) -> Iterator[str]:
    kind = item.get("type", "message")
    if len(str(item.get("id") or "")) > 64 or len(str(item.get("call_id") or "")) > 64:
        yield f"{path}: id is too long, at most 64 characters"
    if kind == "message":
        yield from _message(item, path)
    elif kind == "reasoning":
        yield from unknown(item, ("type", "id", "summary", "content", "encrypted_content", "status"), path)
        if not stored and item.get("id") and not item.get("encrypted_content"):
            yield f"{path}: item not found: items are not persisted when store is set to false"
        if not isinstance(item.get("summary"), list):
            yield f"{path}.summary: missing required parameter"
    elif kind in _CALLS:
        yield from _call(item, path, text="arguments" if kind == "function_call" else "input")
        if not stored and str(item.get("id") or "fc_").partition("_")[0] not in ("fc", "ctc"):
            yield f"{path}.id: expected an id that begins with fc"
    elif kind in _CALLS.values():
        if not item.get("call_id") or not isinstance(item.get("output"), (str, list)):
            yield f"{path}: call_id and output are required"
    elif kind not in _OTHER_ITEMS:
        yield f"{path}.type: invalid value {kind!r}"


def _call(item: Json, path: str, *, text: str) -> Iterator[str]:
    yield from unknown(item, ("type", "id", "call_id", "name", text, "status", "namespace", "caller"), path)
    if not isinstance(item.get(text), str) or not item.get("call_id") or not item.get("name"):
        yield f"{path}: call_id, name and {text} are required"


def _message(item: Json, path: str) -> Iterator[str]:
    yield from unknown(item, ("type", "id", "role", "content", "status", "phase"), path)
    role, content = item.get("role"), item.get("content")
    if role not in _PARTS:
        yield f"{path}.role: invalid value {role!r}"
    elif isinstance(content, list):
        for part in content:
            if part.get("type") not in _PARTS[role]:
                yield f"{path}.content: invalid value {part.get('type')!r} for {role}"
    elif not isinstance(content, str):
        yield f"{path}.content: required"


def _calls(items: list[Json], *, kept: bool) -> list[str]:
    """Return what is wrong between calls and results: each result has its call before it, each call its result."""
    found: list[str] = []
    waiting: dict[str, str] = {}
    for item in items:
        kind = item.get("type", "message")
        if kind in _CALLS:
            waiting[str(item["call_id"])] = _CALLS[kind]
        elif kind in _CALLS.values():
            wanted = waiting.pop(str(item["call_id"]), "")
            if not wanted and not kept:
                found.append(f"no tool call found for {kind} with call_id {item['call_id']}")
            elif wanted and wanted != kind:
                found.append(f"{kind} answers a call that wants a {wanted}")
    return found + [f"no tool output found for call {call_id}" for call_id in waiting]


def _thoughts(items: list[Json], issued: Sequence[Json]) -> Iterator[str]:
    """Yield what is wrong with the thoughts: sealed ones are as issued, and stand before what they led to."""
    sealed = [item["encrypted_content"] for item in items if item.get("encrypted_content")]
    given = [item for answer in issued for item in answer["output"]]
    known = [item.get("encrypted_content") for item in given]
    if issued and any(one not in known for one in sealed):
        yield "the encrypted content could not be verified"
    if len(set(sealed)) < len(sealed):
        yield "duplicate reasoning item"
    for at, item in enumerate(items):
        last = at + 1 == len(items)
        if item.get("type") == "reasoning" and (last or items[at + 1].get("role") in ("user", "system", "developer")):
            yield "reasoning was provided without its required following item"
    for answer in issued:
        yield from _returned(items, answer["output"])


def _returned(items: list[Json], output: list[Json]) -> Iterator[str]:
    """Yield what is missing of an answer whose calls are in the conversation."""
    calls = {item["call_id"]: item for item in output if item["type"] in _CALLS}
    back = [item for item in items if item.get("type") in _CALLS and item["call_id"] in calls]
    if not back:
        return
    for item in back:
        for name in ("type", "namespace"):
            if item.get(name) != calls[item["call_id"]].get(name):
                yield f"call {item['call_id']}: another {name} than it was issued with"
    first = items.index(back[0])
    before = [item.get("encrypted_content") for item in items[:first]]
    for place, item in enumerate(output):
        led = next((one for one in output[place:] if one["type"] in _CALLS), None)
        if item["type"] == "reasoning" and item.get("encrypted_content") and led is not None:
            at = next((at for at, one in enumerate(items) if one.get("call_id") == led["call_id"]), first)
            if item["encrypted_content"] not in [one.get("encrypted_content") for one in items[:at]]:
                yield f"function_call was provided without its required reasoning item {item.get('id')}"
    phases = [item["phase"] for item in output if item["type"] == "message" and item.get("phase")]
    said = [item.get("phase") for item in items if item.get("role") == "assistant"]
    if any(phase not in said for phase in phases):
        yield f"the phase of a message was lost: {phases}, {said}, {before}"
