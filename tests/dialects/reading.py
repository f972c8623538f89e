"""What answers mean, read plainly: from the raw recordings (knowing nothing of our dialects), and from our words."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mini_llm import dialects
from mini_llm.types import ChatResponse, Delta, Reasoning, Refusal, Text, ToolCall, Usage
from tests.dialects import gemini, responses

WIRE = Path(__file__).parents[3] / "shared" / "wire"
OURS = {
    "openai-chat": "openai_chat",
    "mistral": "openai_chat",
    "anthropic-messages": "anthropic_messages",
    "openai-responses": "openai_responses",
    "gemini-generate": "gemini",
}


class Meaning(NamedTuple):
    """What a caller gets out of an answer."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str, str], ...] = ()
    finish: str = ""
    usage: tuple[int, int, int] | None = None  # input in all, output in all, read from the cache
    refusal: str = ""


class Recording(NamedTuple):
    """One recorded exchange."""

    name: str
    dialect: str
    status: int
    request: dict[str, Any]
    response: dict[str, Any]

    @property
    def streams(self) -> bool:
        """Whether the answer is an event stream."""
        return "sse" in self.response and self.status == 200

    @property
    def raw(self) -> bytes:
        """The bytes of the answer."""
        for key in ("sse", "text"):
            if key in self.response:
                return str(self.response[key]).encode()
        return json.dumps(self.response["body"]).encode()


def recordings() -> list[Recording]:
    """Return the recordings of the dialects we speak; none where the folder is missing."""
    if not (WIRE / "index.jsonl").exists():
        return []
    found = []
    for line in (WIRE / "index.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["dialect"] in OURS:
            whole = json.loads((WIRE / entry["file"]).read_text(encoding="utf-8"))
            found.append(
                Recording(
                    entry["file"].removesuffix(".json"),
                    OURS[entry["dialect"]],
                    entry["status"],
                    whole["request"]["body"],
                    whole["response"],
                )
            )
    return found


def each(chosen: Iterable[Recording]) -> pytest.MarkDecorator:
    """Run a test once a recording, or skip it where there are none."""
    listed = list(chosen)
    skipped = [pytest.param(None, marks=pytest.mark.skip(reason="no recordings in ../shared/wire"))]
    return pytest.mark.parametrize("recording", listed or skipped, ids=[item.name for item in listed] or None)


def errs(recording: Recording) -> bool:
    """Whether a recording with status 200 holds an error all the same."""
    body = recording.response.get("body")
    return bool(isinstance(body, dict) and body.get("error")) or '{"error":' in recording.response.get("sse", "")


# ---- the raw files


def raw_meaning(recording: Recording) -> Meaning:
    """Read an answer straight from its file."""
    if recording.dialect == "anthropic_messages":
        return _raw_anthropic(recording)
    if recording.dialect == "openai_responses":
        return _raw_responses(recording)
    if recording.dialect == "gemini":
        return _raw_gemini(recording)
    return _raw_openai(recording)


def _events(text: str) -> list[dict[str, Any]]:
    blocks = text.replace("\r\n", "\n").split("\n\n")
    lines = [line[5:].strip() for block in blocks for line in block.split("\n") if line.startswith("data:")]
    return [json.loads(line) for line in lines if line not in ("", "[DONE]")]


def _raw_openai(recording: Recording) -> Meaning:
    if recording.streams:
        chunks, key = _events(recording.response["sse"]), "delta"
    else:
        chunks, key = [recording.response["body"]], "message"
    text = reasoning = refusal = finish = ""
    calls: dict[Any, list[str]] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or chunk.get("x_groq", {}).get("usage") or usage
        for choice in chunk.get("choices") or []:
            if choice.get("index", 0) != 0:
                continue
            said = choice.get(key) or choice.get("delta") or {}
            thought, words = _raw_content(said)
            text, reasoning = text + words, reasoning + thought
            refusal += said.get("refusal") or ""
            finish = finish or choice.get("finish_reason") or ""
            for call in said.get("tool_calls") or []:
                _raw_call(call, calls, key)
            if (said.get("function_call") or {}).get("name"):
                _raw_call({"function": said["function_call"]}, calls, key)
    counted = None
    if usage:
        prompt, output = usage["prompt_tokens"], usage.get("completion_tokens") or 0
        sound = (usage.get("prompt_tokens_details") or {}).get("audio_tokens") or 0
        prompt += sound if sound > prompt else 0  # a part is never more than the whole: it stands beside it
        if output and usage.get("total_tokens"):
            output = max(output, usage["total_tokens"] - prompt)
        thoughts = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
        output += thoughts if thoughts > output else 0
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or usage.get("cached_tokens") or 0
        counted = (prompt, output, min(cached, prompt))
    return Meaning(text, reasoning, _listed(calls), _finish(finish, bool(calls), bool(refusal)), counted, refusal)


def _raw_content(said: dict[str, Any]) -> tuple[str, str]:
    content = said.get("content") or ""
    reasoning = said.get("reasoning_content") or said.get("reasoning") or ""
    if isinstance(content, dict):
        return reasoning, json.dumps(content, separators=(",", ":"))
    if isinstance(content, list):
        thoughts = [inner["text"] for block in content for inner in block.get("thinking", ())]
        return "".join(thoughts), "".join(block.get("text", "") for block in content)
    if not reasoning:
        details = said.get("reasoning_details") or []
        reasoning = "".join(detail.get("text") or detail.get("summary") or "" for detail in details)
    return reasoning, content


def _raw_call(call: dict[str, Any], calls: dict[Any, list[str]], key: str) -> None:
    function = call.get("function") or {}
    at = call.get("index") if key == "delta" and call.get("index") is not None else call.get("id") or len(calls)
    arguments = function.get("arguments") or ""
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments)
    known = calls.setdefault(at, [call.get("id") or "made up", function.get("name") or "", ""])
    known[2] += arguments


