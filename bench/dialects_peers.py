"""Other projects' converters, called by bench/dialects.py in an environment where one of them is installed.

Reads the inputs as a line of JSON, answers with the names of the cases it can do, then with microseconds for each
name it is asked for. What converts a whole request or one event is called as the project itself calls it, save for
logging and callbacks, which would add to its time.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

Cases = dict[str, tuple[Callable[[], object], int]]

CLAUDE, GEMINI = "claude-sonnet-4-5", "gemini-2.5-pro"


def litellm_requests(bodies: dict[str, Any]) -> Cases:
    """Return what LiteLLM does with requests."""
    from litellm.llms.anthropic.chat.transformation import AnthropicConfig
    from litellm.llms.anthropic.pass_through.adapters.transformation import AnthropicAdapter
    from litellm.llms.vertex_ai.gemini import transformation as gemini
    from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexGeminiConfig

    chat, messages = orjson.dumps(bodies["openai_chat"]), orjson.dumps(bodies["anthropic_messages"])

    def to_anthropic() -> None:
        body, params = _parted(chat)
        config = AnthropicConfig()
        options = config.map_openai_params(params, {}, CLAUDE, True)
        orjson.dumps(config.transform_request(CLAUDE, body["messages"], options, {}, {}))

    def from_anthropic() -> None:
        orjson.dumps(AnthropicAdapter().translate_completion_input_params(orjson.loads(messages)))

    def to_gemini() -> None:
        body, params = _parted(chat)
        options = VertexGeminiConfig().map_openai_params(params, {}, GEMINI, True)
        orjson.dumps(gemini._transform_request_body(body["messages"], GEMINI, options, "gemini", {}, None))

    return {
        "request openai_chat -> anthropic_messages": (to_anthropic, 1),
        "request anthropic_messages -> openai_chat": (from_anthropic, 1),
        "request openai_chat -> gemini": (to_gemini, 1),
    }


def litellm_events(streams: dict[str, list[str]]) -> Cases:
    """Return what LiteLLM does with events."""
    from litellm.llms.anthropic.chat.handler import ModelResponseIterator
    from litellm.llms.anthropic.pass_through.adapters.streaming_iterator import AnthropicStreamWrapper
    from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import ModelResponseIterator as GeminiIterator
    from litellm.types.utils import ModelResponseStream

    def events_from_anthropic() -> None:
        reader = ModelResponseIterator(iter(()), sync_stream=True)
        for event in _objects(streams["anthropic_messages"]):
            reader.chunk_parser(event).model_dump_json()

    def events_to_anthropic() -> None:
        chunks = (ModelResponseStream(**event) for event in _objects(streams["openai_chat"]))
        for _ in AnthropicStreamWrapper(chunks, CLAUDE).anthropic_sse_wrapper():
            pass

    def events_from_gemini() -> None:
        reader = GeminiIterator(iter(()), sync_stream=True, logging_obj=_Quiet())
        for event in _objects(streams["gemini"]):
            if (chunk := reader.chunk_parser(event)) is not None:
                chunk.model_dump_json()

    return {
        "event anthropic_messages -> openai_chat": (events_from_anthropic, len(streams["anthropic_messages"])),
        "event openai_chat -> anthropic_messages": (events_to_anthropic, len(streams["openai_chat"])),
        "event gemini -> openai_chat": (events_from_gemini, len(streams["gemini"])),
    }


class _Quiet:
    """Stands in for LiteLLM's logging object."""

    optional_params: dict[str, Any] = {}  # noqa: RUF012  read only

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def any_llm_requests(bodies: dict[str, Any]) -> Cases:
    """Return what any-llm does with requests."""
    from any_llm.providers.anthropic.utils import _convert_params
    from any_llm.providers.gemini.base import GoogleProvider
    from any_llm.types.completion import CompletionParams
    from any_llm.types.messages import MessagesParams
    from any_llm.utils import messages_compat as compat

    chat, messages = orjson.dumps(bodies["openai_chat"]), orjson.dumps(bodies["anthropic_messages"])

    def params() -> CompletionParams:
        body, options = _parted(chat)
        options["max_tokens"] = options.pop("max_completion_tokens", 8000)
        return CompletionParams(model_id=CLAUDE, messages=body["messages"], **options)

    def to_anthropic() -> None:
        orjson.dumps(_convert_params(params(), provider_name="anthropic"), default=str)

    def to_gemini() -> None:
        made = GoogleProvider._convert_completion_params(params(), provider_name="gemini")
        for value in made.values():
            for item in value if isinstance(value, list) else [value]:
                if hasattr(item, "model_dump_json"):
                    item.model_dump_json(exclude_none=True)

    def from_anthropic() -> None:
        orjson.dumps(compat.messages_params_to_completion_params(MessagesParams(**orjson.loads(messages))), default=str)

    return {
        "request openai_chat -> anthropic_messages": (to_anthropic, 1),
        "request anthropic_messages -> openai_chat": (from_anthropic, 1),
        "request openai_chat -> gemini": (to_gemini, 1),
    }


