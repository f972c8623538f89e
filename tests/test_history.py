"""The history: what is kept of a turn, how it is found again, and that nobody waits for it."""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_llm.credentials import Redactor
from mini_llm.errors import UsageError
from mini_llm.history import Heard, open_store
from mini_llm.history.entries import HistoryError, NoConversationError
from mini_llm.history.sqlite import Store
from mini_llm.types import (
    ChatRequest,
    ChatResponse,
    Choice,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)

DAY = 86_400.0
NOW = 1_790_000_000.0
KEY = "sk-proj-canary0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "history.db")
    yield opened
    opened.close()


def user(*parts: str | Part) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def said(*parts: str | Part) -> Message:
    return user(*parts)._replace(role="assistant")


def heard(number: int, *messages: Message, answer: Message | None = None, **facts: Any) -> Heard:
    """Return turn *number*: *messages* are asked, *answer* is said."""
    request = facts.pop("request", ChatRequest("fast", messages))
    response = ChatResponse("", "m", (Choice(answer or said("Hello"), "stop"),))
    told = Heard(lambda: request, lambda: response, f"ml-{number:024x}", NOW + number, "fast: lab/m", "lab", "m", "ok")
    return told._replace(**facts)


def keep(store: Store, *turns: Heard) -> list[str]:
    return [store.add(turn, Redactor().redact) for turn in turns]


def test_a_turn_comes_back_as_it_was(store: Store) -> None:
    call = ToolCall("call_123456789", "look", '{"where": "here"}', signature="c2ln")
    thought = Reasoning("Hmm", id="rs_1", signature="abc", encrypted="xyz", dialect="openai_responses")
    question = user("Where is it?")._replace(name="ann")
    result = Message("tool", (ToolResult("call_123456789", (Text("found"),), is_error=True, name="look"),))
    request = ChatRequest(
        "smart",
        (Message("system", (Text("Be brief"),)), question, said(thought, call), result),
        max_tokens=9,
        temperature=0.5,
        tools=(Tool("look", "Looks", {"type": "object"}),),
        thinking=Thinking(effort="high"),
    )
    answer = said(thought, "It is here", Opaque("anthropic_messages", {"type": "note", "text": "x"}))
    turn = heard(1, request=request, answer=answer, cost_nanos=7, input_tokens=3, output_tokens=2, seconds=1.5)
    (conversation,) = keep(store, turn._replace(tool="codex", route="smart: lab/m"))
    (kept,) = store.turns(conversation)
    assert kept.messages == request.messages
    assert kept.answer == answer
    assert (kept.asked, kept.provider, kept.model, kept.cost_nanos) == ("smart", "lab", "m", 7)
    assert (kept.request_id, kept.tool, kept.status, kept.seconds) == (turn.request_id, "codex", "ok", 1.5)
    assert kept.settings["max_tokens"] == 9
    assert kept.settings["tools"] == [{"name": "look", "description": "Looks", "parameters": {"type": "object"}}]
    assert kept.settings["thinking"] == {"effort": "high"}


def test_a_conversation_that_nobody_names_is_known_by_what_was_said(store: Store) -> None:
    first, second = user("Hi"), user("And then?")
    one = keep(store, heard(1, first, answer=said("Hello  there")))
    respelled = said("Hello ", "there\n")  # a client that parts and spaces the words anew
    two = keep(store, heard(2, Message("system", (Text("new date"),)), first, respelled, second, answer=said("Bye")))
    other = keep(store, heard(3, first, answer=said("Hello you")))
    three = keep(store, heard(4, first, said("Hello you"), second))
    assert one == two
    assert other == three
    assert one != other
    assert [conversation.turns for conversation in store.conversations()] == [2, 2]


def test_another_caller_does_not_get_into_a_conversation(store: Store) -> None:
    first = keep(store, heard(1, user("Hi"), answer=said("Hello"), caller="ann"))
    second = keep(store, heard(2, user("Hi"), said("Hello"), user("More"), caller="bob"))
    assert first != second


def test_a_message_that_is_sent_again_is_kept_once(store: Store, tmp_path: Path) -> None:
    log = [user(f"{number} " + "word " * 4000) for number in range(20)]
    keep(store, *(heard(number, *log[: number + 1], conversation="abc") for number in range(20)))
    store.close()
    assert (tmp_path / "history.db").stat().st_size < 2 << 20  # it would be 4 MB


