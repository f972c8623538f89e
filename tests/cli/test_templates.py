"""Templates: files of prompts, and `chat -t`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mini_llm.cli.templates import NoTemplateError, fill, load
from mini_llm.errors import UsageError
from tests.cli.process import run
from tests.upstream import Provider, Say

TOML = """
system = "You review $language"
prompt = "Review this, $language, for $$5:\\n\\n$input\\n\\nBe ${manner}."
model = "lab/other"
schema = "fine bool"
[options]
temperature = 0.5
stop = ["A", "B"]
[defaults]
language = "Python"
"""


def written(home: Path, name: str, text: str | bytes) -> Path:
    file = home / "templates" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def filled(home: Path, text: str, asked: str = "", *pairs: str, name: str = "x.md") -> tuple[str, str]:
    written(home, name, text)
    return fill(load(home, "x"), asked, pairs)


def test_a_template_fills_in_what_is_asked_and_its_variables(tmp_path: Path) -> None:
    written(tmp_path, "review.toml", TOML)
    found = load(tmp_path, "review")
    assert fill(found, "x = 1", ["manner=kind"]) == (
        "Review this, Python, for $5:\n\nx = 1\n\nBe kind.",
        "You review Python",
    )
    assert fill(found, "x", ["manner=kind", "language=Rust"])[1] == "You review Rust"
    assert (found.model, found.schema, found.options) == (
        "lab/other",
        "fine bool",
        ("temperature=0.5", "stop=A", "stop=B"),
    )


def test_markdown_is_the_prompt_with_a_head_if_there_is_one(tmp_path: Path) -> None:
    assert filled(tmp_path, "Sum up:\n\n$input\n", "text") == ("Sum up:\n\ntext\n", "")
    assert filled(tmp_path, '\ufeff+++\r\nsystem = "Be $tone"\r\n+++\r\nSum up', "text", "tone=kind") == (
        "Sum up\n\ntext",
        "Be kind",
    )


def test_what_is_put_in_is_not_read_again(tmp_path: Path) -> None:
    assert filled(tmp_path, "$input and $a", "$a $$ ${input}", "a=$input")[0] == "$a $$ ${input} and $input"


def test_without_a_place_for_it_what_is_asked_comes_last(tmp_path: Path) -> None:
    assert filled(tmp_path, "Tell a joke", "about cats")[0] == "Tell a joke\n\nabout cats"
    assert filled(tmp_path, "Tell a joke")[0] == "Tell a joke"
    assert filled(tmp_path, "", "about cats")[0] == "about cats"


@pytest.mark.parametrize(
    ("text", "asked", "pairs", "told"),
    [
        ("$input", "", (), "the template needs something to be asked about"),
        ("$tone", "x", (), "the template needs tone"),
        ("x", "x", ("tone=y",), r"the template has no \$tone"),
        ("x", "x", ("tone",), "cannot read the variable tone"),
        ("x", "x", ("1=2",), "cannot read the variable 1=2"),
        ("$input", "x", ("input=y",), "`input` is what is asked"),
        ("+++\nsistem = 'x'\n+++\n", "x", (), "unknown key sistem"),
        ("+++\nsystem = 1\n+++\n", "x", (), "system must be text"),
        ("+++\noptions = 1\n+++\n", "x", (), "options must be a table"),
        ("+++\nsystem = \n+++\n", "x", (), r"x\.md: Invalid value"),
    ],
)
def test_what_is_wrong_is_said(text: str, asked: str, pairs: tuple[str, ...], told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        filled(tmp_path, text, asked, *pairs)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "", ".hidden", "x" * 99, "a\x00b", "~", "nothing"])
def test_a_name_leads_nowhere_else(name: str, tmp_path: Path) -> None:
    written(tmp_path, "there.md", "x")
    (tmp_path / "x.md").write_text("outside")
    with pytest.raises(NoTemplateError):
        load(tmp_path, name)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    written(tmp_path, "x.md", b"\xff\xfe")
    with pytest.raises(UsageError, match="is not UTF-8"):
        load(tmp_path, "x")
    written(tmp_path, "y.md", b"a" * (2 << 20))
    with pytest.raises(NoTemplateError, match="too large"):
        load(tmp_path, "y")


def test_chat_asks_with_a_template_and_flags_go_first(home: Path, lab: Callable[..., Provider]) -> None:
    provider = lab(Say('{"fine": true}'))
    written(home, "review.toml", TOML)
    args = ("chat", "-t", "review", "-p", "manner=kind", "x = 1")
    assert run(home, *args).out == '{"fine": true}\n'
    body: Any = provider.seen[-1].body
    assert body["model"] == "other"
    assert [turn["content"] for turn in body["messages"]] == [
        "You review Python",
        "Review this, Python, for $5:\n\nx = 1\n\nBe kind.",
    ]
    assert (body["temperature"], body["stop"]) == (0.5, ["A", "B"])
    assert "fine" in str(body["response_format"])
    run(home, *args, "-m", "lab/m", "-o", "temperature=1", "-s", "Be brief")
    body = provider.seen[-1].body
    assert (body["model"], body["temperature"], body["messages"][0]["content"]) == ("m", 1, "Be brief")


def test_no_template_is_taken_from_the_working_folder(home: Path, lab: Callable[..., Provider], tmp_path: Path) -> None:
    provider = lab()
    (tmp_path / "work" / "templates").mkdir(parents=True)
    for folder in (tmp_path / "work", tmp_path / "work" / "templates"):
        (folder / "x.md").write_text("planted")
    written(home, "mine.md", "x")
    result = run(home, "chat", "-t", "x", "hi", cwd=tmp_path / "work")
    assert (result.code, result.err) == (2, "error: no template called x\nhint: there are mine\n")
    assert run(home, "chat", "-p", "a=b", "hi").err.startswith("error: -p fills a template")
    assert provider.seen == []


def test_a_template_that_asks_nothing_needs_no_words(home: Path, lab: Callable[..., Provider]) -> None:
    provider = lab()
    written(home, "joke.md", "Tell a joke")
    assert run(home, "chat", "-t", "joke").code == 0
    assert provider.seen[-1].body["messages"][-1]["content"] == "Tell a joke"
    written(home, "sum.md", "Sum up: $input")
    run(home, "chat", "-t", "sum", stdin=b"a long text")
    assert provider.seen[-1].body["messages"][-1]["content"] == "Sum up: a long text"
