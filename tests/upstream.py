"""A scripted provider on a real socket: speaks OpenAI chat and Anthropic messages, and does what its script says.

    with Provider(Say("Hello"), Status(429)) as provider:
        ... provider.url ... provider.seen[0].body["model"] ...

Each request takes the next step of the script; the last step stays. It runs on a thread of its own,
so processes and synchronous tests can use it as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Say:
    """Answer with *text*, streamed word by word if that was asked for, *pause* seconds before each."""

    text: str = "Hello"
    pause: float = 0.0
    usage: tuple[int, int] | None = (10, 5)
    delay: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """Answer with a tool call."""

    name: str
    arguments: str


@dataclass(frozen=True)
class Status:
    """Answer with an error status."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True)
class Cut:
    """Stream *text*, then close the connection with no ending."""

    text: str = "Hello there"


@dataclass(frozen=True)
class FailInside:
    """Answer 200, stream *text*, then send an error event."""

    text: str = ""
    error: dict[str, Any] = field(default_factory=lambda: {"type": "server_error", "message": "it broke"})


@dataclass(frozen=True)
class Bytes:
    """Answer with *body* as it stands, *size* bytes at a time."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    size: int = 7


@dataclass(frozen=True)
class Silence:
    """Take the request and never answer; *headers* sends the head of a stream first."""

    headers: bool = False


@dataclass(frozen=True)
class Reset:
    """Take the request and reset the connection."""


Step = Say | Call | Status | Bytes | Cut | FailInside | Silence | Reset


@dataclass
class Seen:
    """One request as it arrived. `gone` is set once the peer has closed the connection before the end."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float
    raw: bytes = b""
    gone: threading.Event = field(default_factory=threading.Event)
    written: int = 0


class Provider:
    """The server. `script` may be changed while it runs."""

    def __init__(self, *script: Step) -> None:
        self.script: list[Step] = list(script) or [Say()]
        self.seen: list[Seen] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def step(self, seen: Seen) -> Step:
        """Return what *seen* gets: the next of the script, whatever it asks."""
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        seen = Seen(method, path, headers, _parsed(raw), time.monotonic(), raw)
        self.seen.append(seen)
        step = self.step(seen)
        watch = asyncio.ensure_future(self._watch(reader, seen))
        try:
            return await self._answer(step, seen, writer)
        except ConnectionError:
            seen.gone.set()
            raise
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

    async def _watch(self, reader: asyncio.StreamReader, seen: Seen) -> None:
        """Note when the peer goes away while it is being answered."""
        while True:
            await asyncio.sleep(0.005)
            if reader.at_eof() or reader.exception() is not None:
                seen.gone.set()
                return

    async def _answer(self, step: Step, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        match step:
            case Reset():
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            case Bytes():
                _head(writer, step.status, step.content_type, len(step.body), step.headers)
                for start in range(0, len(step.body), step.size):
                    writer.write(step.body[start : start + step.size])
                    await writer.drain()
                return True
            case Silence():
                if step.headers:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
                await asyncio.sleep(3600)
                return False
            case Status():
                body = {"error": {"message": f"scripted {step.status}"}} if step.body is None else step.body
                content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                _head(writer, step.status, step.content_type, len(content), step.headers)
                writer.write(content)
                await writer.drain()
                return True
            case _:
                return await self._content(step, seen, writer)

    async def _content(self, step: Say | Call | Cut | FailInside, seen: Seen, writer: asyncio.StreamWriter) -> bool:
        wire = _Anthropic() if seen.path.endswith("/messages") else _OpenAI()
        model = (seen.body or {}).get("model", "")
        if isinstance(step, Say) and step.delay:
            await asyncio.sleep(step.delay)
        if seen.path.endswith("/embeddings"):
            wire_body: Any = _embeddings(seen.body)
        elif seen.path.endswith("/models"):
            wire_body = {"object": "list", "data": [{"id": "llama-70b", "object": "model"}]}
        elif not (seen.body or {}).get("stream"):
            wire_body = wire.whole(step, model)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: up-1\r\n")
            writer.write(b"connection: close\r\n\r\n")
            async for event in wire.events(step, model):
                writer.write(event)
                await writer.drain()
                seen.written += 1
                if seen.gone.is_set():
                    break
            return False
        content = json.dumps(wire_body).encode()
        headers = step.headers if isinstance(step, Say) else {}
        _head(writer, 200, "application/json", len(content), {"x-request-id": "up-1", **headers})
        writer.write(content)
        await writer.drain()
        return True


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:  # a form, or nothing
        return None


def _head(writer: asyncio.StreamWriter, status: int, kind: str, size: int, headers: dict[str, str]) -> None:
    lines = [f"HTTP/1.1 {status} Scripted", f"content-type: {kind}", f"content-length: {size}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {"object": "embedding", "index": index, "embedding": [float(len(text)), 1.0]}
        for index, text in enumerate(body["input"])
    ]
    return {"object": "list", "data": rows[::-1], "model": body["model"], "usage": {"prompt_tokens": 7}}


def _words(text: str) -> list[str]:
    return [word if not index else f" {word}" for index, word in enumerate(text.split(" "))] if text else []


class _OpenAI:
    def whole(self, step: Say | Call | Cut | FailInside, model: str) -> dict[str, Any]:
        if isinstance(step, FailInside):
            return {"error": step.error}
        message: dict[str, Any] = {"role": "assistant", "content": getattr(step, "text", None)}
        reason = "stop"
        if isinstance(step, Call):
            function = {"name": step.name, "arguments": step.arguments}
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
            reason = "tool_calls"
        body: dict[str, Any] = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        }
        usage = getattr(step, "usage", None)
        if usage:
            body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
        return body

    async def events(self, step: Say | Call | Cut | FailInside, model: str) -> AsyncIterator[bytes]:
        yield self._chunk(model, {"role": "assistant", "content": ""})
        if isinstance(step, Call):
            function = {"name": step.name, "arguments": step.arguments}
            call = {"index": 0, "id": "call_1", "type": "function", "function": function}
            yield self._chunk(model, {"tool_calls": [call]})
            yield self._chunk(model, {}, "tool_calls")
        else:
            for word in _words(step.text):
                if isinstance(step, Say) and step.pause:
                    await asyncio.sleep(step.pause)
                yield self._chunk(model, {"content": word})
        if isinstance(step, Cut):
            return
        if isinstance(step, FailInside):
            yield b"data: " + json.dumps({"error": step.error}).encode() + b"\n\n"
            return
        if isinstance(step, Say):
            yield self._chunk(model, {}, "stop")
            if step.usage:
                usage = {"prompt_tokens": step.usage[0], "completion_tokens": step.usage[1]}
                last = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [], "usage": usage}
                yield b"data: " + json.dumps(last).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"

    def _chunk(self, model: str, delta: dict[str, Any], reason: str | None = None) -> bytes:
        body = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        }
        return b"data: " + json.dumps(body).encode() + b"\n\n"


