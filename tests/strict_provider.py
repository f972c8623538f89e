"""A provider on a real socket that takes nothing but what its vendor takes, and remembers what it signed.

    with StrictProvider("gemini", answer, done) as provider:
        ... provider.url ... provider.refused ...

It gives its answers in turn, whole or as a stream; a number instead of one is an error of that status.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, TypeAlias

from tests.dialects.strict_upstream import problems

Json: TypeAlias = dict[str, Any]


class StrictProvider:
    """The server. `seen` are the requests it got, `refused` what was wrong with them."""

    def __init__(self, dialect: str, *answers: Json | int) -> None:
        self.dialect = dialect
        self.answers = list(answers)
        self.issued: list[Json] = []
        self.seen: list[Json] = []
        self.refused: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def answer(self, path: str, body: Json) -> tuple[int, bytes, str]:
        """Return status, content and type of what *body* gets."""
        self.seen.append(body)
        model = path.rpartition("/")[2].partition(":")[0] if self.dialect == "gemini" else ""
        found = problems(self.dialect, body, self.issued, model=model)
        self.refused += found
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if found or isinstance(answer, int):
            error = {"error": {"message": "; ".join(found) or "scripted", "type": "invalid_request_error"}}
            return (400 if found else int(str(answer))), json.dumps(error).encode(), "application/json"
        self.issued.append(answer)
        if body.get("stream") or ":stream" in path:
            events = "".join(_STREAMS[self.dialect](answer))
            return 200, events.encode(), "text/event-stream"
        return 200, json.dumps(answer).encode(), "application/json"

    def __enter__(self) -> StrictProvider:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _handler(provider: StrictProvider) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, content, kind = provider.answer(self.path, body)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def _event(body: Json, name: str = "") -> str:
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(body)}\n\n"


def _chat(answer: Json) -> Iterator[str]:
    choice = answer["choices"][0]
    calls = [{"index": at, **call} for at, call in enumerate(choice["message"].get("tool_calls", ()))]
    delta = choice["message"] | ({"tool_calls": calls} if calls else {})
    yield _event(answer | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event(answer | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    yield "data: [DONE]\n\n"


def _gemini(answer: Json) -> Iterator[str]:
    candidate = answer["candidates"][0]
    for part in candidate["content"]["parts"]:
        yield _event({"candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]})
    yield _event({"candidates": [{"index": 0, "finishReason": "STOP"}]})


def _responses(answer: Json) -> Iterator[str]:
    yield _event({"type": "response.created", "response": {**answer, "output": [], "status": "in_progress"}})
    for at, item in enumerate(answer["output"]):
        yield _event({"type": "response.output_item.added", "output_index": at, "item": item})
        yield _event({"type": "response.output_item.done", "output_index": at, "item": item})
    yield _event({"type": "response.completed", "response": answer})


def _anthropic(answer: Json) -> Iterator[str]:
    yield _named({"type": "message_start", "message": {**answer, "content": [], "stop_reason": None}})
    for at, block in enumerate(answer["content"]):
        empty, deltas = _opened(block)
        yield _named({"type": "content_block_start", "index": at, "content_block": empty})
        for delta in deltas:
            yield _named({"type": "content_block_delta", "index": at, "delta": delta})
        yield _named({"type": "content_block_stop", "index": at})
    delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    yield _named({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 1}})
    yield _named({"type": "message_stop"})


def _named(body: Json) -> str:
    return _event(body, body["type"])


def _opened(block: Json) -> tuple[Json, list[Json]]:
    """Return how *block* begins in a stream, and its pieces."""
    match block["type"]:
        case "thinking":
            words = {"type": "thinking_delta", "thinking": block["thinking"]}
            seal = {"type": "signature_delta", "signature": block["signature"]}
            return block | {"thinking": "", "signature": ""}, [words, seal]
        case "text":
            return block | {"text": ""}, [{"type": "text_delta", "text": block["text"]}]
        case "tool_use":
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    return block, []


_STREAMS = {
    "openai_chat": _chat, "gemini": _gemini, "openai_responses": _responses, "anthropic_messages": _anthropic,
}  # fmt: skip
