"""What people see on a real terminal, and how an answer is stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.cli.process import Terminal, on_terminal, run, start
from tests.upstream import Provider, Say, Silence, Status

Lab = Callable[..., Provider]
MARKDOWN = "# Title\n\nHello **world** and `code`.\n\n- one\n- two\n\n```py\nx = 1\n```\n\nThe end."
LONG = " ".join(["word"] * 400)


def test_markdown_is_rendered_with_one_line_on_what_it_cost(home: Path, lab: Lab) -> None:
    lab(Say(MARKDOWN, usage=(1234, 5)))
    terminal = Terminal(home, "chat", "hi")
    assert terminal.end() == 0
    answer, _, summary = terminal.plain.rpartition("\n\n")
    assert answer == "Title\n\nHello world and code.\n\n • one\n • two\n\nx = 1\n\nThe end."
    assert summary.startswith("m via lab · 1,234 in, 5 out · ")
    assert "\x1b[1mworld" in terminal.screen
    assert "\x1b[2mm via lab" in terminal.screen or "\x1b[2m\r\nm via lab" in terminal.screen


def test_nothing_that_was_printed_is_painted_over(home: Path, lab: Lab) -> None:
    lab(Say(MARKDOWN, pause=0.01))
    terminal = Terminal(home, "chat", "hi")
    assert terminal.end() == 0
    moves = terminal.screen.replace("\r\n", "\n")
    assert "\r" not in moves
    assert "\x1b[" not in terminal.plain


def test_a_block_is_shown_before_the_answer_ends(home: Path, lab: Lab) -> None:
    lab(Say("First part.\n\nSecond " + LONG, pause=0.02))
    terminal = Terminal(home, "chat", "hi")
    assert "Second" not in terminal.until("First part.")
    terminal.press("\x03")
    assert terminal.end() == 130


def test_raw_streams_each_word(home: Path, lab: Lab) -> None:
    lab(Say("**one** two three " + LONG, pause=0.05))
    terminal = Terminal(home, "chat", "hi", "--raw")
    terminal.until("**one** two three")
    terminal.press("\x03")
    assert terminal.end() == 130


def test_no_color_means_no_styles_at_all(home: Path, lab: Lab) -> None:
    lab(Say(MARKDOWN))
    for flags, environ in ((["--no-color"], {}), ([], {"NO_COLOR": "1"})):
        terminal = Terminal(home, *flags, "chat", "hi", environ=environ)
        assert terminal.end() == 0
        assert "\x1b" not in terminal.screen
        assert "Hello world and code." in terminal.plain


def test_a_dumb_terminal_gets_plain_text(home: Path, lab: Lab) -> None:
    lab(Say(MARKDOWN))
    terminal = Terminal(home, "chat", "hi", environ={"TERM": "dumb"})
    assert terminal.end() == 0
    assert "Hello **world**" in terminal.screen
    assert "\x1b" not in terminal.screen


def test_an_answer_cannot_drive_the_terminal(home: Path, lab: Lab) -> None:
    evil = "\x1b]0;owned\x07 \x1b[2J \x9b31m \x08\x7f [link](http://x/\x1b]8;;) \r over"
    lab(Say(f"before {evil} after"))
    for flags in ([], ["--raw"], ["--no-stream"]):
        terminal = Terminal(home, "--no-color", "chat", "hi", *flags)
        assert terminal.end() == 0
        seen = set(terminal.screen.replace("\r\n", "\n"))
        assert not seen & {chr(code) for code in (*range(9), *range(11, 32), *range(127, 160))}
        assert "after" in terminal.plain


def test_quiet_leaves_the_cost_out(home: Path, lab: Lab) -> None:
    lab(Say("Hello"))
    assert on_terminal(home, "--quiet", "chat", "hi") == (0, "Hello\n")


def test_reasoning_is_dim_and_before_the_answer(home: Path, lab: Lab) -> None:
    stream = (
        'data: {"choices": [{"index": 0, "delta": {"reasoning_content": "Hmm"}}]}\n\n'
        'data: {"choices": [{"index": 0, "delta": {"content": "42"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    )
    lab(Status(200, stream, content_type="text/event-stream"))
    terminal = Terminal(home, "chat", "hi", "--reasoning")
    assert terminal.end() == 0
    assert "\x1b[2mHmm\x1b[0m" in terminal.screen
    assert terminal.plain.startswith("Hmm\n\n42\n")


def test_ctrl_c_keeps_what_came_and_stops_the_model(home: Path, lab: Lab) -> None:
    provider = lab(Say("First part.\n\n" + LONG, pause=0.02))
    terminal = Terminal(home, "chat", "hi")
    terminal.until("First part.")
    terminal.press("\x03")
    assert terminal.end() == 130
    assert _stopped(provider)
    assert "First part." in terminal.plain
    assert "word" in terminal.plain
    assert "Traceback" not in terminal.plain


def test_ctrl_c_before_the_first_word_stops_too(home: Path, lab: Lab) -> None:
    provider = lab(Silence())
    terminal = Terminal(home, "chat", "hi")
    _asked(provider)
    terminal.press("\x03")
    assert terminal.end() == 130
    assert provider.seen[0].gone.wait(2)
    assert terminal.plain.replace("^C", "").strip() == ""


def test_an_interrupt_in_a_pipe_keeps_what_came(home: Path, lab: Lab) -> None:
    lab(Say(LONG, pause=0.02))
    with start(home, "chat", "hi") as process:
        assert process.stdout is not None
        first = process.stdout.read(4)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert (first + out).startswith(b"word")
    assert err == b""


def test_words_reach_a_pipe_as_they_come(home: Path, lab: Lab) -> None:
    lab(Say("one two three", pause=0.3))
    with start(home, "chat", "hi") as process:
        assert process.stdout is not None
        process.stdout.read(3)
        begun = time.monotonic()
        process.stdout.read()
    assert time.monotonic() - begun > 0.4


def test_a_reader_that_leaves_stops_the_model_at_once(home: Path, lab: Lab) -> None:
    provider = lab(Say("one\n" + LONG, pause=0.02))
    with start(home, "chat", "hi") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert _stopped(provider)
        assert process.wait(5) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_reader_that_leaves_while_no_word_comes_stops_the_model_too(home: Path, lab: Lab) -> None:
    provider = lab(Silence())
    with start(home, "chat", "hi") as process:
        _asked(provider)
        assert process.stdout is not None
        process.stdout.close()
        assert provider.seen[0].gone.wait(2)
        assert process.wait(5) == 0


def test_a_slow_reader_gets_everything(home: Path, lab: Lab) -> None:
    text = " ".join(f"{number:06d}" for number in range(30_000))
    lab(Say(text))
    with start(home, "chat", "hi", stderr=subprocess.DEVNULL) as process:
        time.sleep(1.5)
        assert process.stdout is not None
        assert process.stdout.read().decode() == text + "\n"


def test_a_key_is_asked_for_without_echo(home: Path, lab: Lab) -> None:
    terminal = Terminal(home, "providers", "add", "groq", "--key", "--insecure-storage")
    terminal.until("Key for groq")
    terminal.press("gsk_secret0123456789\n")
    assert terminal.end() == 0
    assert "0123456789" not in terminal.screen
    assert "gsk_secret0123456789" in (home / "secrets.json").read_text()


def test_tables_have_columns_on_a_terminal(home: Path, lab: Lab) -> None:
    provider = lab()
    code, screen = on_terminal(home, "providers")
    assert code == 0
    assert screen.splitlines()[0].split() == ["NAME", "KEY", "FROM", "ADDRESS", "DIALECT", "HEALTH"]
    assert provider.url in screen


def test_status_is_one_screen(home: Path, lab: Lab) -> None:
    lab()
    code, screen = on_terminal(home, "status")
    assert code == 0
    assert len(screen.splitlines()) <= 24
    assert "no wallet" in screen
    assert "lab/m" in screen


def _stopped(provider: Provider) -> bool:
    """Tell whether the provider stops writing within two seconds, well before its 400 words."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        before = provider.seen[0].written
        if provider.seen[0].gone.wait(0.2) or provider.seen[0].written == before:
            return before < 200
    return False


