"""generateContent, apart from our code for it: a plain reader of raw answers, and a strict reader of streams."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from mini_llm import sse

FILTERED = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "OTHER", "LANGUAGE"}
NAMES = {"candidates", "usageMetadata", "modelVersion", "responseId", "promptFeedback"}
CANDIDATE = {"content", "finishReason", "index", "groundingMetadata", "citationMetadata", "urlContextMetadata",
             "safetyRatings", "finishMessage", "avgLogprobs", "logprobsResult"}  # fmt: skip


class Said(NamedTuple):
    """What the first candidate says; `calls` hold id, name and arguments, `signatures` what signs which part."""

    text: str
    reasoning: str
    calls: dict[Any, list[str]]
    finish: str
    usage: tuple[int, int, int] | None
    signatures: list[tuple[str, str]]


def read(chunks: list[dict[str, Any]]) -> Said:
    """Read an answer that came in one piece or in several."""
    text = reasoning = finish = ""
    calls: dict[Any, list[str]] = {}
    signatures = []
    usage = None
    for chunk in chunks:
        usage = chunk.get("usageMetadata") or usage
        for candidate in chunk.get("candidates", []):
            if candidate.get("index", 0) != 0:
                continue
            for part in candidate.get("content", {}).get("parts", []):
                if part.get("thought"):
                    reasoning += part["text"]
                else:
                    text += part.get("text", "")
                if call := part.get("functionCall"):
                    calls[len(calls)] = [call.get("id", "made up"), call["name"], json.dumps(call.get("args", {}))]
                if "thoughtSignature" in part:
                    signatures.append(("call" if call else "text", part["thoughtSignature"]))
            finish = candidate.get("finishReason", finish)
    return Said(text, reasoning, calls, _finish(finish), _counted(usage), signatures)


def _finish(word: str) -> str:
    return "length" if word == "MAX_TOKENS" else "content_filter" if word in FILTERED else "stop"


def _counted(usage: dict[str, Any] | None) -> tuple[int, int, int] | None:
    if usage is None:
        return None
    prompt = usage["promptTokenCount"] + usage.get("toolUsePromptTokenCount", 0)
    output = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    assert usage["totalTokenCount"] == prompt + output
    return prompt, output, usage.get("cachedContentTokenCount", 0)


def check(raw: bytes, *, whole: bool) -> None:
    """Fail unless *raw* is a valid stream; without *whole*, unless it is one that was cut off."""
    parser = sse.Parser()
    events = parser.feed(raw)
    assert not parser.close(), "an event is not closed"
    assert all(not event.event and event.data != b"[DONE]" for event in events)
    chunks = [json.loads(event.data) for event in events]
    assert len({(chunk["modelVersion"], chunk["responseId"]) for chunk in chunks}) <= 1
    ended: set[int] = set()
    seen: set[int] = set()
    for at, chunk in enumerate(chunks):
        assert chunk.keys() <= NAMES and chunk["candidates"]
        assert "usageMetadata" not in chunk or (whole and at == len(chunks) - 1)
        for candidate in chunk["candidates"]:
            assert candidate.keys() <= CANDIDATE and candidate["index"] not in ended
            seen.add(candidate["index"])
            _check_candidate(candidate)
            if "finishReason" in candidate:
                assert at == len(chunks) - 1
                ended.add(candidate["index"])
    assert (ended == seen and bool(seen)) == whole


def _check_candidate(candidate: dict[str, Any]) -> None:
    if "content" not in candidate:
        assert candidate["finishReason"] == "SAFETY"
        return
    assert candidate["content"]["role"] == "model" and candidate["content"]["parts"]
    for part in candidate["content"]["parts"]:
        assert part and len(part.keys() & {"text", "functionCall"}) <= 1
        if call := part.get("functionCall"):
            assert call["id"] and call["name"] is not None and isinstance(call["args"], dict)