def any_llm_events(streams: dict[str, list[str]]) -> Cases:
    """Return what any-llm does with events."""
    from anthropic._models import construct_type
    from anthropic.types import RawMessageStreamEvent
    from any_llm.providers.anthropic.utils import _create_openai_chunk_from_anthropic_chunk
    from any_llm.providers.gemini.utils import _create_openai_chunk_from_google_chunk
    from any_llm.types.completion import ChatCompletionChunk
    from any_llm.utils import messages_compat as compat
    from google.genai import types

    def events_from_anthropic() -> None:
        for event in _objects(streams["anthropic_messages"]):
            chunk = construct_type(type_=RawMessageStreamEvent, value=event)
            _create_openai_chunk_from_anthropic_chunk(chunk, CLAUDE).model_dump_json()

    def events_to_anthropic() -> None:
        state = compat.StreamingState()
        for event in _objects(streams["openai_chat"]):
            chunk = ChatCompletionChunk.model_validate(event)
            for said in compat.chat_completion_chunk_to_message_stream_events(chunk, state):
                said.model_dump_json()

    def events_from_gemini() -> None:
        for event in _objects(streams["gemini"]):
            answer = types.GenerateContentResponse.model_validate(event)
            _create_openai_chunk_from_google_chunk(answer).model_dump_json()

    return {
        "event anthropic_messages -> openai_chat": (events_from_anthropic, len(streams["anthropic_messages"])),
        "event openai_chat -> anthropic_messages": (events_to_anthropic, len(streams["openai_chat"])),
        "event gemini -> openai_chat": (events_from_gemini, len(streams["gemini"])),
    }


def _parted(raw: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a body, and its options apart."""
    body = orjson.loads(raw)
    left_out = ("model", "messages", "stream", "stream_options")
    return body, {name: value for name, value in body.items() if name not in left_out}


def _objects(chunks: list[str]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        data = chunk.partition("data: ")[2].strip()
        if data != "[DONE]":
            yield orjson.loads(data)


def main() -> None:
    """Answer until nobody asks any more."""
    given = json.loads(sys.stdin.readline())
    if sys.argv[1] == "litellm":
        found = litellm_requests(given["bodies"]) | litellm_events(given["streams"])
    else:
        found = any_llm_requests(given["bodies"]) | any_llm_events(given["streams"])
    cases: Cases = {}
    for name, case in found.items():
        try:
            case[0]()
            cases[name] = case
        except Exception as error:  # one of its versions does it another way
            print(f"{sys.argv[1]}: {name}: {error!r}"[:400], file=sys.stderr)
    print("=", json.dumps(list(cases)), flush=True)
    for line in sys.stdin:
        run, share = cases[json.loads(line)]
        runs = 0
        gc.collect()
        before = time.process_time()
        while (took := time.process_time() - before) < given["seconds"]:
            run()
            runs += 1
        print("=", took / runs / share * 1e6, flush=True)


if __name__ == "__main__":
    main()
