"""Strict readers of the streams we write: they accept no order of events but the one the vendors document."""

from __future__ import annotations

import json
from typing import Any

from mini_llm import sse
from tests.dialects import gemini, responses


def check(dialect: str, raw: bytes, *, whole: bool = True) -> None:
    """Fail unless *raw* is a valid stream; without *whole*, unless it is one that was cut off."""
    if dialect == "openai_responses":
        responses.check(raw, whole=whole)
        return
    if dialect == "gemini":
        gemini.check(raw, whole=whole)
        return
    parser = sse.Parser()
    events = parser.feed(raw)
    assert not parser.close(), "an event is not closed"
    (_openai if dialect == "openai_chat" else _anthropic)(events, whole=whole)


def _openai(events: list[sse.Event], *, whole: bool) -> None:
    assert all(not event.event for event in events)
    if whole:
        assert events.pop().data == b"[DONE]"
    chunks = [json.loads(event.data) for event in events]
    assert all(event.data != b"[DONE]" for event in events)
    heads = {(chunk["id"], chunk["model"], chunk["created"], chunk["object"]) for chunk in chunks}
    assert len(heads) <= 1 and all(all(head) for head in heads)
    began: set[int] = set()
    ended: set[int] = set()
    calls: dict[tuple[int, int], str] = {}
    for at, chunk in enumerate(chunks):
        if "usage" in chunk:
            assert at == len(chunks) - 1 and chunk["choices"] == []
            assert chunk["usage"]["total_tokens"] == sum(
                chunk["usage"][name] for name in ("prompt_tokens", "completion_tokens")
            )
            continue
        (choice,) = chunk["choices"]
        index, delta = choice["index"], choice["delta"]
        assert index not in ended, "something after the finish reason"
        assert ("role" in delta) == (index not in began)
        began.add(index)
        for call in delta.get("tool_calls", ()):
            key = (index, call["index"])
            if key not in calls:
                assert call["id"] and call["type"] in ("function", "custom")
                assert call["index"] == sum(choice == index for choice, _ in calls)
                calls[key] = call["id"]
            else:
                assert "id" not in call and "type" not in call
        if choice["finish_reason"] is not None:
            assert choice["finish_reason"] in ("stop", "length", "tool_calls", "content_filter")
            ended.add(index)
    assert began == ended or not whole


def _anthropic(events: list[sse.Event], *, whole: bool) -> None:
    state, index, kind = "new", -1, ""
    pieces = ""
    for name, data in events:
        body: dict[str, Any] = json.loads(data)
        assert body["type"] == name
        match (state, name):
            case ("new", "message_start"):
                message = body["message"]
                assert message["id"] and message["content"] == [] and message["stop_reason"] is None
                assert message["usage"]["input_tokens"] >= 0
                state = "between"
            case ("between", "content_block_start"):
                index += 1
                assert body["index"] == index
                kind, pieces, state = body["content_block"]["type"], "", "inside"
                if kind == "tool_use":
                    assert body["content_block"]["id"] and body["content_block"]["input"] == {}
            case ("inside", "content_block_delta"):
                assert body["index"] == index
                allowed = {
                    "text": ("text_delta", "citations_delta"),
                    "thinking": ("thinking_delta", "signature_delta"),
                    "tool_use": ("input_json_delta",),
                }
                assert body["delta"]["type"] in allowed[kind]
                pieces += body["delta"].get("partial_json", "")
            case ("inside", "content_block_stop"):
                assert body["index"] == index
                state = "between"
            case ("between", "message_delta"):
                assert body["delta"]["stop_reason"] and body["usage"]["output_tokens"] >= 0
                state = "stopping"
            case ("stopping", "message_stop"):
                state = "stopped"
            case _:
                raise AssertionError(f"{name} while {state}")
    assert (state == "stopped") == whole
