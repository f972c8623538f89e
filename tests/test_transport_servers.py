"""transport: against servers that others wrote. uvicorn always, Node and nginx where they are installed."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from mini_llm.transport import Timeouts, Transport

QUICK = Timeouts(connect=2.0, first_byte=5.0, silence=5.0, total=10.0)
BIG = bytes(range(256)) * 8192  # 2 MiB


async def exercise(url: str) -> None:
    """Do what each of the three servers below can answer: echo, stream, HEAD, 204, many at once."""
    transport = Transport(environ={})
    for turn in range(3):
        async with transport.send("POST", f"{url}/echo", body=BIG, timeouts=QUICK) as response:
            assert (response.status, response.reused) == (200, turn > 0)
            assert await response.read() == BIG
    async with transport.send("GET", f"{url}/stream", timeouts=QUICK) as response:
        assert response.headers.get("transfer-encoding") == "chunked"
        body = b"".join([chunk async for chunk in response.chunks()])
        assert body == b"".join(b"data: %d\n\n" % number for number in range(20))
    async with transport.send("HEAD", f"{url}/echo", timeouts=QUICK) as response:
        assert await response.read() == b""
    async with transport.send("GET", f"{url}/empty", timeouts=QUICK) as response:
        assert (response.status, await response.read()) == (204, b"")

    async def one(number: int) -> bytes:
        async with transport.send("POST", f"{url}/echo", body=b"%d" % number, timeouts=QUICK) as response:
            return await response.read()

    assert await asyncio.gather(*map(one, range(100))) == [b"%d" % number for number in range(100)]
    await transport.close()


Message = MutableMapping[str, Any]


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The same three pages as an ASGI application."""

    async def reply(status: int, *parts: bytes, length: int | None = None) -> None:
        headers = [] if length is None else [(b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    if scope["path"] == "/empty":
        await reply(204)
    elif scope["path"] == "/stream":
        await reply(200, *(b"data: %d\n\n" % number for number in range(20)))
    else:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        await reply(200, body, length=len(body))


def test_uvicorn() -> None:
    async def story() -> None:
        server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, ws="none"))
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        task = asyncio.create_task(server.serve([listener]))
        await exercise(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server.should_exit = True
        await task

    asyncio.run(story())


NODE = """
const server = require('http').createServer((request, response) => {
  if (request.url === '/empty') { response.writeHead(204); return response.end() }
  if (request.url === '/stream') {
    let number = 0
    const next = () => number < 20 ? (response.write(`data: ${number++}\\n\\n`), setImmediate(next)) : response.end()
    return next()
  }
  const parts = []
  request.on('data', part => parts.push(part))
  request.on('end', () => {
    const body = Buffer.concat(parts)
    response.setHeader('content-length', body.length)
    response.end(body)
  })
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node() -> None:
    with running(["node", "-e", NODE]) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        asyncio.run(exercise(f"http://127.0.0.1:{port}"))


NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder}; client_max_body_size 8m; keepalive_requests 10000;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{behind}; proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off;
    }}
  }}
}}
"""


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_nginx_before_another_server(tmp_path: Path) -> None:
    with running(["node", "-e", NODE]) as node:
        assert node.stdout
        behind = int(node.stdout.readline())
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        config = tmp_path / "nginx.conf"
        config.write_text(NGINX.format(folder=tmp_path, port=port, behind=behind))
        with running(["nginx", "-c", str(config), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")]):
            wait_for(port)
            asyncio.run(exercise(f"http://127.0.0.1:{port}"))


@contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server and end it after the block."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait_for(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError("the server did not start")