def test_files_are_kept_by_hash_and_name(store: Store, tmp_path: Path) -> None:
    data = b64encode(b"\x89PNG" + bytes(300_000)).decode()
    asked = user(Image(data=data, media_type="image/png", name="cat.png"), Image(url=f"data:image/png;base64,{data}"))
    (conversation,) = keep(store, heard(1, asked))
    store.close()
    assert (tmp_path / "history.db").stat().st_size < 200_000
    (kept,) = open_store(tmp_path / "history.db").turns(conversation)
    first, second = kept.messages[0].parts
    assert first == Text("[image cat.png, 300,004 bytes: not kept]")
    assert isinstance(second, Text)
    assert "300,004 bytes" in second.text


def test_text_without_end_is_cut(store: Store) -> None:
    (conversation,) = keep(store, heard(1, user("x" * (3 << 20))))
    (part,) = store.turns(conversation)[0].messages[0].parts
    assert isinstance(part, Text)
    assert len(part.text) < (1 << 20) + 100
    assert "2,097,152 more characters were not kept" in part.text


def test_secrets_are_not_kept(store: Store, tmp_path: Path) -> None:
    call = ToolCall("call_123456789", "run", f'{{"env": "api_key={KEY}"}}')
    settings = ChatRequest("m", (user(f"my key is {KEY}"),), tools=(Tool("t", f"uses {KEY}"),))
    keep(store, heard(1, request=settings, answer=said(f"{KEY} it is", call)))
    store.close()
    for file in tmp_path.iterdir():
        assert b"canary" not in file.read_bytes()