def _asked(provider: Provider) -> None:
    end = time.monotonic() + 10
    while not provider.seen:
        assert time.monotonic() < end, "no request came"
        time.sleep(0.01)


def test_the_wallet_is_offered_once_where_own_providers_fail(home: Path, lab: Lab) -> None:
    lab(Status(401, {"error": {"message": "no such key"}}))
    with Provider(Say("Hello from credits")) as wallet:
        file = home / "config.json"
        settings = json.loads(file.read_text())
        settings["wallet"] = {"type": "passy", "apiKey": "pk-0123456789abc", "endpoint": wallet.url}
        file.write_text(json.dumps(settings))
        first = Terminal(home, "chat", "hi")
        first.until("[y/N]")
        assert "no such key" in first.plain and "May 127.0.0.1 answer instead" in first.plain
        first.press("y\n")
        first.until("Hello from credits")
        assert first.end() == 0
        assert json.loads(file.read_text())["wallet"]["features"] == {"fallback": True}
        assert run(home, "chat", "hi").out == "Hello from credits\n"


def test_a_no_to_the_wallet_is_kept_too(home: Path, lab: Lab) -> None:
    lab(Status(401, {"error": {"message": "no such key"}}))
    with Provider(Say("Hello from credits")) as wallet:
        file = home / "config.json"
        settings = json.loads(file.read_text())
        settings["wallet"] = {"type": "passy", "apiKey": "pk-0123456789abc", "endpoint": wallet.url}
        file.write_text(json.dumps(settings))
        piped = run(home, "chat", "hi")
        assert piped.code == 4 and "or let the wallet answer" in piped.err and "[y/N]" not in piped.err
        first = Terminal(home, "chat", "hi")
        first.until("[y/N]")
        first.press("\n")
        assert first.end() == 4
        assert json.loads(file.read_text())["wallet"]["features"] == {"fallback": False}
        again = Terminal(home, "chat", "hi")
        assert again.end() == 4 and "[y/N]" not in again.plain
        assert wallet.seen == []
