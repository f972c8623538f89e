"""`chat -c` and `--cid`: a conversation that goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mini_llm.history import open_store
from mini_llm.types import ChatRequest, Message, Reasoning, Text, Tool, ToolCall, ToolResult
from tests.cli.process import run
from tests.test_history import heard, said, user
from tests.upstream import Provider, Say

Lab = Callable[..., Provider]


def _said(provider: Provider) -> list[tuple[str, Any]]:
    return [(turn["role"], turn["content"]) for turn in provider.seen[-1].body["messages"]]


def test_the_last_conversation_goes_on(home: Path, lab: Lab) -> None:
    provider = lab(Say("one"), Say("two"), Say("three"), history=True)
    first = json.loads(run(home, "chat", "Hi", "-s", "Be brief", "-m", "lab/other", "--json").out)
    second = json.loads(run(home, "chat", "-c", "And?", "--json").out)
    assert first["conversation"] == second["conversation"]
    assert _said(provider) == [("system", "Be brief"), ("user", "Hi"), ("assistant", "one"), ("user", "And?")]
    assert provider.seen[-1].body["model"] == "other"
    run(home, "chat", "-c", "-m", "lab/m", "-s", "Be long", "More?")
    assert _said(provider)[0] == ("system", "Be long")
    assert [role for role, _ in _said(provider)] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert provider.seen[-1].body["model"] == "m"


def test_any_conversation_goes_on_by_its_id(home: Path, lab: Lab) -> None:
    provider = lab(Say("Hello"), history=True)
    first = json.loads(run(home, "chat", "one", "--json").out)["conversation"]
    run(home, "chat", "two")
    result = run(home, "chat", "--cid", first[:8], "three", "--no-stream", "-a", "-", stdin=b"some notes")
    assert result.code == 0
    *_, (role, (notes, question)) = _said(provider)
    assert _said(provider)[0] == ("user", "one")
    assert (role, question["text"]) == ("user", "three")
    assert "some notes" in notes["text"]
    assert run(home, "chat", "--cid", "zzzz", "x").err.startswith("error: no conversation zzzz is kept\n")


def test_where_it_is_off_nothing_goes_on_and_it_says_how(home: Path, lab: Lab) -> None:
    provider = lab()
    for flag in (["-c"], ["--cid", "abc"]):
        result = run(home, "chat", *flag, "hi")
        assert (result.code, result.out) == (1, "")
        assert result.err == (
            "error: history is off: no conversation is kept that could go on\n"
            "hint: turn it on: `mini-llm config set history true`\n"
        )
    assert provider.seen == []


def test_without_a_conversation_there_is_none_to_go_on_with(home: Path, lab: Lab) -> None:
    lab(history=True)
    assert run(home, "chat", "-c", "hi").err.startswith("error: there is no conversation to go on with\n")


def test_a_conversation_with_calls_goes_on_with_their_tools_but_none_is_called(home: Path, lab: Lab) -> None:
    provider = lab(Say("Up"), history=True)
    call = ToolCall("call_123456789", "look", "{}")
    result = Message("tool", (ToolResult("call_123456789", (Text("a bird"),)),))
    tools = (Tool("look", "Looks", {"type": "object"}),)
    asked = ChatRequest("lab/m", (user("What flies?"), said(Reasoning("Hm"), call), result), tools=tools)
    store = open_store(home / "data" / "history.db")
    store.add(heard(1, request=asked, answer=said("A bird"), conversation="abc", tool="codex"), str)
    store.close()
    assert run(home, "chat", "--cid", "abc", "Where?").out == "Up\n"
    body = provider.seen[-1].body
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "tool", "assistant", "user"]
    assert (body["tools"][0]["function"]["name"], body["tool_choice"]) == ("look", "none")


def test_files_of_earlier_turns_are_named_and_that_is_said(home: Path, lab: Lab) -> None:
    provider = lab(Say("A cat"), history=True)
    (home / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    run(home, "chat", "What is this?", "-a", "cat.png")
    result = run(home, "chat", "-c", "And its color?", "--dry-run")
    assert "note: files of earlier turns are not kept" in result.err
    assert len(provider.seen) == 1


def test_an_answer_that_does_not_fit_its_schema_fails(home: Path, lab: Lab) -> None:
    lab(Say('{"name": "Rex", "age": "old"}'))
    for flags in ([], ["--json"], ["--no-stream"]):
        result = run(home, "chat", "a dog", "--schema", "name, age int", *flags)
        assert result.code == 1
        assert "Rex" in result.out
        assert result.err.startswith(
            "error: the answer does not fit the schema: 'old' is not of type 'integer' (at $.age)\nhint: ask again"
        )


def test_a_schema_that_is_none_is_told_before_anything_is_sent(home: Path, lab: Lab) -> None:
    provider = lab()
    result = run(home, "chat", "a dog", "--schema", '{"type": "objekt"}')
    assert (result.code, provider.seen) == (2, [])
    assert result.err.startswith("error: the schema is none: 'objekt' is not valid")