def _finish(said: str, called: bool, refused: bool) -> str:
    known = {"": "stop", "eos": "stop", "function_call": "tool_calls", "model_length": "length"}
    found = known.get(said, said)
    if found == "stop":
        return "tool_calls" if called else "refused" if refused else "stop"
    return "refused" if found in ("refusal", "content_filter") else found


def _raw_anthropic(recording: Recording) -> Meaning:
    blocks: list[dict[str, Any]] = []
    stop, usage = "", {}
    if recording.streams:
        for event in _events(recording.response["sse"]):
            if event["type"] == "message_start":
                usage = event["message"]["usage"]
            elif event["type"] == "content_block_start":
                blocks.append({**event["content_block"], "pieces": ""})
            elif event["type"] == "content_block_delta":
                delta, block = event["delta"], blocks[event["index"]]
                for name in ("text", "thinking"):
                    block[name] = block.get(name, "") + delta.get(name, "")
                block["pieces"] += delta.get("partial_json", "")
            elif event["type"] == "message_delta":
                stop, usage = event["delta"]["stop_reason"], {**usage, **event["usage"]}
    else:
        body = recording.response["body"]
        blocks, stop, usage = body["content"], body["stop_reason"], body["usage"]
    calls = {
        at: [block["id"], block["name"], block.get("pieces") or json.dumps(block["input"])]
        for at, block in enumerate(blocks)
        if block["type"] == "tool_use"
    }
    cached = usage.get("cache_read_input_tokens") or 0
    total = usage["input_tokens"] + cached + (usage.get("cache_creation_input_tokens") or 0)
    return Meaning(
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        _listed(calls),
        {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}[stop],
        (total, usage["output_tokens"], cached),
    )


def _raw_responses(recording: Recording) -> Meaning:
    if recording.streams:
        said = responses.read_stream(_events(recording.response["sse"]))
    else:
        said = responses.read(recording.response["body"])
    usage = None
    if said.usage:
        cached = said.usage.get("input_tokens_details", {}).get("cached_tokens", 0)
        usage = (said.usage["input_tokens"], said.usage["output_tokens"], cached)
    finish = _finish(said.finish, bool(said.calls), bool(said.refusal))
    return Meaning(said.text, said.reasoning, _listed(said.calls), finish, usage, said.refusal)


