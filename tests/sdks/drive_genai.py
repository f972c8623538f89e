"""Speak through the official google-genai SDK: generate_content, whole and streamed."""

from __future__ import annotations

import json
import sys
from typing import Any

from driving import Parsed, drive
from google import genai
from google.genai import types


def main() -> None:
    """Ask the server named by the first argument."""
    options = types.HttpOptions(base_url=sys.argv[1], timeout=20_000, retry_options=types.HttpRetryOptions(attempts=1))
    client = genai.Client(api_key="k", http_options=options)
    ways = {"answer": _generate, "stream": _generate_stream}
    drive(lambda case, parsed: ways[case["way"]](client, case["case"], parsed))


def _generate(client: genai.Client, model: str, parsed: Parsed) -> None:
    _read(client.models.generate_content(model=model, contents="Hello"), parsed)


def _generate_stream(client: genai.Client, model: str, parsed: Parsed) -> None:
    for chunk in client.models.generate_content_stream(model=model, contents="Hello"):
        _read(chunk, parsed)


def _read(answer: Any, parsed: Parsed) -> None:
    """Add what *answer*, or one piece of it, says."""
    for candidate in answer.candidates or []:
        if candidate.index:
            continue
        for part in (candidate.content and candidate.content.parts) or []:
            if part.thought:
                parsed.reasoning += part.text or ""
            else:
                parsed.text += part.text or ""
            if call := part.function_call:
                parsed.calls.append((call.id or "", call.name, json.dumps(call.args)))
        if candidate.finish_reason:
            assert not parsed.finish, "a second finish reason"
            parsed.finish = candidate.finish_reason.value
    if usage := answer.usage_metadata:
        prompt = (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0)
        output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
        parsed.usage = (prompt, output, usage.cached_content_token_count or 0)
        assert usage.total_token_count == prompt + output


if __name__ == "__main__":
    main()
