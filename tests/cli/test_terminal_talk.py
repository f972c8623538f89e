"""`mini-llm chat -i` on a real pseudo-terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mini_llm.history import open_store
from tests.cli.process import Terminal, run
from tests.upstream import Provider, Say, Status

Lab = Callable[..., Provider]
READY = "\x1b[?2004h"  # somebody may type now
LONG = "First part.\n\n" + " ".join(["word"] * 400)


class Talking(Terminal):
    """A conversation. `type` waits until the last one was answered."""

    typed = 0

    def type(self, *keys: str) -> str:
        """Type when the prompt is there; return what is on the screen when it is there again."""
        self._wait(self.typed + 1)
        for key in keys:
            self.press(key)
        self.typed += 1
        before = len(self.screen)
        self._wait(self.typed + 1)
        return self.screen[before:]

    def _wait(self, prompts: int) -> None:
        end = time.monotonic() + 30
        while self.screen.count(READY) < prompts:
            assert time.monotonic() < end, f"no prompt came: {self.screen!r}"
            self._read(0.05)


@contextmanager
def talking(home: Path, *args: str) -> Iterator[Talking]:
    """Begin a conversation, and leave it with Ctrl-D."""
    terminal = Talking(home, "chat", "-i", *args, environ={"PROMPT_TOOLKIT_NO_CPR": "1"})
    yield terminal
    terminal._wait(terminal.typed + 1)
    terminal.press("\x04")
    assert terminal.end(30) == 0, terminal.plain
    assert "Traceback" not in terminal.plain


def _said(provider: Provider, request: int = -1) -> list[tuple[str, Any]]:
    return [(turn["role"], turn["content"]) for turn in provider.seen[request].body["messages"]]


def test_each_question_goes_with_all_that_was_said(home: Path, lab: Lab) -> None:
    provider = lab(Say("one"), Say("two"), Say("three"), Say("four"), Say("five"))
    with talking(home, "-s", "Be brief", "-o", "temperature=0.5", "Hi", "there") as terminal:
        terminal.type("threnody\r")
        assert _said(provider) == [
            *(("system", "Be brief"), ("user", "Hi there"), ("assistant", "one"), ("user", "threnody")),
        ]
        assert provider.seen[-1].body["temperature"] == 0.5
        assert "forgotten: threnody" in terminal.type("/undo\r")
        terminal.type("/system Be long\r")
        terminal.type("/retry\r")
        assert _said(provider) == [("system", "Be long"), ("user", "Hi there")]
        assert "lab/other" in terminal.type("/model lab/other\r")
        terminal.type('"""one\r', 'two"""\r')
        assert _said(provider)[-1] == ("user", "one\ntwo")
        assert provider.seen[-1].body["model"] == "other"
        terminal.type("three\x1b\rfour\r")
        assert _said(provider)[-1] == ("user", "three\nfour")
        assert "5 answers · 50 in, 25 out" in terminal.type("/cost\r")
    assert not list(home.rglob("history*"))
    assert not any(b"threnody" in file.read_bytes() for file in home.rglob("*") if file.is_file())


def test_ctrl_c_stops_the_answer_and_not_the_conversation(home: Path, lab: Lab) -> None:
    provider = lab(Say(LONG, pause=0.02), Say("Hello"))
    with talking(home) as terminal:
        terminal._wait(1)
        terminal.press("Tell me\r")
        terminal.until("First part.", 30)
        terminal.press("\x03")
        terminal.until("stopped", 30)
        terminal.typed += 1
        terminal.type("And?\r")
        (_, question), (_, answer), (_, more) = _said(provider)
        assert (question, more) == ("Tell me", "And?")
        assert answer.startswith("First part.")
        assert len(answer) < len(LONG)
        assert "leaves" in terminal.type("\x03")


def test_what_goes_wrong_ends_no_conversation(home: Path, lab: Lab) -> None:
    provider = lab(Status(400, {"error": {"message": "too odd"}}), Say("Hello"))
    with talking(home) as terminal:
        assert "error: lab answered 400: too odd" in terminal.type("Hi\r")
        assert "did you mean /model?" in terminal.type("/modle x\r")
        assert "error: unknown model nope" in terminal.type("/model nope\r")
        assert "Hello" in terminal.type("/retry\r")
        assert _said(provider) == [("user", "Hi")]
        terminal.type("/usr/bin is what?\r")
        assert _said(provider)[-1] == ("user", "/usr/bin is what?")
        assert "/attach" in terminal.type("/help\r")


def test_tab_completes_commands_models_and_files(home: Path, lab: Lab) -> None:
    provider = lab(Say("Hello"), aliases={"quick": "lab/m"})
    (home / "notes.txt").write_text("remember the milk")
    with talking(home) as terminal:
        for typed, until in (("/att\t", "/attach "), ("not\t", "notes.txt")):
            _type_and_see(terminal, typed, until)
        terminal.press("\r")
        terminal.until("goes with the next question", 30)
        terminal.typed += 1
        terminal._wait(terminal.typed + 1)
        for typed, until in (("/mod\t", "/model "), ("qui\t", "quick")):
            _type_and_see(terminal, typed, until)
        terminal.press("\r")
        terminal.until("quick (priority)", 30)
        terminal.typed += 1
        terminal.type("What?\r")
        notes, question = _said(provider)[-1][1]
        assert "remember the milk" in notes["text"]
        assert question["text"] == "What?"


def _type_and_see(terminal: Talking, typed: str, until: str) -> None:
    """Type, and wait until Tab has written the rest: it comes piece by piece, between moves of the cursor."""
    terminal._wait(terminal.typed + 1)
    before = len(terminal.screen)
    terminal.press(typed)
    rest = until.removeprefix(typed.rstrip("\t")).strip()
    end = time.monotonic() + 30
    while rest not in terminal.screen[before:]:
        assert time.monotonic() < end, f"{rest!r} did not come: {terminal.screen[before:]!r}"
        terminal._read(0.05)


def test_with_the_history_on_it_is_kept_and_goes_on_another_day(home: Path, lab: Lab) -> None:
    provider = lab(Say("Hello"), history=True)
    with talking(home, "-m", "lab/m") as terminal:
        terminal.type("one\r")
        terminal.type("two\r")
    with talking(home, "-c") as terminal:
        terminal.type("three\r")
        assert _said(provider)[0] == ("user", "one")
        assert len(_said(provider)) == 5
        terminal.type("\x1b[A\r")  # the last line again
        assert _said(provider)[-1] == ("user", "three")
    store = open_store(home / "data" / "history.db")
    assert [one.turns for one in store.conversations()] == [4]
    store.close()


def test_what_was_saved_can_be_loaded(home: Path, lab: Lab) -> None:
    provider = lab(Say("Hello **you**"))
    with talking(home, "-s", "Be brief") as terminal:
        terminal.type("one\r")
        terminal.type("/save a.json\r")
        assert "is there already" in terminal.type("/save config.json\r")
        terminal.type("two\r")
        assert "saved in" in terminal.type("/save a.json\r")
        terminal.type("/save a.md\r")
    assert (home / "a.json").stat().st_mode & 0o777 == 0o600
    assert (
        (home / "a.md")
        .read_text()
        .startswith("## system\n\nBe brief\n\n## user\n\none\n\n## assistant\n\nHello **you**")
    )
    with talking(home) as terminal:
        assert "loaded 2 questions" in terminal.type("/load a.json\r")
        assert "no conversation that was saved" in terminal.type("/load config.json\r")
        terminal.type("three\r")
        assert [role for role, _ in _said(provider)] == ["system", "user", "assistant", "user", "assistant", "user"]


def test_without_a_terminal_there_is_no_conversation(home: Path, lab: Lab) -> None:
    lab()
    result = run(home, "chat", "-i")
    assert result.code == 2
    assert result.err.startswith("error: a conversation needs a terminal\nhint: ask once: ")
    assert run(home, "chat", "-i", "--json").err.startswith("error: -i and --json exclude each other")


def test_no_color_holds_in_a_conversation(home: Path, lab: Lab) -> None:
    lab(Say("Hello **you**"))
    with talking(home, "--no-color") as terminal:
        terminal.type("one\r")
        assert "\x1b[1m" not in terminal.screen
        assert "\x1b[2m" not in terminal.screen
        assert json.dumps(terminal.screen).count("38;5") == 0
