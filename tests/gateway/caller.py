"""A caller of the gateway on a bare socket: it asks in four dialects, and keeps every byte that came back and when."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

PROMPT = "canary-prompt-7f3a"  # what no log may show

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
}
Json = dict[str, Any]


def path_for(dialect: str, model: str, *, stream: bool) -> str:
    """Return where a request in *dialect* goes."""
    if dialect == "gemini":
        return f"/v1beta/models/{model}:{'streamGenerateContent?alt=sse' if stream else 'generateContent'}"
    return PATHS[dialect]


def body_for(dialect: str, model: str, *, stream: bool, **more: Any) -> Json:
    """Return a plain question."""
    if dialect == "gemini":
        return {"contents": [{"role": "user", "parts": [{"text": PROMPT}]}], **more}
    asked: Json = {"model": model, **({"stream": True} if stream else {}), **more}
    if dialect == "openai_responses":
        return {"input": PROMPT, **asked}
    limit = {"max_tokens": 100} if dialect == "anthropic_messages" else {}
    return {"messages": [{"role": "user", "content": PROMPT}], **limit, **asked}


@dataclass
class Heard:
    """What came back. `whole`: its framing was closed properly; `first_at` and `ended_at` are the loop's seconds
    since it was asked."""

    raw: bytes = b""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False
    first_at: float = 0.0
    ended_at: float = 0.0

    @property
    def json(self) -> Json:
        """The body, which is a JSON object."""
        body = json.loads(self.body)
        assert isinstance(body, dict)
        return body

    @property
    def events(self) -> list[tuple[str, str]]:
        """The events of a stream: name and data. What is not terminated by an empty line is none."""
        found = []
        for block in self.body.decode().split("\n\n")[:-1]:
            name, data = "", []
            for line in block.split("\n"):
                key, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if key == "event":
                    name = value
                elif key == "data":
                    data.append(value)
            if data:
                found.append((name, "\n".join(data)))
        return found

    @property
    def pings(self) -> int:
        """How many comments came."""
        return self.body.count(b": ping\n\n")


class Caller:
    """A connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, token: str) -> None:
        self.reader = reader
        self.writer = writer
        self._host = host
        self._token = token
        self._rest = b""

    @classmethod
    async def open(cls, port: int, token: str, *, limit: int = 65536) -> Caller:
        """Connect."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
        return cls(reader, writer, f"127.0.0.1:{port}", token)

    def head(self, method: str, path: str, headers: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return the head of a request."""
        fields = [("host", self._host), ("authorization", f"Bearer {self._token}"), *headers]
        return "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields), "", ""]).encode()

    def request(self, path: str, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return a whole request."""
        length = ("content-length", str(len(body)))
        return self.head("POST", path, [("content-type", "application/json"), length, *headers]) + body

    async def ask(
        self,
        dialect: str,
        model: str = "all",
        *,
        stream: bool = False,
        headers: Sequence[tuple[str, str]] = (),
        **more: Any,
    ) -> Heard:
        """Ask a plain question and read the whole answer."""
        body = json.dumps(body_for(dialect, model, stream=stream, **more)).encode()
        self.writer.write(self.request(path_for(dialect, model, stream=stream), body, headers))
        return await self.answer()

    async def answer(self) -> Heard:
        """Read one answer, to the end of its framing or of the connection."""
        heard = Heard()
        clock = asyncio.get_running_loop().time
        asked = clock()
        framing = _Framing(heard)
        framing.feed(self._rest)
        while not heard.whole:
            data = b""
            with suppress(ConnectionError):
                data = await self.reader.read(1 << 20)
            heard.first_at = heard.first_at or clock() - asked
            if not data:
                break
            framing.feed(data)
        heard.ended_at = clock() - asked
        self._rest = framing.close()
        return heard

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        """Hang up rudely."""
        self.writer.transport.abort()


class _Framing:
    """Fills a Heard with the bytes of one answer as they come; each is looked at once."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._raw = bytearray()
        self._body = bytearray()
        self._at = 0  # where the next chunk begins, or the body

    def feed(self, data: bytes) -> None:
        """Take in what came."""
        self._raw += data
        if not self._heard.status:
            self._read_head()
        if self._heard.status:
            self._read_body()

    def close(self) -> bytes:
        """Finish; return what came after the answer."""
        end = self._at if self._heard.whole else len(self._raw)
        self._heard.raw, self._heard.body = bytes(self._raw[:end]), bytes(self._body)
        return bytes(self._raw[end:])

    def _read_head(self) -> None:
        end = self._raw.find(b"\r\n\r\n", self._at)
        if end < 0:
            return
        first, *lines = self._raw[self._at : end].decode("latin-1").split("\r\n")
        self._at = end + 4
        status = int(first.split(" ")[1])
        if status == 100:
            self._read_head()
            return
        self._heard.status = status
        self._heard.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}

    def _read_body(self) -> None:
        headers = self._heard.headers
        if headers.get("transfer-encoding") == "chunked":
            self._read_chunks()
            return
        size = int(headers.get("content-length", "-1"))
        took = self._raw[self._at :] if size < 0 else self._raw[self._at : self._at + size - len(self._body)]
        self._body += took
        self._at += len(took)
        self._heard.whole = len(self._body) == size

    def _read_chunks(self) -> None:
        while (end := self._raw.find(b"\r\n", self._at)) >= 0:
            size = int(self._raw[self._at : end].split(b";")[0], 16)
            if len(self._raw) < end + 2 + size + 2:
                return
            self._body += self._raw[end + 2 : end + 2 + size]
            self._at = end + 2 + size + 2
            if not size:
                self._heard.whole = True
                return
