"""Speak through the official openai SDK: chat completions and responses, whole and streamed."""

from __future__ import annotations

import sys
from typing import Any

import openai
from driving import Parsed, drive


def main() -> None:
    """Ask the server named by the first argument."""
    settings: Any = {"base_url": f"{sys.argv[1]}/v1", "api_key": "k", "max_retries": 0, "timeout": 20}
    usual = openai.OpenAI(**settings)
    # Strict: every field of every answer and event must have the type that the SDK documents.
    strict = openai.OpenAI(**settings, _strict_response_validation=True)
    drive(
        lambda case, parsed: _WAYS[case["dialect"], case["way"]](
            strict if case["strict"] else usual, case["case"], parsed
        )
    )


def _chat(client: openai.OpenAI, model: str, parsed: Parsed) -> None:
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
    _read_chat(answer, parsed)


def _chat_stream(client: openai.OpenAI, model: str, parsed: Parsed) -> None:
    text = refusal = ""
    with client.chat.completions.stream(
        model=model, messages=[{"role": "user", "content": "Hello"}], stream_options={"include_usage": True}
    ) as stream:
        for event in stream:
            if event.type == "chunk":
                for delta in [choice.delta for choice in event.chunk.choices if choice.index == 0]:
                    text, refusal = text + (delta.content or ""), refusal + (delta.refusal or "")
            parsed.text, parsed.refusal = text, refusal
        _read_chat(stream.current_completion_snapshot, parsed)  # the final one is refused when the length was reached
    assert parsed.text == text, "the whole says something else than its pieces"


def _read_chat(answer: Any, parsed: Parsed) -> None:
    choice = answer.choices[0]
    message = choice.message
    parsed.text = message.content or ""
    parsed.refusal = message.refusal or ""
    parsed.reasoning = (message.model_extra or {}).get("reasoning_content") or ""
    for call in message.tool_calls or []:
        said = call.function if call.type == "function" else call.custom
        parsed.calls.append((call.id, said.name, said.arguments if call.type == "function" else said.input))
    parsed.finish = choice.finish_reason
    if usage := answer.usage:
        cached = usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens
        parsed.usage = (usage.prompt_tokens, usage.completion_tokens, cached or 0)
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def _responses(client: openai.OpenAI, model: str, parsed: Parsed) -> None:
    _read_response(client.responses.create(model=model, input="Hello"), parsed)


def _responses_stream(client: openai.OpenAI, model: str, parsed: Parsed) -> None:
    text, refusal, last = "", "", None
    with client.responses.stream(model=model, input="Hello") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.refusal.delta":
                refusal += event.delta
            if event.type in ("response.completed", "response.incomplete", "response.failed"):
                last = event.response
            parsed.text, parsed.refusal = text, refusal
    if last is None:
        raise EOFError("the stream ended without its last event")
    if last.status == "failed":  # the SDK raises nothing for it: callers look at the event
        raise Failed(f"{last.error.code}: {last.error.message}")
    parsed.refusal = ""
    _read_response(last, parsed)
    assert parsed.text == text, "the whole says something else than its pieces"


class Failed(Exception):
    """The last event was `response.failed`."""


def _read_response(answer: Any, parsed: Parsed) -> None:
    parsed.text = answer.output_text
    for item in answer.output:
        if item.type == "reasoning":
            parsed.reasoning += "".join(part.text for part in [*item.summary, *(getattr(item, "content", None) or [])])
        if item.type == "message":
            parsed.refusal += "".join(part.refusal for part in item.content if part.type == "refusal")
        if item.type == "function_call":
            parsed.calls.append((item.call_id, item.name, item.arguments))
        if item.type == "custom_tool_call":
            parsed.calls.append((item.call_id, item.name, item.input))
    details = answer.incomplete_details
    parsed.finish = (details.reason if details else "") or answer.status
    if usage := answer.usage:
        parsed.usage = (usage.input_tokens, usage.output_tokens, usage.input_tokens_details.cached_tokens)
        assert usage.total_tokens == usage.input_tokens + usage.output_tokens


_WAYS = {
    ("openai_chat", "answer"): _chat,
    ("openai_chat", "stream"): _chat_stream,
    ("openai_responses", "answer"): _responses,
    ("openai_responses", "stream"): _responses_stream,
}

if __name__ == "__main__":
    main()
