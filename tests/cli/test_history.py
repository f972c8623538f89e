"""`mini-llm history`: list, show, search, delete, replay; and that nothing is kept until it is turned on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mini_llm.cli.conversations import described
from mini_llm.history import Heard, open_store
from mini_llm.types import ChatRequest, Message, Text
from tests.cli.process import Terminal, on_terminal, run
from tests.test_history import heard, said, user
from tests.upstream import Call, Provider, Say

Lab = Callable[..., Provider]
KEY = "sk-proj-canary0123456789abcdef"


@pytest.fixture
def asked(home: Path, lab: Lab) -> Provider:
    """Return a provider that was asked two things, both kept."""
    provider = lab(Say("**Because** of the air"), history=True)
    for number, prompt in enumerate(("Why is the sky blue?", "Who was Ada?")):
        messages = (Message("system", (Text("Be brief"),)), user(prompt))
        turn = heard(
            number, request=ChatRequest("lab/m", messages, max_tokens=99), answer=said("**Because** of the air")
        )
        _keep(home, turn._replace(tool="chat", input_tokens=10, output_tokens=5))
    return provider


def _keep(home: Path, *turns: Heard) -> None:
    store = open_store(home / "data" / "history.db")
    for turn in turns:
        store.add(turn, str)
    store.close()


def _list(home: Path) -> list[dict[str, Any]]:
    """Return what `history list --json` has to tell, without a process."""
    store = open_store(home / "data" / "history.db")
    try:
        return [described(one) for one in store.conversations()]
    finally:
        store.close()


def test_where_it_is_off_every_command_says_how_to_turn_it_on(home: Path, lab: Lab) -> None:
    lab()
    run(home, "chat", "hi")
    for command in (["show", "a"], ["delete", "--all", "--yes"], []):
        result = run(home, "history", *command)
        assert (result.code, result.out) == (1, "")
        assert result.err == (
            "error: history is off: prompts and answers are not kept\n"
            "hint: turn it on: `mini-llm config set history true`\n"
        )
    assert not list(home.rglob("history.db*"))


def test_turning_it_on_is_one_command(home: Path, lab: Lab) -> None:
    lab(Say("Hello"))
    assert run(home, "config", "set", "history", "true").code == 0
    assert run(home, "history").err == "nothing is kept yet\n"
    run(home, "chat", "hi")
    (kept,) = _list(home)
    assert (kept["title"], kept["turns"], kept["tool"], kept["model"]) == ("hi", 1, "chat", "lab/m")


def test_it_can_be_bounded_in_the_config(home: Path, lab: Lab) -> None:
    lab(Say("Hello"), history={"enabled": True, "days": 30, "megabytes": 50})
    run(home, "chat", "hi")
    assert len(_list(home)) == 1
    assert run(home, "config", "get", "history.days").out == "30\n"
    assert run(home, "config", "set", "history.days", "-1").code == 2


def test_what_was_kept_can_be_seen_and_deleted_after_it_is_off(home: Path, asked: Provider) -> None:
    run(home, "config", "set", "history", "false")
    result = run(home, "history")
    assert result.code == 0
    assert len(result.out.splitlines()) == 2
    assert "history is off, nothing new is kept" in result.err
    assert run(home, "history", "delete", "--all", "--yes").code == 0
    assert run(home, "history").out == ""


def test_the_list_has_the_latest_first(home: Path, asked: Provider) -> None:
    rows = [line.split("\t") for line in run(home, "history").out.splitlines()]
    assert [row[-1] for row in rows] == ["Who was Ada?", "Why is the sky blue?"]
    assert [row[2] for row in rows] == ["chat", "chat"]
    assert len(run(home, "history", "list", "--limit", "1").out.splitlines()) == 1
    first = json.loads(run(home, "history", "list", "--json").out)[0]
    assert first == _list(home)[0]
    assert set(first) == {
        *("id", "started", "updated", "title", "tool", "turns", "model", "cost", "cost_nanos", "unpriced")
    }


def test_one_is_shown_by_the_beginning_of_its_id(home: Path, asked: Provider) -> None:
    name = _list(home)[0]["id"]
    shown = run(home, "history", "show", name[:7])
    assert shown.code == 0
    system, user, assistant = shown.out.split("\n\n## ")
    assert system == "## system\n\nBe brief"
    assert user.startswith("user · ")
    assert user.endswith("\n\nWho was Ada?")
    assert assistant == "assistant · m via lab\n\n**Because** of the air\n"


def test_json_joins_to_the_ledger_and_tells_all(home: Path, asked: Provider) -> None:
    name = _list(home)[0]["id"]
    told = json.loads(run(home, "history", "show", name, "--json").out)
    (turn,) = told["messages"]
    assert (told["id"], turn["provider"], turn["model"], turn["status"]) == (name, "lab", "m", "ok")
    assert (turn["input_tokens"], turn["output_tokens"], turn["settings"]) == (10, 5, {"max_tokens": 99})
    assert [message["role"] for message in turn["messages"]] == ["system", "user"]
    assert turn["answer"]["parts"] == [{"type": "text", "text": "**Because** of the air"}]
    request = run(home, "history", "show", turn["request_id"], "--json")
    assert json.loads(request.out)["messages"] == [turn]


def test_an_unknown_id_is_one_clear_error(home: Path, asked: Provider) -> None:
    for command, name in (("show", ""), ("delete", "../../etc/passwd"), ("replay", "\x1b[2J")):
        result = run(home, "history", command, name)
        assert result.code in (1, 2)
        assert result.err.startswith("error: ")
        assert "\x1b" not in result.err
        assert "Traceback" not in result.err


def test_search_finds_words_wherever_they_were_said(home: Path, asked: Provider) -> None:
    rows = [line.split("\t") for line in run(home, "history", "search", "sky").out.splitlines()]
    assert [(row[3], row[4]) for row in rows] == [("user", "Why is the sky blue?")]
    (hit,) = json.loads(run(home, "history", "search", "ada", "who", "--json").out)
    assert hit["conversation"] == _list(home)[0]["id"]
    assert hit["text"] == "Who was Ada?"
    missing = run(home, "history", "search", "zebra")
    assert (missing.code, missing.out, missing.err) == (0, "", "nothing found\n")
    assert run(home, "history", "search", "--", '"', "NEAR(").code == 0


def test_what_is_deleted_is_gone(home: Path, asked: Provider) -> None:
    first, second = _list(home)
    assert run(home, "history", "delete", first["id"][:8]).err.startswith("deleted ")
    assert [one["id"] for one in _list(home)] == [second["id"]]
    assert run(home, "history", "delete", "--before", "2020-01-01", "--yes").err == "deleted 0 conversations\n"
    assert run(home, "history", "delete", "--all", "--yes", "--json").out == '{\n  "deleted": 1\n}\n'
    assert _list(home) == []
    for file in (home / "data").glob("history*"):
        assert b"Because" not in file.read_bytes()


def test_much_is_not_deleted_unasked(home: Path, asked: Provider) -> None:
    result = run(home, "history", "delete", "--before", "2099-01-01")
    assert result.code == 2
    assert result.err == "error: will not delete 2 conversations unasked\nhint: say so with `--yes`\n"
    for wrong in (["--all", "x"], ["--before", "soon", "--yes"]):
        assert run(home, "history", "delete", *wrong).code == 2
    terminal = Terminal(home, "history", "delete", "--all")
    terminal.until("Really delete 2 conversations? [y/N]")
    terminal.press("n\n")
    assert terminal.end() != 0
    assert len(_list(home)) == 2


def test_a_turn_is_asked_again_of_another_model(home: Path, asked: Provider) -> None:
    asked.script = [Say("Countess")]
    result = run(home, "history", "replay", _list(home)[0]["id"], "-m", "lab/other")
    assert (result.code, result.out) == (0, "Countess\n")
    body = asked.seen[-1].body
    assert body["model"] == "other"
    assert [turn["content"] for turn in body["messages"]] == ["Be brief", "Who was Ada?"]
    assert 99 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    told = json.loads(run(home, "history", "replay", _list(home)[1]["id"], "--json").out)
    assert told["text"] == "Countess"


def test_a_file_is_replayed_by_its_name_alone_and_that_is_said(home: Path, lab: Lab) -> None:
    provider = lab(Say("A cat"), history=True)
    (home / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    run(home, "chat", "What is this?", "-a", "cat.png")
    result = run(home, "history", "replay", _list(home)[0]["id"])
    assert "files are not kept" in result.err
    assert "cat.png, 28 bytes: not kept" in json.dumps(provider.seen[-1].body)


def test_tool_calls_are_kept_and_replayed_with_their_tools(home: Path, lab: Lab) -> None:
    from mini_llm import Client

    provider = lab(Call("look", '{"where": "up"}'), history=True)
    tool = {"name": "look", "description": "Looks", "parameters": {"type": "object"}}
    with Client(environ={"MINI_LLM_HOME": str(home)}) as client:
        client.chat("Look!", model="lab/m", tools=[tool], tool_choice="required")
    name = _list(home)[0]["id"]
    assert '→ look({"where": "up"})' in run(home, "history", "show", name).out
    run(home, "history", "replay", name)
    body = provider.seen[-1].body
    assert body["tools"][0]["function"]["name"] == "look"
    assert body["tool_choice"] == "required"


def test_no_secret_and_no_command_to_the_terminal_is_shown(home: Path, lab: Lab) -> None:
    evil = "\x1b]0;owned\x07 \x1b[2J \x9b31m"
    lab(Say(f"{evil} fine"), key=KEY, history=True)
    run(home, "chat", f"my key is {KEY} {evil}")
    name = _list(home)[0]["id"]
    for args in (["list"], ["show", name], ["search", "fine"]):
        terminal = Terminal(home, "--no-color", "history", *args)
        assert terminal.end() == 0
        seen = set(terminal.screen.replace("\r\n", "\n"))
        assert not seen & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}
    for file in (home / "data").iterdir():
        assert b"canary" not in file.read_bytes()


def test_a_list_and_a_hit_fit_a_terminal(home: Path, lab: Lab) -> None:
    lab(Say("word " * 200), history=True)
    run(home, "chat", "A very long question that " + "goes on and " * 20 + "ends")
    for args in (["list"], ["search", "long"]):
        code, screen = on_terminal(home, "history", *args)
        assert code == 0
        assert len(screen.splitlines()) <= 4
        assert all(len(line) <= 80 for line in screen.splitlines())


def test_a_history_that_cannot_be_read_is_one_clear_error(home: Path, lab: Lab) -> None:
    lab(Say("Hello"), history=True)
    (home / "data").mkdir()
    (home / "data" / "history.db").write_bytes(b"no database" * 999)
    result = run(home, "history")
    assert result.code == 1
    assert "can't be opened: it is damaged" in result.err
    chat = run(home, "chat", "hi")
    assert (chat.code, chat.out) == (0, "Hello\n")
    assert "warning: not kept in the history: " in chat.err
