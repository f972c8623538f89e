"""Clients that keep less of an answer than they got: what they send back on the next turn, in each caller's dialect.

`Habits` say what a client does to the answer. Each client is a list of turns to append to a request on its own wire.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TypeAlias

Json: TypeAlias = dict[str, Any]
TOLD = {"response": {"output": "Sunny"}}


class Habits(NamedTuple):
    """`thoughts`: drops them; `seals`: keeps the words of thoughts and drops signatures; `ids`: makes up its own;

    `spelling`: parses arguments and writes them anew; `parts`: splits the answer; `pairs`: follows each call by its
    result; `kinds`: makes plain functions of all calls; `further`: adds words of the user.
    """

    thoughts: bool = False
    seals: bool = False
    ids: bool = False
    spelling: bool = False
    parts: bool = False
    pairs: bool = False
    kinds: bool = False
    further: bool = False


def next_turn(dialect: str, first: Json, answer: Json, habits: Habits) -> Json:
    """Return the request that follows *first* and its *answer*: with a result for each call."""
    return _CLIENTS[dialect](first, answer, habits)


def respelled(value: Any) -> Any:
    """Return JSON as JavaScript writes it again: 1.0 is 1, and the names may be in another order."""
    if isinstance(value, dict):
        return {name: respelled(value[name]) for name in reversed(value)}
    if isinstance(value, list):
        return [respelled(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _arguments(text: str, habits: Habits) -> str:
    return json.dumps(respelled(json.loads(text)), separators=(",", ":")) if habits.spelling else text


def _renamed(identity: str, at: int, habits: Habits) -> str:
    return f"call_{at}" if habits.ids else identity


def _chat(first: Json, answer: Json, habits: Habits) -> Json:
    message = {name: value for name, value in answer["choices"][0]["message"].items() if value is not None}
    if habits.thoughts:
        message = {name: message[name] for name in message if name in ("role", "content", "tool_calls", "refusal")}
    if habits.seals:
        message.pop("reasoning_details", None)
    calls = [_chat_call(call, at, habits) for at, call in enumerate(message.pop("tool_calls", ()))]
    message.setdefault("content", None)
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "Sunny"} for call in calls]
    turns: list[Json] = []
    if message["content"] and habits.parts:
        turns.append(message)
        message = {"role": "assistant", "content": None}
    if habits.pairs and calls:
        for call, result in zip(calls, results, strict=True):
            turns += [message | {"tool_calls": [call]}, result]
            message = {"role": "assistant", "content": None}
    elif calls:
        turns += [message | {"tool_calls": calls}, *results]
    elif not turns:
        turns.append(message)
    if habits.further or not calls:
        turns.append({"role": "user", "content": "And tomorrow?"})
    return first | {"messages": [*first["messages"], *turns]}


def _chat_call(call: Json, at: int, habits: Habits) -> Json:
    kept = {
        name: value for name, value in call.items() if not (habits.seals or habits.thoughts) or name != "extra_content"
    }
    kept["id"] = _renamed(call["id"], at, habits)
    if "function" in call:
        function = call["function"]
        return kept | {"function": function | {"arguments": _arguments(function["arguments"], habits)}}
    if not habits.kinds:
        return kept
    function = {"name": call["custom"]["name"], "arguments": call["custom"]["input"]}
    return {"id": kept["id"], "type": "function", "function": function}


def _anthropic(first: Json, answer: Json, habits: Habits) -> Json:
    blocks: list[Json] = []
    for block in answer["content"]:
        kind = block["type"]
        if kind in ("thinking", "redacted_thinking"):
            if habits.thoughts or (habits.seals and kind == "redacted_thinking"):
                continue
            block = block | {"signature": ""} if habits.seals else block
        elif kind == "tool_use":
            at = sum(one["type"] == "tool_use" for one in blocks)
            given = respelled(block["input"]) if habits.spelling else block["input"]
            block = block | {"id": _renamed(block["id"], at, habits), "input": given}
        blocks.append(block)
    results = {
        block["id"]: {"type": "tool_result", "tool_use_id": block["id"], "content": "Sunny"}
        for block in blocks if block["type"] == "tool_use"
    }  # fmt: skip
    turns: list[Json] = []
    for block in blocks:
        if not turns or habits.parts or turns[-1]["role"] == "user":
            turns.append({"role": "assistant", "content": []})
        turns[-1]["content"].append(block)
        if habits.pairs and block["type"] == "tool_use":
            turns.append({"role": "user", "content": [results[block["id"]]]})
    rest = [] if habits.pairs else [*results.values()]
    if habits.further or not results:
        rest.append({"type": "text", "text": "And tomorrow?"})
    if rest and turns and turns[-1]["role"] == "user":
        turns[-1]["content"] += rest
    elif rest:
        turns.append({"role": "user", "content": rest})
    return first | {"messages": [*first["messages"], *turns]}


def _responses(first: Json, answer: Json, habits: Habits) -> Json:
    items: list[Json] = []
    results: list[Json] = []
    for item in answer["output"]:
        item = {name: value for name, value in item.items() if name != "id" or not habits.ids}
        if item["type"] == "reasoning":
            if habits.thoughts:
                continue
            item = {
                name: value for name, value in item.items() if not habits.seals or name == "summary" or name == "type"
            }
        elif item["type"] == "message" and habits.thoughts:
            item.pop("phase", None)
        elif "call_id" in item:
            item = _response_call(item, len(results), habits)
            kind = f"{item['type']}_output"
            results.append({"type": kind, "call_id": item["call_id"], "output": "Sunny"})
            if habits.pairs:
                items += [item, results[-1]]
                continue
        items.append(item)
    items += [] if habits.pairs else results
    if habits.further or not results:
        items.append({"type": "message", "role": "user", "content": "And tomorrow?"})
    return first | {"input": [*first["input"], *items]}


def _response_call(item: Json, at: int, habits: Habits) -> Json:
    item = item | {"call_id": _renamed(item["call_id"], at, habits)}
    if item["type"] == "function_call":
        item["arguments"] = _arguments(item["arguments"], habits)
    elif habits.kinds:
        item = {"type": "function_call", "call_id": item["call_id"], "name": item["name"], "arguments": item["input"],
                **({"namespace": item["namespace"]} if "namespace" in item else {})}  # fmt: skip
    if habits.kinds:
        item.pop("namespace", None)
    return item


def _gemini(first: Json, answer: Json, habits: Habits) -> Json:
    parts: list[Json] = []
    for part in answer["candidates"][0]["content"]["parts"]:
        if part.get("thought") and habits.thoughts:
            continue
        if habits.seals or habits.thoughts:
            part = {name: value for name, value in part.items() if name != "thoughtSignature"}
        if call := part.get("functionCall"):
            call = {name: value for name, value in call.items() if name != "id" or not habits.ids}
            part = part | {"functionCall": call | ({"args": respelled(call["args"])} if habits.spelling else {})}
        parts.append(part)
    called = [part["functionCall"] for part in parts if "functionCall" in part]
    results = [
        {"functionResponse": {name: call[name] for name in ("id", "name") if name in call} | TOLD} for call in called
    ]
    said = [[part] for part in parts] if habits.parts else [parts]
    contents = [{"role": "model", "parts": one} for one in said if one]
    if results:
        contents.append({"role": "user", "parts": results})
    if habits.further or not results:
        contents.append({"role": "user", "parts": [{"text": "And tomorrow?"}]})
    return first | {"contents": [*first["contents"], *contents]}


_CLIENTS = {
    "openai_chat": _chat, "anthropic_messages": _anthropic, "openai_responses": _responses, "gemini": _gemini,
}  # fmt: skip