def _raw_gemini(recording: Recording) -> Meaning:
    said = gemini.read(_events(recording.response["sse"]) if recording.streams else [recording.response["body"]])
    return Meaning(
        said.text, said.reasoning, _listed(said.calls), _finish(said.finish, bool(said.calls), False), said.usage
    )


# ---- our words


def meaning(response: ChatResponse) -> Meaning:
    """Read an answer in our words."""
    choice = response.choices[0]
    parts = choice.message.parts
    calls = {at: [part.id, part.name, part.arguments] for at, part in enumerate(parts) if isinstance(part, ToolCall)}
    refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
    return Meaning(
        "".join(part.text for part in parts if isinstance(part, Text)),
        "".join(part.text for part in parts if isinstance(part, Reasoning)),
        _listed(calls),
        _finish(choice.finish_reason or "", bool(calls), bool(refusal)),
        _counted(response.usage),
        refusal,
    )


def streamed_meaning(deltas: Iterable[Delta]) -> Meaning:
    """Read a stream in our words; of several answers the first."""
    text = reasoning = refusal = finish = ""
    calls: dict[Any, list[str]] = {}
    usage = None
    for delta in deltas:
        if delta.usage is not None:
            usage = delta.usage
        if delta.choice:
            continue
        text, reasoning, refusal = text + delta.text, reasoning + delta.reasoning, refusal + delta.refusal
        if isinstance(delta.part, Text):
            text += delta.part.text
        if isinstance(delta.part, Reasoning):
            reasoning += delta.part.text
        if isinstance(delta.part, ToolCall):
            calls[f"part {len(calls)}"] = [delta.part.id, delta.part.name, delta.part.arguments]
        if piece := delta.tool_call:
            calls.setdefault(piece.index, [piece.id, piece.name, ""])[2] += piece.arguments
        if delta.finish_reason:
            assert not finish, "a second finish reason"
            finish = delta.finish_reason
    return Meaning(
        text, reasoning, _listed(calls), _finish(finish, bool(calls), bool(refusal)), _counted(usage), refusal
    )


def _listed(calls: dict[Any, list[str]]) -> tuple[tuple[str, str, str], ...]:
    return tuple((known(identity), name, _canonical(arguments)) for identity, name, arguments in calls.values())


def known(identity: str) -> str:
    """Return *identity*, or the same word for every id that we made up."""
    return "made up" if re.fullmatch(r"call_[0-9a-f]{12}_\d+", identity) else identity


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments or "{}"), sort_keys=True)
    except ValueError:
        return arguments


def _counted(usage: Usage | None) -> tuple[int, int, int] | None:
    return usage and (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens)


# ---- running streams


async def chunked(raw: bytes, cuts: Iterable[int] = ()) -> AsyncGenerator[bytes, None]:
    """Yield *raw* in pieces."""
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(raw)), len(raw)]
    for start, stop in itertools.pairwise(edges):
        yield raw[start:stop]


def decoded(dialect: str, raw: bytes, cuts: Iterable[int] = (), into: list[Delta] | None = None) -> list[Delta]:
    """Decode a whole stream; what came before a failure stands in *into*."""
    deltas: list[Delta] = [] if into is None else into
    ours = dialects.of_target(dialect)

    async def run() -> None:
        async for delta in ours.decode_stream(ours.events(chunked(raw, cuts))):
            deltas.append(delta)

    asyncio.run(run())
    return deltas


def encoded(dialect: str, deltas: Iterable[Delta], into: list[bytes] | None = None) -> bytes:
    """Encode a whole stream; what came before a failure stands in *into*."""
    chunks: list[bytes] = [] if into is None else into

    async def given() -> AsyncGenerator[Delta, None]:
        for delta in deltas:
            yield delta

    async def run() -> None:
        async for chunk in dialects.get(dialect).encode_stream(given(), model="m"):
            chunks.append(chunk)

    asyncio.run(run())
    return b"".join(chunks)
