"""The first run: from nothing to an answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mini_llm.cli import FIRST, WELCOME
from tests.cli.process import inside, run
from tests.upstream import Provider, Say


def test_with_nothing_set_up_three_ways_to_an_answer_fit_on_one_screen(home: Path) -> None:
    result = run(home)
    assert (result.code, result.out, result.err) == (0, FIRST, "")
    lines = FIRST.splitlines()
    assert len(lines) <= 22
    assert max(map(len, lines)) <= 80
    for way in ("mini-llm login", "export OPENAI_API_KEY=", "mini-llm chat -m ollama/"):
        assert way in FIRST
    assert list(home.iterdir()) == [], "to look is not to set up"


def test_with_a_key_a_provider_or_a_mistake_it_is_the_short_help(home: Path, configure: Callable[..., Path]) -> None:
    assert inside(home, environ={"OPENAI_API_KEY": "sk-0123456789abcdef"}).out == WELCOME
    configure(providers={"lab": {"baseUrl": "http://127.0.0.1:9/v1"}})
    assert inside(home).out == WELCOME
    configure("{ nonsense")
    assert inside(home).out == WELCOME
    assert WELCOME.count("mini-llm ") >= 3


def test_a_key_in_the_environment_is_all_that_chat_needs(home: Path) -> None:
    planned = inside(home, "chat", "--dry-run", "hi", environ={"OPENAI_API_KEY": "sk-0123456789abcdef"})
    assert (planned.code, "openai/" in planned.out) == (0, True)
    with Provider(Say("Hello!")) as provider:
        endpoint = provider.url.removesuffix("/v1")
        environ = {"AZURE_OPENAI_API_KEY": "0123456789abcdef", "AZURE_OPENAI_ENDPOINT": endpoint}
        result = run(home, "chat", "-m", "azure/m", "hi", environ=environ)
    assert (result.code, result.out) == (0, "Hello!\n")
