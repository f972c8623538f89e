"""The recordings of the dialects that only targets speak, each read plainly from its file, and by our dialect."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tests.dialects import reading
from tests.dialects.reading import WIRE, Meaning

OURS = {"bedrock-converse": "bedrock_converse", "cohere": "cohere", "mistral": "mistral", "ollama": "ollama"}


class Recording(NamedTuple):
    """One recorded exchange."""

    name: str
    dialect: str
    status: int
    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream."""
        return self.status == 200 and any(key in self.response for key in ("sse", "ndjson", "eventstream_base64"))

    @property
    def raw(self) -> bytes:
        """The bytes of the answer."""
        if encoded := self.response.get("eventstream_base64"):
            return base64.b64decode(encoded)
        for key in ("sse", "ndjson", "text"):
            if key in self.response:
                return str(self.response[key]).encode()
        return json.dumps(self.response["body"]).encode()


def recordings() -> list[Recording]:
    """Return the recordings; none where the folder is missing."""
    if not (WIRE / "index.jsonl").exists():
        return []
    found = []
    for line in (WIRE / "index.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if name := OURS.get(entry["dialect"]):
            whole = json.loads((WIRE / entry["file"]).read_text(encoding="utf-8"))
            file = entry["file"].removesuffix(".json")
            found.append(Recording(file, name, entry["status"], whole["request"], whole["response"]))
    return found


def raw_meaning(recording: Recording) -> Meaning:
    """Read an answer straight from its file."""
    return _READERS[recording.dialect](recording)


def _ollama(recording: Recording) -> Meaning:
    lines = recording.response.get("ndjson", "").splitlines()
    pieces = [json.loads(line) for line in lines if line] or [recording.response["body"]]
    called = [call for piece in pieces for call in piece["message"].get("tool_calls") or ()]
    calls = [(call.get("id") or "made up", call["function"]["name"], call["function"]["arguments"]) for call in called]
    last = pieces[-1]
    return Meaning(
        "".join(piece["message"]["content"] for piece in pieces),
        "".join(piece["message"].get("thinking", "") for piece in pieces),
        _calls(calls),
        "tool_calls" if calls else last["done_reason"],
        (last["prompt_eval_count"], last["eval_count"], 0),
    )


def _mistral(recording: Recording) -> Meaning:
    return reading.raw_meaning(recording._replace(dialect="openai_chat"))  # type: ignore[arg-type]  # has what it reads


def _bedrock(recording: Recording) -> Meaning:
    frames = recording.response.get("eventstream", ())
    told: dict[str, Any] = {"stopReason": "", "usage": {}, **recording.response.get("body", {})}
    blocks: list[dict[str, Any]] = list(told.get("output", {}).get("message", {}).get("content", ()))
    text = reasoning = ""
    calls: dict[int, list[Any]] = {}
    for frame in frames:
        payload = frame["payload"]
        delta, index = payload.get("delta", {}), payload.get("contentBlockIndex", 0)
        text += delta.get("text", "")
        reasoning += delta.get("reasoningContent", {}).get("text", "")
        used = payload.get("start", {}).get("toolUse", {})
        if used and used.get("type") != "server_tool_use":
            calls[index] = [used["toolUseId"], used["name"], ""]
        if index in calls:
            calls[index][2] += delta.get("toolUse", {}).get("input", "")
        told |= {name: payload[name] for name in ("stopReason", "usage") if name in payload}
    for at, block in enumerate(blocks):
        text += block.get("text", "") + "".join(
            part["text"] for part in block.get("citationsContent", {}).get("content", ())
        )
        reasoning += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
        if used := block.get("toolUse"):
            calls[at] = [used["toolUseId"], used["name"], json.dumps(used["input"])]
    usage = told["usage"]
    read = usage.get("cacheReadInputTokens", 0)
    given = usage["inputTokens"] + read + usage.get("cacheWriteInputTokens", 0)
    reasons = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "guardrail_intervened": "refused"}
    listed = _calls((identity, name, json.loads(given)) for identity, name, given in calls.values())
    return Meaning(text, reasoning, listed, reasons[told["stopReason"]], (given, usage["outputTokens"], read))


def _cohere(recording: Recording) -> Meaning:
    if recording.streams:
        events = [json.loads(line[6:]) for line in recording.response["sse"].splitlines() if line.startswith("data: {")]
        contents = [event["delta"]["message"]["content"] for event in events if event["type"] == "content-delta"]
        text = "".join(content.get("text", "") for content in contents)
        end = events[-1]["delta"]
        called, thoughts, plan = [], "", ""
    else:
        end = recording.response["body"]
        said = end["message"]
        text = "".join(block.get("text", "") for block in said.get("content", ()))
        thoughts = "".join(block.get("thinking", "") for block in said.get("content", ()))
        called, plan = said.get("tool_calls", []), said.get("tool_plan", "")
    functions = [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in called]
    reasons = {"COMPLETE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}
    billed = end["usage"]["billed_units"]
    counted = (billed["input_tokens"], billed["output_tokens"], 0)
    return Meaning(text + plan, thoughts, _calls(functions), reasons[end["finish_reason"]], counted)


def _calls(calls: Iterable[tuple[str, str, Any]]) -> tuple[tuple[str, str, str], ...]:
    return tuple((identity, name, json.dumps(given, sort_keys=True)) for identity, name, given in calls)


_READERS: dict[str, Callable[[Recording], Meaning]] = {
    "bedrock_converse": _bedrock,
    "cohere": _cohere,
    "mistral": _mistral,
    "ollama": _ollama,
}
