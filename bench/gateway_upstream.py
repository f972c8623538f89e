"""A provider that streams at a pace: the upstream of the stream measurements, a process of its own.

    python bench/gateway_upstream.py PORT

It speaks chat completions over raw sockets. The user's text says what to stream: `plan events=64 ms=20 size=200 id=7`
(`ms=0`: as fast as it is read; `hold=1`: after the events stay silent and open). Each event carries `@id:number:time@`,
the time in nanoseconds of the machine's monotonic clock. `GET /gone` tells when each stream's peer went away.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import cast

import uvloop

_PLAN = re.compile(rb"plan((?: [a-z]+=\d+)+)")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
_WRAP = b'{"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1750000000,"model":"m","choices":%s}'
_ROLE = b'[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]'
_SAY = b'[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]'
_STOP = b'[{"index":0,"delta":{},"finish_reason":"stop"}]'
_USAGE = b'[],"usage":{"prompt_tokens":100,"completion_tokens":64,"total_tokens":164}'

gone: dict[int, float] = {}


class Upstream(asyncio.Protocol):
    """One connection: reads a request, streams what it asks for."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.loop = asyncio.get_running_loop()
        self.buffer = b""
        self.paused = False
        self.id = -1
        self.timer: asyncio.Handle | None = None

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or len(body) < (int(length[1]) if length else 0):
            return
        self.buffer = b""
        if head.startswith(b"GET"):
            answer = json.dumps(gone).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)
            return
        plan = _PLAN.search(body)
        wishes = dict(word.split(b"=") for word in plan[1].split()) if plan else {}
        self.begin({name.decode(): int(value) for name, value in wishes.items()})

    def begin(self, wishes: dict[str, int]) -> None:
        """Start the stream that is wished for."""
        self.id = wishes.get("id", 0)
        self.events = wishes.get("events", 8)
        self.pause = wishes.get("ms", 0) / 1000
        self.hold = bool(wishes.get("hold"))
        self.filling = b"x" * max(0, wishes.get("size", 200) - 40)
        self.sent = 0
        self.began = self.loop.time()
        self.transport.write(_HEAD + _chunk(_event(_ROLE)))
        self.go()

    def go(self) -> None:
        """Send the next event, and see to it that the one after comes in time."""
        self.timer = None
        while not self.paused and not self.transport.is_closing():
            if self.sent == self.events:
                if not self.hold:
                    self.transport.write(_chunk(_event(_STOP) + _event(_USAGE) + b"data: [DONE]\n\n") + b"0\r\n\r\n")
                    self.id = -1
                return
            mark = b"@%d:%d:%d@" % (self.id, self.sent, time.monotonic_ns())
            self.transport.write(_chunk(_event(_SAY % (mark + self.filling))))
            self.sent += 1
            if self.pause:
                self.timer = self.loop.call_at(self.began + self.sent * self.pause, self.go)
                return

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self.timer is None and self.id >= 0:
            self.go()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.id >= 0:
            gone[self.id] = time.monotonic()
        if self.timer is not None:
            self.timer.cancel()


def _event(choices: bytes) -> bytes:
    return b"data: " + _WRAP % choices + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