def test_an_answer_too_large_to_read_leaves_its_question(store: Store) -> None:
    turn = heard(1, user("Draw"))._replace(response=lambda: None)
    (conversation,) = keep(store, turn)
    assert store.turns(conversation)[0].answer is None
    assert store.conversations()[0].title == "Draw"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("fox", True),
        ("FÓX quick", True),
        ('"quick brown"', True),
        ('"brown quick"', False),
        ("qui*", True),
        ("uic", True),  # inside a word
        ("天空", True),
        ("100%", True),
        ("10%", False),
        ("cat", False),
        ('"', False),
        ("fox AND NOT", False),
        ("NEAR(fox", False),
        ("text:fox", False),
        ("* ^ - ( )", False),
        ("'; DROP TABLE turn; --", False),
        ("\x00fox", True),
    ],
)
def test_search_takes_any_words(query: str, found: bool, store: Store) -> None:
    keep(store, heard(1, user("The quick brown fox, 100%"), answer=said("为什么天空是蓝色的")))
    assert bool(store.search(query)) is found


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Return a history that all examples search."""
    opened = open_store(tmp_path_factory.mktemp("searched") / "history.db")
    keep(opened, heard(1, user("The quick brown fox")))
    yield opened
    opened.close()


@settings(max_examples=200, deadline=None)
@given(query=st.text(min_size=1))
def test_no_search_fails(query: str, searched: Store) -> None:
    try:
        searched.search(query)
    except UsageError:
        assert not query.replace("\0", " ").split()


def test_a_hit_shows_where_it_was_said_first(store: Store) -> None:
    first = user("a blue sky")
    keep(store, heard(1, first, conversation="aaa"), heard(2, first, said("Hello"), user("b"), conversation="aaa"))
    (hit,) = store.search("sky")
    assert (hit.conversation, hit.request_id, hit.role) == ("aaa", f"ml-{1:024x}", "user")
    assert hit.text == "a blue \x02sky\x03"
    assert hit.title == "a blue sky"


def test_a_system_prompt_is_not_searched(store: Store) -> None:
    keep(store, heard(1, Message("system", (Text("Never say zebra"),)), user("Hi")))
    assert store.search("zebra") == []


def test_ids_may_be_shortened_while_only_one_begins_so(store: Store) -> None:
    for number, name in enumerate(("abcdefghijkm", "abcdexxxxxxx", "zzz")):
        keep(store, heard(number, user(name), conversation=name))
    assert store.find("z") == ("zzz", "")
    assert store.find("abcdef") == ("abcdefghijkm", "")
    assert store.find(f"ml-{1:024x}") == ("abcdexxxxxxx", f"ml-{1:024x}")
    for wrong in ("abc", "q", "", "../x", "ml-", "'", "%"):
        with pytest.raises(NoConversationError):
            store.find(wrong)


def test_what_is_deleted_is_gone_from_the_file(store: Store, tmp_path: Path) -> None:
    shared = user("shared words")
    keep(store, heard(1, shared, user("xylophone secret"), conversation="aaa"), heard(2, shared, conversation="bbb"))
    assert store.delete("aaa") == 1
    assert store.search("xylophone") == []
    assert len(store.search("shared")) == 1
    for file in tmp_path.iterdir():
        assert b"xylophone" not in file.read_bytes(), file
    assert store.delete("bbb", f"ml-{2:024x}") == 1
    assert store.conversations() == []


def test_what_is_deleted_in_bulk_is_gone_from_the_file(store: Store, tmp_path: Path) -> None:
    keep(store, *(heard(number, user(f"xylophone secret {number}")) for number in range(70)))
    keep(store, heard(99, user("zither"), time=NOW + DAY))
    assert store.delete_before(NOW + 1000) == 70
    assert store.search("xylophone") == []
    assert len(store.search("zither")) == 1
    for file in tmp_path.iterdir():
        assert b"xylophone" not in file.read_bytes(), file
    assert store.delete_before(float("inf")) == 1
    assert not any(b"zither" in file.read_bytes() for file in tmp_path.iterdir())


def test_what_is_old_goes_by_itself(tmp_path: Path) -> None:
    store = Store(tmp_path / "history.db", now=lambda: NOW + 91 * DAY)
    keep(store, heard(1, user("old"), conversation="aaa"))
    keep(store, heard(2, user("new"), conversation="bbb", time=NOW + 2 * DAY))
    store.trim(90, 500)
    assert [one.id for one in store.conversations()] == ["bbb"]
    store.trim(0, 500)
    assert len(store.conversations()) == 1
    store.close()


def test_the_oldest_goes_where_there_is_no_more_room(store: Store) -> None:
    for number in range(30):
        keep(store, heard(number, user(os.urandom(50_000).hex()), conversation=f"c{'abcdefghij'[number % 10]}{number}"))
    store.trim(0, 1)
    left = [one.started - NOW for one in store.conversations()]
    assert 0 < len(left) < 12
    assert left == sorted(left, reverse=True)
    assert left[0] == 29


def test_a_turn_that_is_told_twice_is_kept_once(store: Store) -> None:
    keep(store, *[heard(1, user("Hi"), conversation="aaa")] * 2)
    assert store.conversations()[0].turns == 1


def test_half_characters_do_not_hinder(store: Store) -> None:
    (conversation,) = keep(store, heard(1, user("a\ud800b \x00 c")))
    assert store.turns(conversation)[0].messages == (user("a?b \x00 c"),)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_file_is_for_its_owner_alone(store: Store, tmp_path: Path) -> None:
    keep(store, heard(1, user("Hi")))
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("content", [b"no database at all, not even nearly" * 99, b"SQLite format 3\x00" + bytes(5000)])
def test_a_file_that_is_no_history_is_a_clear_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(content)
    with pytest.raises(HistoryError, match=r"the history .* can't be opened"):
        open_store(tmp_path / "history.db")


def test_one_that_a_newer_version_wrote_is_left_alone(tmp_path: Path) -> None:
    store = open_store(tmp_path / "history.db")
    store._connection.pragma("user_version", 99)
    store.close()
    with pytest.raises(HistoryError, match="newer version"):
        open_store(tmp_path / "history.db")


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    first, second = (open_store(tmp_path / "history.db") for _ in range(2))
    keep(first, heard(1, user("one"), conversation="aaa"))
    keep(second, heard(2, user("two"), conversation="bbb"))
    assert len(first.conversations()) == 2
    first.close()
    second.close()


def test_the_last_prompts_come_back_in_order(store: Store) -> None:
    for number, text in enumerate(("one", "two", "one")):
        keep(store, heard(number, user(text), tool="chat"))
    keep(store, heard(9, user("elsewhere"), tool="codex"))
    assert store.prompts("chat", 10) == ["two", "one"]
    assert store.last("chat") != store.last("codex")
    assert store.last("nobody") == ""
