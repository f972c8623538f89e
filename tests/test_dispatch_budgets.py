"""Budgets bind what dispatch sends: money is held before, settled after, and an answer is kept to what it may cost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from mini_llm.client import AsyncClient
from mini_llm.errors import BudgetError, MiniLLMError
from mini_llm.runtime import Runtime
from tests.upstream import Cut, Provider, Say, Status
from tests.world import World

PRICES = {"lab/m": {"input": "1", "output": "10"}}  # dollars a million tokens


def paying(home: Path, providers: dict[str, Provider], settings: dict[str, Any]) -> World:
    """Return a world whose providers cost money, though they are on this machine: a file of theirs says where."""
    (home / "providers").mkdir(parents=True, mode=0o700)
    for name, provider in providers.items():
        told = f'base_url = "{provider.url}"\nmodels = ["m"]\nauth = "none"\n'
        (home / "providers" / f"{name}.toml").write_text(told, encoding="utf-8")
    return World(home, {}, {"providers": {name: {} for name in providers}, **settings})


def budgeted(home: Path, provider: Provider, budgets: dict[str, Any]) -> World:
    return paying(home, {"lab": provider}, {"budgets": budgets, "prices": PRICES})


def chat(ours: World, *prompts: str, **options: Any) -> list[Any]:
    """Ask one prompt after the other over one client; return the answers and errors."""

    async def go() -> list[Any]:
        told: list[Any] = []
        async with AsyncClient(runtime=Runtime.open(environ=ours.environ, cwd=ours.home)) as client:
            for prompt in prompts:
                try:
                    told.append(await client.chat(prompt, **{"model": "lab/m", **options}))
                except MiniLLMError as error:
                    told.append(error)
            await client._runtime.close()
        return told

    return asyncio.run(go())


def test_a_spent_budget_refuses_before_anything_is_sent(tmp_path: Path) -> None:
    with Provider(Say("Hello", usage=(100, 1000))) as provider:  # 0.0101 dollars
        ours = budgeted(tmp_path / "home", provider, {"daily": "0.0105"})
        first, second = chat(ours, "Hi", "Hi", max_tokens=1000)
        assert first.text == "Hello"
        assert isinstance(second, BudgetError) and second.status == 402 and second.exit_code == 6
        assert second.message.startswith("the budget of $0.010 a day is spent") or "a day is spent" in second.message
        assert len(provider.seen) == 1
    rows = ours.rows()
    assert [(row["status"], row["cost_nanos"]) for row in rows] == [("ok", 10_100_000)]


def test_an_answer_is_kept_to_what_is_left(tmp_path: Path) -> None:
    with Provider(Say("Hello", usage=(10, 20))) as provider:
        ours = budgeted(tmp_path / "home", provider, {"daily": "0.005"})
        (answer,) = chat(ours, "Hi")
        assert answer.text == "Hello"
        most = provider.seen[0].body.get("max_tokens") or provider.seen[0].body.get("max_completion_tokens")
        assert 400 < most <= 500  # 0.005 dollars pay for 500 tokens at 10 dollars a million
        chat(ours, "Hi", max_tokens=7)
        assert (provider.seen[1].body.get("max_tokens") or provider.seen[1].body.get("max_completion_tokens")) == 7


def test_a_failed_attempt_gives_its_money_back(tmp_path: Path) -> None:
    with Provider(Status(400), Say("Hello", usage=(1, 1))) as provider:
        ours = budgeted(tmp_path / "home", provider, {"daily": "0.011"})
        failed, answer = chat(ours, "Hi", "Hi", max_tokens=1000)
        assert "scripted 400" in failed.message
        assert answer.text == "Hello"


def test_a_target_that_costs_nothing_answers_when_the_money_is_gone(tmp_path: Path) -> None:
    free = {"lab/m": PRICES["lab/m"], "gratis/m": {"input": "0", "output": "0"}}
    with Provider(Say("paid", usage=(100, 1000))) as paid, Provider(Say("free")) as gratis:
        ours = paying(
            tmp_path / "home",
            {"lab": paid, "gratis": gratis},
            {"budgets": {"total": "0.0105"}, "prices": free, "aliases": {"both": ["lab/m", "gratis/m"]}},
        )

        assert [answer.text for answer in chat(ours, "Hi", "Hi", model="both", max_tokens=1000)] == ["paid", "free"]


def test_an_unknown_price_is_refused_where_a_budget_is_hard(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider:
        ours = paying(tmp_path / "home", {"lab": provider}, {"budgets": {"daily": "1"}})
        (error,) = chat(ours, "Hi")
        assert error.code == "price_unknown"
        assert provider.seen == []


def test_nothing_is_held_without_budgets(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider:
        ours = World(tmp_path / "home", {"lab": provider})
        assert ours.ask(model="lab/m").text == "Hello"
        assert ours.rows()[0]["status"] == "ok"
        assert "max_tokens" not in provider.seen[0].body


def test_who_goes_on_with_a_broken_answer_within_a_budget_is_asked_for_the_rest_of_it(tmp_path: Path) -> None:
    begun = "The sky is blue because"
    with Provider(Cut(begun)) as first, Provider(Say(f"{begun} of light.")) as second:
        ours = paying(
            tmp_path / "home",
            {"lab": first, "other": second},
            {
                "budgets": {"daily": "0.01"},
                "prices": {"lab/m": PRICES["lab/m"], "other/m": PRICES["lab/m"]},
                "aliases": {"both": ["lab/m", "other/m"]},
            },
        )
        told = 'continues = { models = ["*"] }\n'
        with (tmp_path / "home" / "providers" / "other.toml").open("a", encoding="utf-8") as file:
            file.write(told)

        async def go() -> str:
            async with AsyncClient(runtime=Runtime.open(environ=ours.environ, cwd=ours.home)) as client:
                text = "".join([delta.text async for delta in client.stream("Why?", model="both")])
                await client._runtime.close()
                return text

        assert asyncio.run(go()) == "The sky is blue because of light."
        asked = second.seen[0].body
    assert asked["messages"][-1] == {"role": "assistant", "content": begun}
    assert (asked.get("max_tokens") or asked.get("max_completion_tokens")) < 1000


def streamed(ours: World, **options: Any) -> tuple[str, MiniLLMError | None, Any]:
    """Ask once for a stream; return what came, and what ended it."""

    async def go() -> tuple[str, MiniLLMError | None, Any]:
        told = ""
        async with AsyncClient(runtime=Runtime.open(environ=ours.environ, cwd=ours.home)) as client:
            stream = client.stream("Hi", **{"model": "lab/m", **options})
            try:
                async for delta in stream:
                    told += delta.text
            except MiniLLMError as error:
                return told, error, None
            finally:
                await client._runtime.close()
            return told, None, stream.answer

    return asyncio.run(go())


def test_a_stream_that_goes_on_past_its_money_is_ended(tmp_path: Path) -> None:
    with Provider(Say("word " * 2000, usage=(1, 2000))) as provider:  # whatever `max_tokens` it was told
        ours = budgeted(tmp_path / "home", provider, {"daily": "0.001"})  # for 100 tokens
        told, error, _ = streamed(ours)
    assert isinstance(error, BudgetError) and "was ended" in error.message
    assert 90 <= len(told.split()) <= 101
    (row,) = ours.rows()
    assert row["status"] == "partial" and row["error"] == "insufficient_quota"
    assert 0 < row["cost_nanos"] <= 1_010_000 * 2


def test_a_stream_within_its_money_is_left_alone_and_a_passed_warning_is_told(tmp_path: Path) -> None:
    with Provider(Say("word " * 300, usage=(1, 300))) as provider:
        ours = budgeted(tmp_path / "home", provider, {"daily": "0.001", "enforce": "warning"})
        told, error, answer = streamed(ours)
        assert error is None and len(told.split()) == 300
        assert answer.warnings == ("the budget of $0.0010 a day is passed, with $0 spent",)
        (whole,) = chat(ours, "Hi", max_tokens=1)
        assert whole.to_dict()["warnings"][0].startswith("the budget of $0.0010 a day is passed, with $0.0030")


def test_a_route_asks_for_something_cheaper_while_a_budget_is_low_and_every_word_of_it_agrees(tmp_path: Path) -> None:
    prices = {"lab/m": PRICES["lab/m"], "cheap/m": {"input": "0.1", "output": "1"}}
    with Provider(Say("Dear", usage=(100, 850))) as dear, Provider(Say("Cheap", usage=(1, 1))) as cheap:
        ours = paying(
            tmp_path / "home",
            {"lab": dear, "cheap": cheap},
            {
                "prices": prices,
                "budgets": {"daily": "0.0100"},
                "aliases": {"smart": {"targets": ["lab/m"], "whenLow": "small"}, "small": "cheap/m"},
            },
        )
        (first,) = chat(ours, "Hi", model="smart", max_tokens=900)
        assert (first.text, first.route) == ("Dear", "smart (priority): lab/m")
        (second,) = chat(ours, "Hi", model="smart", max_tokens=50)
        line = "smart, as the budget of $0.010 a day is low: small (priority): cheap/m"
        assert (second.text, second.route) == ("Cheap", line)
        decision = Runtime.open(environ=ours.environ, cwd=ours.home).decide("smart")
        assert decision.line() == line
        assert decision.choices[0].reason == "first choice, as the budget of $0.010 a day is low"
    assert [row["route"] for row in ours.rows()] == [first.route, line]


def test_where_nothing_cheaper_can_be_asked_the_route_stays_as_it_is(tmp_path: Path) -> None:
    with Provider(Say("Dear", usage=(10, 1))) as dear:
        ours = paying(
            tmp_path / "home",
            {"lab": dear},
            {
                "prices": PRICES,
                "budgets": {"daily": "0.0100", "low": 99, "enforce": "warning"},
                "aliases": {"smart": {"targets": ["lab/m"], "whenLow": "nowhere/m"}},
            },
        )
        chat(ours, "Hi", model="smart", max_tokens=900)
        assert [answer.route for answer in chat(ours, "Hi", model="smart")] == ["smart (priority): lab/m"]
