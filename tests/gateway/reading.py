"""What a caller makes of the bytes it got: text, ending, error. Written from what vendors say, not from the product."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.gateway.caller import Heard

Json = dict[str, Any]


class Told(NamedTuple):
    """An answer as a client library would see it. `ended`: the dialect's own ending came; `reason` why; `error`: the
    body that told a failure."""

    text: str
    ended: bool
    reason: str
    error: Json | None


def told(dialect: str, heard: Heard, *, stream: bool) -> Told:
    """Read an answer in *dialect*."""
    if heard.status != 200:
        return Told("", False, "", heard.json)
    if not stream:
        text, reason = _WHOLE[dialect](heard.json)
        return Told(text, heard.whole, reason, None)
    state: Json = {"text": "", "ended": False, "reason": "", "error": None}
    for name, data in heard.events:
        assert not state["ended"], f"an event after the end: {data}"
        assert state["error"] is None, f"an event after the error: {data}"
        _EVENT[dialect](state, name, data)
    return Told(**state)


def _chat(body: Json) -> tuple[str, str]:
    choice = body["choices"][0]
    return choice["message"]["content"], choice["finish_reason"]


def _responses(body: Json) -> tuple[str, str]:
    parts = [part for item in body["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part["text"] for part in parts), body["status"]


def _anthropic(body: Json) -> tuple[str, str]:
    return "".join(block["text"] for block in body["content"] if block["type"] == "text"), body["stop_reason"]


def _gemini(body: Json) -> tuple[str, str]:
    candidate = body["candidates"][0]
    return "".join(part["text"] for part in candidate["content"]["parts"]), candidate["finishReason"]


def _chat_event(state: Json, name: str, data: str) -> None:
    if data == "[DONE]":
        state["ended"] = True
        return
    body = json.loads(data)
    if "error" in body:
        state["error"] = body
        return
    for choice in body["choices"]:
        state["text"] += choice["delta"].get("content") or ""
        state["reason"] = choice.get("finish_reason") or state["reason"]


def _responses_event(state: Json, name: str, data: str) -> None:
    body = json.loads(data)
    assert name == body["type"]
    if name == "response.output_text.delta":
        state["text"] += body["delta"]
    elif name in ("response.completed", "response.incomplete"):
        state["ended"], state["reason"] = True, body["response"]["status"]
    elif name in ("response.failed", "error"):
        state["error"] = body


def _anthropic_event(state: Json, name: str, data: str) -> None:
    body = json.loads(data)
    assert name == body["type"]
    if name == "content_block_delta" and body["delta"]["type"] == "text_delta":
        state["text"] += body["delta"]["text"]
    elif name == "message_delta":
        state["reason"] = body["delta"]["stop_reason"] or ""
    elif name == "message_stop":
        state["ended"] = True
    elif name == "error":
        state["error"] = body


def _gemini_event(state: Json, name: str, data: str) -> None:
    body = json.loads(data)
    if "error" in body:
        state["error"] = body
        return
    for candidate in body.get("candidates", ()):
        state["text"] += "".join(part.get("text", "") for part in candidate.get("content", {}).get("parts", ()))
        state["reason"] = candidate.get("finishReason", state["reason"])


_WHOLE = {
    "openai_chat": _chat,
    "openai_responses": _responses,
    "anthropic_messages": _anthropic,
    "gemini": _gemini,
}
_EVENT = {
    "openai_chat": _chat_event,
    "openai_responses": _responses_event,
    "anthropic_messages": _anthropic_event,
    "gemini": _gemini_event,
}


def ends(dialect: str, answer: Told) -> bool:
    """Tell whether the caller takes the stream for a complete one. Gemini has no sentinel but its reason."""
    return bool(answer.reason) if dialect == "gemini" else answer.ended


def request_id_in(dialect: str, error: Json) -> str:
    """Return the request id that an error's body holds. Raises where its shape is not the dialect's."""
    if error.get("type") == "response.failed":
        assert isinstance(error["response"]["error"]["message"], str)
        assert error["response"]["status"] == "failed"
        return ""  # it goes by the answer's own id
    said = error["error"]
    assert isinstance(said["message"], str)
    assert said["message"]
    if dialect == "gemini":
        assert isinstance(said["code"], int)
        assert isinstance(said["status"], str)
        return next((d["requestId"] for d in said.get("details", ()) if d["@type"].endswith("RequestInfo")), "")
    assert isinstance(said["type"], str)
    if dialect == "anthropic_messages":
        assert error["type"] == "error"
    return str(error.get("request_id", ""))