class _Anthropic:
    def whole(self, step: Say | Call | Cut | FailInside, model: str) -> dict[str, Any]:
        if isinstance(step, FailInside):
            return {"type": "error", "error": step.error}
        block: dict[str, Any] = {"type": "text", "text": getattr(step, "text", "")}
        if isinstance(step, Call):
            block = {"type": "tool_use", "id": "toolu_1", "name": step.name, "input": json.loads(step.arguments)}
        usage = getattr(step, "usage", None) or (1, 1)
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [block],
            "stop_reason": "tool_use" if isinstance(step, Call) else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": usage[0], "output_tokens": usage[1]},
        }

    async def events(self, step: Say | Call | Cut | FailInside, model: str) -> AsyncIterator[bytes]:
        start = {
            **self.whole(Say("", usage=getattr(step, "usage", None)), model),
            "content": [],
            "stop_reason": None,
        }
        yield self._event("message_start", message=start)
        if isinstance(step, Call):
            block: dict[str, Any] = {"type": "tool_use", "id": "toolu_1", "name": step.name, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": step.arguments}]
        else:
            block = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": word} for word in _words(step.text)]
        yield self._event("content_block_start", index=0, content_block=block)
        for delta in deltas:
            if isinstance(step, Say) and step.pause:
                await asyncio.sleep(step.pause)
            yield self._event("content_block_delta", index=0, delta=delta)
        if isinstance(step, Cut):
            return
        if isinstance(step, FailInside):
            yield self._event("error", error=step.error)
            return
        yield self._event("content_block_stop", index=0)
        reason = "tool_use" if isinstance(step, Call) else "end_turn"
        usage = getattr(step, "usage", None) or (1, 1)
        yield self._event(
            "message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": usage[1]}
        )
        yield self._event("message_stop")

    def _event(self, name: str, **fields: Any) -> bytes:
        return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()
