"""A server that answers each request with what was laid down for the model it names."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What one request is answered with."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"


class Replay:
    """Serves on 127.0.0.1 until the block ends; `url` says where."""

    def __init__(self, replies: Mapping[str, Reply]) -> None:
        self._server = _Server(("127.0.0.1", 0), _handler(replies))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Replay:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


def _handler(replies: Mapping[str, Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            name = body.get("model") or _model_of(self.path)
            reply = replies.get(name) or Reply(b'{"error":{"message":"no such case"}}', 404)
            self.send_response(reply.status)
            self.send_header("content-type", reply.content_type)
            for header in ("x-request-id", "request-id"):
                self.send_header(header, f"req_{name}")
            if reply.content_type == "text/event-stream":
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                size = max(len(reply.body) // 7, 1)
                for at in range(0, len(reply.body), size):  # events split anywhere
                    piece = reply.body[at : at + size]
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _model_of(path: str) -> str:
    """Return the model that a path of generateContent names."""
    return path.partition("/models/")[2].partition(":")[0]
