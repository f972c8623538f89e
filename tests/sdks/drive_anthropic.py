"""Speak through the official anthropic SDK: messages, whole and streamed."""

from __future__ import annotations

import json
import sys
from typing import Any

import anthropic
from driving import Parsed, drive


def main() -> None:
    """Ask the server named by the first argument."""
    settings: Any = {"base_url": sys.argv[1], "api_key": "k", "max_retries": 0, "timeout": 20}
    usual = anthropic.Anthropic(**settings)
    # Strict: every field of every answer and event must have the type that the SDK documents.
    strict = anthropic.Anthropic(**settings, _strict_response_validation=True)
    ways = {"answer": _messages, "stream": _messages_stream}
    drive(lambda case, parsed: ways[case["way"]](strict if case["strict"] else usual, case["case"], parsed))


def _messages(client: anthropic.Anthropic, model: str, parsed: Parsed) -> None:
    asked: Any = [{"role": "user", "content": "Hello"}]
    _read(client.messages.create(model=model, max_tokens=100, messages=asked), parsed)


def _messages_stream(client: anthropic.Anthropic, model: str, parsed: Parsed) -> None:
    text = ""
    asked: Any = [{"role": "user", "content": "Hello"}]
    with client.messages.stream(model=model, max_tokens=100, messages=asked) as stream:
        for event in stream:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text += event.delta.text
            parsed.text = text
        _read(stream.get_final_message(), parsed)
    assert parsed.text == text, "the whole says something else than its pieces"


def _read(answer: Any, parsed: Parsed) -> None:
    parsed.text = "".join(block.text for block in answer.content if block.type == "text")
    parsed.reasoning = "".join(block.thinking for block in answer.content if block.type == "thinking")
    for block in answer.content:
        if block.type == "tool_use":
            parsed.calls.append((block.id, block.name, json.dumps(block.input)))
    parsed.finish = answer.stop_reason or ""
    usage = answer.usage
    cached = usage.cache_read_input_tokens or 0
    read = usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0)
    parsed.usage = (read, usage.output_tokens, cached)


if __name__ == "__main__":
    main()
