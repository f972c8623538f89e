"""`mini-llm explain`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.process import run


def test_targets_come_in_order_with_reason_and_price(home: Path, configure: Callable[..., Path]) -> None:
    configure(aliases={"smart": ["openai/gpt-5.5", "groq/x", "anthropic/claude-opus-4-8"]}, default="smart")
    environ = {"OPENAI_API_KEY": "sk-none", "ANTHROPIC_API_KEY": "sk-none"}
    for args in (["smart"], []):
        first, second, last = run(home, "explain", *args, environ=environ).out.splitlines()
        assert first.startswith("1\topenai/gpt-5.5\tfirst choice\t$")
        assert second.startswith("2\tanthropic/claude-opus-4-8\tfallback 1\t$")
        assert last.startswith("-\tgroq/x\tskipped: no key for groq")
    told = json.loads(run(home, "explain", "smart", "--json", environ=environ).out)
    assert [row["target"] for row in told["targets"]] == ["openai/gpt-5.5", "anthropic/claude-opus-4-8"]
    assert told["skipped"][0]["target"] == "groq/x"
    assert (told["route"], told["strategy"]) == ("smart", "priority")


def test_an_unknown_model_is_exit_7_and_no_provider_is_4(home: Path) -> None:
    assert run(home, "explain", "gpt-99", environ={"OPENAI_API_KEY": "sk-none"}).code == 7
    assert run(home, "explain").code == 4
