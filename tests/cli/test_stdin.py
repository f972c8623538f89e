"""Prompts from stdin: context, attachments, hostile bytes, and a stdin that says nothing."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import run, start
from tests.upstream import Provider

Lab = Callable[..., Provider]
PDF = b"%PDF-1.7\n\x00\x01binary"


def _asked(provider: Provider) -> Any:
    return provider.seen[-1].body["messages"][-1]["content"]


def test_stdin_alone_is_the_prompt(home: Path, lab: Lab) -> None:
    provider = lab()
    assert run(home, "chat", stdin=b"Why?\n").code == 0
    assert _asked(provider) == "Why?"
    assert run(home, "chat", "-", stdin="Où?\r\n".encode()).code == 0
    assert _asked(provider) == "Où?"


def test_stdin_comes_before_the_arguments(home: Path, lab: Lab) -> None:
    provider = lab()
    run(home, "chat", "Sum up", stdin=b"a long text\n")
    assert _asked(provider) == "a long text\n\nSum up"


def test_stdin_can_be_left_alone(home: Path, lab: Lab) -> None:
    provider = lab()
    run(home, "chat", "hi", "--no-stdin", stdin=b"context")
    assert _asked(provider) == "hi"


def test_binary_stdin_is_an_attachment(home: Path, lab: Lab) -> None:
    provider = lab()
    assert run(home, "chat", "Read it", stdin=PDF).code == 0
    assert _asked(provider)[0]["type"] == "file"
    assert run(home, "chat", "Hear it", stdin=b"RIFF\x00\x00\x00\x00WAVEfmt \x00").code == 0
    assert _asked(provider)[0]["input_audio"]["format"] == "wav"


def test_stdin_can_be_attached_by_name(home: Path, lab: Lab) -> None:
    provider = lab()
    assert run(home, "chat", "Sum up", "-a", "-", stdin=b"some notes").code == 0
    assert "some notes" in _asked(provider)[0]["text"]
    assert run(home, "chat", "Sum up", "-a", "-").err.startswith("error: nothing came from stdin")


def test_a_silent_stdin_does_not_hang_a_prompt_with_arguments(home: Path, lab: Lab) -> None:
    lab()
    reader, writer = os.pipe()
    begun = time.monotonic()
    with start(home, "chat", "hi", stdin=reader) as process:
        out, err = process.communicate(timeout=15)
    os.close(reader)
    os.close(writer)
    assert (process.returncode, out) == (0, b"Hello\n")
    assert err.decode().count("\n") == 1
    assert "</dev/null" in err.decode()
    assert time.monotonic() - begun < 8


def test_a_stdin_that_speaks_late_is_heard_to_its_end(home: Path, lab: Lab) -> None:
    provider = lab()
    with start(home, "chat", "Sum up", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for part in (b"one ", b"two ", b"three"):
            time.sleep(0.6)
            process.stdin.write(part)
            process.stdin.flush()
        process.stdin.close()
        assert process.wait(10) == 0
    assert _asked(provider) == "one two three\n\nSum up"


@pytest.mark.parametrize(
    ("stdin", "told"),
    [
        (b"a" * (100 << 20), "error: stdin is too large: at most 32 MB can be sent\n"),
        (b"a" * (9 << 20), "error: stdin is too large: text may have 8 MB, this has more\n"),
        (b"text with a \x00 zero", "error: cannot read stdin: it is not text, an image, a PDF or audio\n"),
        (b"\x7fELF\x02\x01\x01\x00", "error: cannot read stdin: it is not text, an image, a PDF or audio\n"),
        (b" \n", "error: nothing to ask\n"),
    ],
    ids=["100 MB", "9 MB", "zero byte", "program", "blank"],
)
def test_hostile_stdin_is_one_clear_error(stdin: bytes, told: str, home: Path, lab: Lab) -> None:
    provider = lab()
    result = run(home, "chat", stdin=stdin)
    assert (result.code, result.out, provider.seen) == (2, "", [])
    assert result.err.startswith(told)


def test_text_that_is_not_utf8_is_sent_with_a_warning(home: Path, lab: Lab) -> None:
    provider = lab()
    result = run(home, "chat", stdin="caf\xe9".encode("latin-1"))
    assert result.code == 0
    assert "not valid UTF-8" in result.err
    assert _asked(provider) == "caf\ufffd"
    assert run(home, "chat", stdin="café".encode("utf-16")).code == 0
    assert _asked(provider) == "café"


def test_an_argument_that_is_not_utf8_is_sent(home: Path, lab: Lab) -> None:
    provider = lab()
    assert run(home, "chat", b"caf\xe9 \xf0\x9f\x98\x80").code == 0
    assert _asked(provider) == "caf\ufffd 😀"
