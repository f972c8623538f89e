"""What the SDK and the gateway leave in the history: everything where it is on, nothing where it is off."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from mini_llm.errors import MiniLLMError
from mini_llm.history import Heard, History, open_store
from mini_llm.history.entries import Conversation, HistoryError, Kept
from mini_llm.types import Message, Text, ToolCall
from tests.gateway.running import InThread, running
from tests.gateway.test_reload import Followed
from tests.test_history import heard, user
from tests.upstream import Call, Cut, Provider, Say, Status
from tests.world import World

ON = {"history": True}
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
ASKED = {"model": "lab/m", "max_tokens": 99, "messages": [{"role": "user", "content": "Why?"}]}


def kept(home: Path) -> list[tuple[Conversation, list[Kept]]]:
    """Return all that is kept below *home*, the oldest conversation first."""
    store = open_store(home / "data" / "history.db")
    try:
        return [(one, store.turns(one.id)) for one in reversed(store.conversations())]
    finally:
        store.close()


def only(home: Path) -> Kept:
    ((_, (turn,)),) = kept(home)
    return turn


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_leaves_what_it_asked_and_got(stream: bool, tmp_path: Path) -> None:
    with Provider(Say("Because of the sky")) as provider:
        world = World(tmp_path / "home", {"lab": provider}, ON)
        options = {"model": "lab/m", "system": "Be brief", "caller": "sdk", "temperature": 0.5}
        answer = world.stream("Why?", **options)[1] if stream else world.ask("Why?", **options)
    turn = only(world.home)
    assert turn.messages == (Message("system", (Text("Be brief"),)), user("Why?"))
    assert turn.answer == Message("assistant", (Text("Because of the sky"),))
    assert (turn.asked, turn.tool, turn.status, turn.settings["temperature"]) == ("lab/m", "sdk", "ok", 0.5)
    row = world.rows()[0]
    assert (turn.request_id, turn.cost_nanos) == (row["request_id"], row["cost_nanos"])
    assert (turn.input_tokens, turn.output_tokens) == (10, 5)
    assert turn.request_id == answer.request_id


def test_nothing_is_kept_where_it_is_off(tmp_path: Path) -> None:
    with Provider(Say("Because of the sky")) as provider:
        off: list[dict[str, Any]] = [{}, {"history": False}, {"history": {"enabled": False, "days": 9}}]
        for number, settings in enumerate(off):
            world = World(tmp_path / str(number), {"lab": provider}, settings)
            world.ask("Why would that canary sing?", model="lab/m")
            assert not (world.home / "data" / "history.db").exists()
            for file in world.home.rglob("*"):
                assert file.is_dir() or b"canary" not in file.read_bytes()


def test_an_answer_that_breaks_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    with Provider(Cut("Hello there")) as provider:
        world = World(tmp_path / "home", {"lab": provider}, ON)
        assert isinstance(world.failure(stream=True, model="lab/m"), MiniLLMError)
    turn = only(world.home)
    assert (turn.status, turn.answer) == ("partial", Message("assistant", (Text("Hello there"),)))


def test_an_answer_that_was_stopped_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    async def leave_early(world: World) -> None:
        async with world.client() as client, aclosing(client.stream("Why?", model="lab/m")) as stream:
            while not (await anext(stream)).text:
                pass
        await world.runtime.close()

    with Provider(Say("word " * 400, pause=0.01)) as provider:
        world = World(tmp_path / "home", {"lab": provider}, ON)
        asyncio.run(leave_early(world))
    turn = only(world.home)
    assert turn.status == "cancelled"
    assert turn.answer is not None
    assert str(turn.answer.parts[0].text).startswith("word")  # type: ignore[union-attr]  # a Text, else it fails


def test_an_answer_from_two_targets_is_kept_as_one(tmp_path: Path) -> None:
    with Provider(Cut("Hello there")) as first, Provider(Say("Hello there, and on")) as second:
        settings = {**ON, "aliases": {"both": ["one/m", "two/m"]}, "routing": {"recovery": "restart"}}
        world = World(tmp_path / "home", {"one": first, "two": second}, settings)
        _, answer = world.stream("Hi", model="both")
    turn = only(world.home)
    assert answer.text == "Hello there, and on"
    assert turn.answer is not None
    assert "".join(part.text for part in turn.answer.parts if isinstance(part, Text)) == answer.text
    assert (turn.provider, turn.status) == ("two", "ok")


def test_what_got_no_answer_is_not_kept(tmp_path: Path) -> None:
    with Provider(Status(400)) as provider:
        world = World(tmp_path / "home", {"lab": provider}, ON)
        world.failure(model="lab/m")
    assert kept(world.home) == []


def test_embeddings_are_not_kept(tmp_path: Path) -> None:
    vectors = {"data": [{"embedding": [0.5], "index": 0}], "model": "m"}

    async def embed(world: World) -> None:
        await world.client().embed("words", model="lab/m")
        await world.runtime.close()

    with Provider(Status(200, vectors)) as provider:
        world = World(tmp_path / "home", {"lab": provider}, ON)
        asyncio.run(embed(world))
    assert kept(world.home) == []


def test_a_named_conversation_holds_all_its_turns(tmp_path: Path) -> None:
    async def ask(world: World) -> None:
        client = world.client()
        for prompt in ("one", "two"):
            await client.chat(prompt, model="lab/m", conversation="abc")
        await world.runtime.close()

    with Provider() as provider:
        world = World(tmp_path / "home", {"lab": provider}, ON)
        asyncio.run(ask(world))
    ((conversation, turns),) = kept(world.home)
    assert (conversation.id, conversation.title, len(turns)) == ("abc", "one", 2)


def ask(gateway: InThread, path: str, body: Any) -> httpx.Response:
    return httpx.post(f"{gateway.url}{path}", json=body, headers=gateway.headers, trust_env=False)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_the_gateway_leaves_what_passed_and_what_it_translated(
    path: str, stream: bool, dialect: str, tmp_path: Path
) -> None:
    with Provider(Call("look", '{"where": "up"}')) as provider:
        lab = {"baseUrl": provider.url, "models": ["m"], "dialect": dialect}
        with running(tmp_path, {}, {"providers": {"lab": lab}, **ON}) as gateway:
            tool = {"name": "look", "input_schema": {"type": "object"}}
            if path == CHAT:
                tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
            assert ask(gateway, path, {**ASKED, "stream": stream, "tools": [tool]}).status_code == 200
    turn = only(tmp_path)
    assert turn.messages == (user("Why?"),)
    assert turn.answer is not None
    (call,) = turn.answer.parts
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments.replace(" ", "")) == ("look", '{"where":"up"}')
    assert turn.settings["tools"][0]["name"] == "look"
    assert turn.status == "ok"


def test_the_gateway_keeps_a_conversation_together(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider, running(tmp_path, {"lab": provider}, ON) as gateway:
        turns: list[dict[str, Any]] = []
        for prompt in ("one", "two", "three"):
            turns.append({"role": "user", "content": prompt})
            answer = ask(gateway, CHAT, {**ASKED, "messages": turns}).json()
            turns.append(answer["choices"][0]["message"])
    ((conversation, found),) = kept(tmp_path)
    assert [len(turn.messages) for turn in found] == [1, 3, 5]
    assert conversation.title == "one"


def test_the_gateway_begins_and_stops_to_keep_without_a_restart(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider, running(tmp_path, {"lab": provider}) as gateway:
        followed = Followed(gateway)
        for prompt, on in (("one", False), ("two", True), ("three", False)):
            followed.write(history=on)
            followed.wake()
            followed.until(lambda on=on: gateway.runtime.loaded.config.history is on, "the new settings")  # type: ignore[misc]
            ask(gateway, CHAT, {**ASKED, "messages": [{"role": "user", "content": prompt}]})
        followed.until(lambda: kept(tmp_path), "the turn")
        followed.end()
    assert [conversation.title for conversation, _ in kept(tmp_path)] == ["two"]


class Broken:
    """A book that cannot be written, until `mended`."""

    def __init__(self) -> None:
        self.added: list[str] = []
        self.mended = False

    def add(self, heard: Heard, redact: object) -> None:
        if not self.mended:
            raise HistoryError("the disk is full")
        self.added.append(heard.request_id)

    def trim(self, days: int, megabytes: int) -> None: ...

    def close(self) -> None: ...


def test_what_cannot_be_written_is_told_and_the_next_is_written() -> None:
    book = Broken()
    history = History(lambda: book, str)
    history.keep(heard(1, user("a")))
    history.close()
    assert history.trouble == "the disk is full"
    book.mended = True
    history.keep(heard(2, user("b")))
    history.keep(heard(3, user("c"))._replace(request=lambda: 1 // 0))  # type: ignore[arg-type, return-value]
    history.close()
    assert book.added == [f"ml-{number:024x}" for number in (2, 3)]
    assert history.trouble == ""


def test_a_request_that_nobody_can_read_is_left_out(tmp_path: Path) -> None:
    history = History(lambda: open_store(tmp_path / "history.db"), str)
    history.keep(heard(1, user("a"))._replace(request=lambda: 1 // 0))  # type: ignore[arg-type, return-value]
    history.keep(heard(2, user("b")))
    history.close()
    store = open_store(tmp_path / "history.db")
    assert [one.title for one in store.conversations()] == ["b"]
    store.close()


def test_nobody_waits_for_a_book_that_does_not_open() -> None:
    opened = threading.Event()

    def stuck() -> Broken:
        opened.wait()
        return Broken()

    history = History(stuck, str)
    for number in range(2000):
        history.keep(heard(number, user("a")))
    assert "wait to be written" in history.trouble
    opened.set()
    history.close()


def test_an_answer_comes_though_the_history_cannot_be_written(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider:
        world = World(tmp_path / "home", {"lab": provider}, ON)
        (world.home / "data").mkdir()
        (world.home / "data" / "history.db").write_bytes(b"not a database at all" * 500)
        assert world.ask(model="lab/m").text == "Hello"
        assert world.runtime.history is not None
        assert "it is damaged" in world.runtime.history.trouble
