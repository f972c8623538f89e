"""One gateway process: it serves, lets what runs end, and writes down all of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from mini_llm.gateway.connection import Limits
from tests.gateway.running import Running, running, wait_for
from tests.upstream import Provider, Say, Silence

CHAT = {"model": "lab/m", "messages": [{"role": "user", "content": "Hi"}]}
SLOW = Say("one two three four five six seven eight", pause=0.1)


def ask(gateway: Running, path: str = "/v1/chat/completions", **more: Any) -> httpx.Response:
    return httpx.post(f"{gateway.url}{path}", headers=gateway.headers, json={**CHAT, **more}, timeout=30)


class Asking:
    """Requests that run beside the test, each in a thread of its own."""

    def __init__(self, count: int, one: Callable[[], httpx.Response]) -> None:
        self.replies: list[httpx.Response | Exception] = []
        self._threads = [threading.Thread(target=self._ask, args=(one,)) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _ask(self, one: Callable[[], httpx.Response]) -> None:
        try:
            self.replies.append(one())
        except httpx.HTTPError as error:
            self.replies.append(error)

    def end(self) -> list[httpx.Response]:
        """Wait for all of them, and return what they got."""
        for thread in self._threads:
            thread.join(30)
        whole = [reply for reply in self.replies if isinstance(reply, httpx.Response)]
        assert len(whole) == len(self._threads), self.replies
        return whole


def texts(reply: httpx.Response) -> str:
    """Return the text of a stream of chat completions."""
    events = [line.removeprefix("data: ") for line in reply.text.splitlines() if line.startswith("data: {")]
    choices = [choice for event in events for choice in json.loads(event).get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def begun(provider: Provider, count: int) -> None:
    """Wait until so many requests have reached the provider."""
    wait_for(lambda: True if len(provider.seen) >= count else None, f"{count} requests")


def refused(gateway: Running) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5).close()
    except OSError:
        return True
    return False


def test_a_chat_goes_through_and_leaves_one_row(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        reply = ask(gateway)
        assert reply.status_code == 200, reply.text
        assert reply.json()["choices"][0]["message"]["content"] == "Hello"
        assert [row["status"] for row in gateway.rows(1)] == ["ok"]


def test_streams_that_run_when_it_stops_come_to_their_end(tmp_path: Path) -> None:
    with Provider(SLOW) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        asking = Asking(10, lambda: ask(gateway, stream=True))
        begun(provider, 10)
        gateway.stop()
        replies = asking.end()
        assert {texts(reply) for reply in replies} == {SLOW.text}
        assert all(reply.text.endswith("data: [DONE]\n\n") for reply in replies)
        assert refused(gateway)
    assert [row["status"] for row in gateway.rows(10)] == ["ok"] * 10


def test_a_second_stop_cuts_streams_and_tells_them_so(tmp_path: Path) -> None:
    endless = Say("word " * 400, pause=0.05)
    with Provider(endless) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        streams = Asking(3, lambda: ask(gateway, stream=True))
        claude = Asking(1, lambda: ask(gateway, "/v1/messages", stream=True, max_tokens=9))
        begun(provider, 4)
        began = time.monotonic()
        gateway.stop()
        gateway.stop()
        replies, (anthropic,) = streams.end(), claude.end()
        assert time.monotonic() - began < 10
        for reply in replies:
            assert '"code":"shutting_down"' in reply.text
            assert "[DONE]" not in reply.text
        assert "event: error" in anthropic.text
        assert "message_stop" not in anthropic.text
        for seen in provider.seen:
            assert seen.gone.wait(5), "the provider goes on writing"
    rows = gateway.rows(4)
    assert len(rows) == 4
    assert {row["status"] for row in rows} <= {"partial", "cancelled"}


def test_an_answer_that_was_not_begun_is_told_503_and_when_to_come_again(tmp_path: Path) -> None:
    with Provider(Silence()) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        asking = Asking(1, lambda: ask(gateway))
        begun(provider, 1)
        gateway.stop()
        gateway.stop()
        (reply,) = asking.end()
        assert reply.status_code == 503
        assert reply.json()["error"]["code"] == "shutting_down"
        assert reply.headers["retry-after"] == "1"


def test_connections_that_rest_are_closed_when_it_stops(tmp_path: Path) -> None:
    with (
        Provider(Say("Hello")) as provider,
        running(tmp_path / "home", {"lab": provider}) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as silent,
        httpx.Client(headers=gateway.headers) as client,
    ):
        assert client.get(f"{gateway.url}/readyz").status_code == 200
        gateway.stop()
        assert silent.recv(100) == b""


def test_it_is_not_ready_while_it_drains(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        assert httpx.get(f"{gateway.url}/readyz", headers=gateway.headers).status_code == 200
        gateway.gateway.draining = True
        reply = httpx.get(f"{gateway.url}/readyz", headers=gateway.headers)
        assert (reply.status_code, reply.text) == (503, "draining\n")
        assert httpx.get(f"{gateway.url}/livez").status_code == 200


def test_connections_over_the_cap_hear_503_and_the_cap_frees_itself(tmp_path: Path) -> None:
    with (
        Provider(Say("Hello")) as provider,
        running(tmp_path / "home", {"lab": provider}, limits=Limits(connections=4)) as gateway,
    ):
        address = ("127.0.0.1", gateway.port)
        held = [socket.create_connection(address, timeout=10) for _ in range(4)]
        wait_for(lambda: True if len(gateway.service.server.connections) == 4 else None, "four connections")
        more = [socket.create_connection(address, timeout=10) for _ in range(60)]  # more than are taken in to be told
        time.sleep(0.2)
        assert len(gateway.service.server.connections) <= 4 + 16, "what can't even be told has to wait in the kernel"
        for sock in more:
            answer = sock.recv(4096)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b'"overloaded"' in answer
            sock.close()
        for sock in held:
            sock.close()
        wait_for(lambda: True if not gateway.service.server.connections else None, "room")
        assert ask(gateway).status_code == 200
