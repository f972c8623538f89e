"""client: how it ends: streams left open, another thread that closes, a fork, prompts that cannot be sent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mini_llm import AsyncClient, Client
from mini_llm.errors import ProtocolError, UsageError
from tests.hostile import flood, hostile
from tests.upstream import Provider, Say, Silence, Status, Step
from tests.world import World

LONG = Say("word " * 2000, pause=0.005)


def world(home: Path, provider: Provider) -> World:
    return World(home, {"p": provider}, {"default": "p/m"})


def test_a_stream_left_open_is_stopped_and_booked_when_its_client_closes(tmp_path: Path) -> None:
    with Provider(LONG) as provider:
        ours = world(tmp_path / "home", provider)
        client = Client(environ=ours.environ)
        stream = client.stream("Hi")
        next(stream)
        client.close()
        assert provider.seen[0].gone.wait(1)
        assert [row["status"] for row in ours.rows()] == ["cancelled"]
        stream.close()
        with pytest.raises(UsageError, match="closed"):
            next(stream)


def test_the_same_for_the_asynchronous_client(tmp_path: Path) -> None:
    async def leave(ours: World) -> None:
        client = AsyncClient(environ=ours.environ)
        stream = client.stream("Hi")
        await anext(stream)
        await client.close()

    with Provider(LONG) as provider:
        ours = world(tmp_path / "home", provider)
        asyncio.run(leave(ours))
        assert provider.seen[0].gone.wait(1)
        assert [row["status"] for row in ours.rows()] == ["cancelled"]


def test_another_thread_may_stop_a_stream_and_its_loop_ends(tmp_path: Path) -> None:
    with Provider(LONG) as provider, Client(environ=world(tmp_path / "home", provider).environ) as client:
        stream = client.stream("Hi")
        next(stream)
        words: list[str] = []
        reader = threading.Thread(target=lambda: words.extend(delta.text for delta in stream))
        reader.start()
        while not words and reader.is_alive() and len(provider.seen) < 1:
            pass
        stream.close()
        reader.join(5)
        assert not reader.is_alive()
        assert provider.seen[0].gone.wait(1)


def test_another_task_may_stop_a_stream_and_only_that_ends(tmp_path: Path) -> None:
    async def story(ours: World) -> str:
        client = AsyncClient(environ=ours.environ)
        stream = client.stream("Hi")

        async def read() -> str:
            async for _ in stream:
                pass
            await asyncio.sleep(0)  # the task itself was not cancelled
            return "read"

        reading = asyncio.create_task(read())
        await asyncio.sleep(0.1)
        await stream.aclose()
        told = await reading
        await client.close()
        return told

    with Provider(LONG) as provider:
        ours = world(tmp_path / "home", provider)
        assert asyncio.run(story(ours)) == "read"
        assert [row["status"] for row in ours.rows()] == ["cancelled"]


def test_a_reader_who_is_cancelled_himself_stays_cancelled(tmp_path: Path) -> None:
    async def story(ours: World) -> None:
        async with AsyncClient(environ=ours.environ) as client:
            stream = client.stream("Hi")

            async def read() -> None:
                async for _ in stream:
                    pass

            reading = asyncio.create_task(read())
            await asyncio.sleep(0.05)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading

    with Provider(LONG) as provider:
        asyncio.run(story(world(tmp_path / "home", provider)))


def test_closing_while_another_thread_waits_for_its_answer_ends_the_wait(tmp_path: Path) -> None:
    with Provider(Silence()) as provider:
        ours = world(tmp_path / "home", provider)
        client = Client(environ=ours.environ)
        errors: list[BaseException] = []

        def ask() -> None:
            try:
                client.chat("Hi")
            except UsageError as error:
                errors.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        while not provider.seen:
            pass
        client.close()
        asking.join(5)
        assert not asking.is_alive()
        assert "closed before the answer" in str(errors[0])
        assert [row["status"] for row in ours.rows()] == ["cancelled"]


INTERRUPTED = """
import sys
from mini_llm import Client
client = Client()
if sys.argv[1] == "chat":
    client.chat("Hi")
for delta in client.stream("Hi"):
    print(delta.text, flush=True)
    if sys.argv[1] == "between":
        import os, signal
        os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C can't be sent to one process there")
@pytest.mark.parametrize(("moment", "step"), [("chat", Silence()), ("stream", LONG), ("between", LONG)])
def test_an_interrupt_stops_the_provider_and_is_booked_though_nobody_closed(
    tmp_path: Path, moment: str, step: Step
) -> None:
    with Provider(step) as provider:
        ours = world(tmp_path / "home", provider)
        environ = {**os.environ, **ours.environ}
        command = [sys.executable, "-c", INTERRUPTED, moment]
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            if moment == "chat":
                while not provider.seen:
                    time.sleep(0.01)
            else:
                assert process.stdout is not None and process.stdout.readline()
            if moment != "between":  # there it does so itself
                process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=10)
        assert b"KeyboardInterrupt" in told
        assert provider.seen[0].gone.wait(1)
        assert [row["status"] for row in ours.rows()] == ["cancelled"]


FORKED = """
import os, sys
from mini_llm import Client
client = Client()
if sys.argv[1] == "used":
    assert client.chat("Hi").text == "Hello"
child = os.fork()
os.write(1, client.chat("Hi").text.encode() + b"\\n")  # in one piece: two processes write here
client.close()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("state", ["fresh", "used"])
def test_a_client_made_before_a_fork_works_on_both_sides(tmp_path: Path, state: str) -> None:
    with Provider(Say("Hello")) as provider:
        ours = world(tmp_path / "home", provider)
        command = [sys.executable, "-W", "ignore", "-c", FORKED, state]
        done = subprocess.run(
            command, env={**os.environ, **ours.environ}, capture_output=True, text=True, timeout=20, check=True
        )
    assert done.stdout == "Hello\nHello\n"
    assert len(ours.rows()) == len(provider.seen)


@pytest.mark.parametrize("stream", [False, True])
def test_text_that_no_json_can_hold_is_told_before_anything_is_sent(tmp_path: Path, *, stream: bool) -> None:
    with Provider() as provider:
        error = world(tmp_path / "home", provider).failure(prompt="half \ud800", stream=stream)
        assert isinstance(error, UsageError) and "JSON" in error.message
        assert provider.seen == []


def test_a_list_of_models_holds_names_only(tmp_path: Path) -> None:
    rows = [{"id": name} for name in ("good", "", "\x1b]0;owned\x07", "a\0b", "x" * 10_000, "line\nbreak", 7, None)]
    with Provider(Status(200, {"data": [*rows, "bare", ["list"]]})) as provider:

        async def listed(ours: World) -> tuple[str, ...]:
            async with AsyncClient(environ=ours.environ) as client:
                return await client.listed("p")

        assert asyncio.run(listed(world(tmp_path / "home", provider))) == ("good",)


def test_millions_of_events_without_content_are_not_kept(tmp_path: Path) -> None:
    event = b'data: {"id":"x","choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"a"}]}}]}\n\n'

    async def story() -> None:
        async with hostile() as peer:
            peer.scripts["/v1/chat/completions"] = flood(
                event * 500, head=b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
            )
            ours = World(tmp_path / "home", {"p": f"{peer.url}/v1"}, {"default": "p/m"})
            with pytest.raises(ProtocolError, match="events without content"):
                await anext(ours.client().stream("Hi"))
            await ours.runtime.close()

    asyncio.run(story())
