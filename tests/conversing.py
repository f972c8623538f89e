"""A scripted provider that takes its cue from the conversation, so that any client can be played before it.

What a user said last may hold a directive: `@tool NAME {json}` calls that tool if it was offered, `@say TEXT` says so,
`@fail STATUS` refuses. A tool's result is read back. Everything else is greeted.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.upstream import Call, Provider, Say, Seen, Status, Step

_TOOL = re.compile(r"@tool (\S+) (\{.*?\})(?=$|\s|\"|<)", re.DOTALL)
_SAY = re.compile(r"@say (.+)")
_FAIL = re.compile(r"@fail (\d+)")
GREETING = "Hello there"
REFUSAL = "the model is not in the mood"
KINDS = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}


class Conversing(Provider):
    """The provider. It may be asked by many at once: an answer depends on its request alone."""

    def step(self, seen: Seen) -> Step:
        """Return what *seen* gets."""
        body = seen.body or {}
        result = _result(body)
        if result is not None:
            return Say(f"The tool said: {result}")
        text = _asked(body)
        if fails := _FAIL.search(text):
            status = int(fails[1])
            return Status(status, {"type": "error", "error": {"type": KINDS[status], "message": REFUSAL}})
        if says := _SAY.search(text):
            return Say(says[1])
        if (calls := _TOOL.search(text)) and calls[1] in _offered(body):
            return Call(calls[1], json.dumps(json.loads(calls[2])))
        return Say(GREETING)


def _asked(body: dict[str, Any]) -> str:
    """Return what users said last; agents put words of their own before and behind it."""
    texts = [_text(message["content"]) for message in body.get("messages", ()) if message["role"] == "user"]
    return next((text for text in reversed(texts) if "@" in text), "")


def _result(body: dict[str, Any]) -> str | None:
    """Return what a tool gave after the model spoke last; agents may say more behind it."""
    for message in reversed(body.get("messages", ())):
        if message["role"] == "assistant":
            return None
        if message["role"] == "tool":
            return _text(message["content"])
        blocks = message["content"] if isinstance(message["content"], list) else []
        for block in blocks:
            if block.get("type") == "tool_result":
                return _text(block.get("content", ""))
    return None


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


def _offered(body: dict[str, Any]) -> set[str]:
    """Return the names of the tools that were offered, in either dialect."""
    return {tool.get("name") or tool.get("function", {}).get("name", "") for tool in body.get("tools", ())}
