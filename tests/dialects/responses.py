"""The Responses API, apart from our code for it: a plain reader of raw answers, and a strict reader of streams."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from mini_llm import sse


class Said(NamedTuple):
    """What an answer says; `calls` hold id, name and arguments."""

    text: str
    reasoning: str
    refusal: str
    calls: dict[Any, list[str]]
    finish: str
    usage: dict[str, Any] | None


def read(body: dict[str, Any]) -> Said:
    """Read a whole answer."""
    text = reasoning = refusal = ""
    calls: dict[Any, list[str]] = {}
    if isinstance(body.get("reasoning"), str) and body["reasoning"].strip():
        reasoning = body["reasoning"]
    for at, item in enumerate(body["output"]):
        for part in item.get("content") or []:
            if item["type"] == "message" and item["role"] == "assistant":
                text += part.get("text", "")
                refusal += part.get("refusal", "")
        if item["type"] == "reasoning":
            reasoning += "".join(part["text"] for part in [*item["summary"], *(item.get("content") or [])])
        if item["type"] == "function_call":
            calls[at] = [item["call_id"], item["name"], item["arguments"]]
    finish = "stop"
    if body.get("status") == "incomplete":
        finish = {"max_output_tokens": "length"}.get(body["incomplete_details"]["reason"], "content_filter")
    return Said(text, reasoning, refusal, calls, finish, body.get("usage"))


def read_stream(events: list[dict[str, Any]]) -> Said:
    """Read a stream by its whole items, having seen that its pieces make the same words."""
    last = events[-1]["response"]
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    said = read({**last, "output": items})
    pieces = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(pieces) == said.text
    return said


def check(raw: bytes, *, whole: bool) -> None:
    """Fail unless *raw* is a valid stream; without *whole*, unless it is one that was cut off."""
    parser = sse.Parser()
    events = parser.feed(raw)
    assert not parser.close(), "an event is not closed"
    stream = _Stream()
    for at, event in enumerate(events):
        body = json.loads(event.data)
        assert body.pop("type") == event.event
        assert body.pop("sequence_number") == at
        stream.take(event.event, body)
    assert (stream.state == "ended") == whole


class _Stream:
    """What must be true between two events."""

    def __init__(self) -> None:
        self.state = "new"
        self.identity = ""
        self.items: dict[int, dict[str, Any]] = {}
        self.done: dict[int, dict[str, Any]] = {}
        self.parts: dict[tuple[int, str], dict[str, Any]] = {}  # the open part of an item

    def take(self, name: str, body: dict[str, Any]) -> None:
        lifecycle = {
            ("new", "response.created"): "created",
            ("created", "response.in_progress"): "running",
            ("running", "response.completed"): "ended",
            ("running", "response.incomplete"): "ended",
        }
        if "response" in body:
            assert (self.state, name) in lifecycle, f"{name} while {self.state}"
            self.state = lifecycle[self.state, name]
            self._whole(name, body["response"])
            return
        assert self.state == "running", f"{name} while {self.state}"
        place = body["output_index"]
        if name == "response.output_item.added":
            assert place == len(self.items)
            self.items[place] = item = body["item"]
            assert item["id"] not in [other["id"] for at, other in self.items.items() if at != place]
            if item["type"] == "message":
                assert item["content"] == [] and item["status"] == "in_progress" and item["role"] == "assistant"
            if item["type"] in ("function_call", "custom_tool_call"):
                assert item["call_id"] and "name" in item and not item.get("arguments") and not item.get("input")
            self.items[place] = {**item, "built": {"content": [], "summary": []}, "call": ""}
            return
        assert place in self.items and place not in self.done, f"{name} for an item that is not open"
        item = self.items[place]
        if name == "response.output_item.done":
            self._item(item, body["item"], place)
            return
        assert body["item_id"] == item["id"]
        self._part(name, body, item, place)

    def _whole(self, name: str, response: dict[str, Any]) -> None:
        self.identity = self.identity or response["id"]
        assert response["id"] == self.identity and response["model"] and response["object"] == "response"
        assert isinstance(response["created_at"], int)
        if self.state != "ended":
            assert response["status"] == "in_progress" and response["output"] == []
            return
        assert response["status"] == name.removeprefix("response.")
        assert (response["incomplete_details"] is None) == (name == "response.completed")
        assert self.done.keys() == self.items.keys(), "an item was not closed"
        assert response["output"] == [self.done[at] for at in sorted(self.done)]
        if (usage := response["usage"]) is not None:
            assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
            assert usage["input_tokens_details"]["cached_tokens"] >= 0
            assert usage["output_tokens_details"]["reasoning_tokens"] >= 0

    def _item(self, item: dict[str, Any], whole: dict[str, Any], place: int) -> None:
        assert (place, "part") not in self.parts, "a part was not closed"
        assert (whole["id"], whole["type"]) == (item["id"], item["type"])
        if item["type"] == "message":
            assert whole["content"] == item["built"]["content"] and whole["status"] in ("completed", "incomplete")
        if item["type"] == "reasoning":
            assert whole["summary"] == item["built"]["summary"]
            assert whole.get("content", []) == item["built"]["content"]
        if item["type"] in ("function_call", "custom_tool_call"):
            assert whole["call_id"] == item["call_id"]
            assert whole["arguments" if item["type"] == "function_call" else "input"] == item["call"]
            assert item["finished"]
        self.done[place] = whole

    def _part(self, name: str, body: dict[str, Any], item: dict[str, Any], place: int) -> None:
        what, _, step = name.rpartition(".")
        if what in ("response.function_call_arguments", "response.custom_tool_call_input"):
            key = "arguments" if item["type"] == "function_call" else "input"
            assert what.endswith("arguments" if key == "arguments" else "input") and "finished" not in item
            item["call"] += body["delta"] if step == "delta" else ""
            if step == "done":
                assert body[key] == item["call"]
                item["finished"] = True
            return
        prose = [at for at, other in self.items.items() if other["type"] in ("message", "reasoning")]
        assert place == prose[-1], "words go on in an item that another has followed"
        index = "summary_index" if "summary" in name else "content_index"
        built = item["built"]["summary" if "summary" in name else "content"]
        assert body[index] == len(built)
        open_part = self.parts.get((place, "part"))
        if name in ("response.content_part.added", "response.reasoning_summary_part.added"):
            assert open_part is None
            self.parts[place, "part"] = {**body["part"], "closed": False}
            return
        assert open_part is not None and not (open_part["closed"] and step != "done"), name
        key = "refusal" if open_part["type"] == "refusal" else "text"
        if step == "delta":
            open_part[key] += body["delta"]
            open_part.get("logprobs", []).extend(body.get("logprobs", ()))
        elif name == "response.output_text.annotation.added":
            assert body["annotation_index"] == len(open_part["annotations"])
            open_part["annotations"].append(body["annotation"])
        elif what.endswith("_part"):
            assert open_part.pop("closed") and body["part"] == open_part
            built.append(self.parts.pop((place, "part")))
        else:
            assert what == {
                "output_text": "response.output_text", "refusal": "response.refusal",
                "reasoning_text": "response.reasoning_text", "summary_text": "response.reasoning_summary_text",
            }[open_part["type"]]  # fmt: skip
            assert body[key] == open_part[key]
            open_part["closed"] = True
