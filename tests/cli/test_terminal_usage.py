"""`mini-llm usage` and `mini-llm budget` as somebody sees them: on a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mini_llm.types import Usage
from tests.cli.booked import DOLLAR, ENTRY, at, booked
from tests.cli.process import Terminal, on_terminal
from tests.upstream import Provider, Say

UTC = {"TZ": "UTC"}
SINCE = ("--since", "2026-03-01")
HUGE = Usage(1_234_567_890_123, 987_654_321)


def screen(home: Path, *args: str, environ: dict[str, str] | None = None) -> list[str]:
    code, seen = on_terminal(home, *args, environ={**UTC, **(environ or {})})
    assert code == 0, seen
    assert all(len(line) <= 80 for line in seen.splitlines()), seen
    return [line.rstrip() for line in seen.splitlines()]


def test_figures_stand_under_their_names_with_a_total_and_bars(home: Path) -> None:
    booked(
        home,
        ENTRY._replace(time=at("2026-03-01"), cost_nanos=DOLLAR),
        ENTRY._replace(time=at("2026-03-02"), cost_nanos=2 * DOLLAR, usage=Usage(1_000_000, 5, estimated=True)),
        ENTRY._replace(time=at("2026-03-03"), cost_nanos=None),
    )
    period, _, head, first, second, third, total, _, *notes = screen(home, "usage", *SINCE)
    assert period == "2026-03-01 to now"
    assert head.split() == ["DAY", "REQUESTS", "IN", "OUT", "COST"]
    assert first.split()[:5] == ["2026-03-01", "1", "1,000", "50", "$1.00"]
    assert second.split()[:5] == ["2026-03-02", "1", "~1,000,000", "~5", "~$2.00"]
    assert third.split() == ["2026-03-03", "1", "1,000", "50", "unknown"]
    assert total.split() == ["total", "3", "~1,002,000", "~105", "~$3.00+"]
    assert second.count("█") // 2 == first.count("█") > 0
    assert {len(line[: line.index("$") + 5]) for line in (first, second)} == {head.index("COST") + 4}
    assert [note[0] for note in notes] == ["~", "+"]


def test_long_names_and_large_figures_fit(home: Path) -> None:
    names = ["a" * 60, "meta-llama/llama-4-maverick-17b-128e-instruct-fp8", "x"]
    booked(
        home,
        *(
            ENTRY._replace(time=at("2026-03-01"), cost_nanos=10**14 + place, usage=HUGE, model=name)
            for place, name in enumerate(names)
        ),
    )
    lines = screen(home, "usage", *SINCE, "--by", "model")
    assert any(line.startswith("meta-ll") and "…" in line for line in lines)
    assert "$300000.00" in lines[-1]


def test_no_figure_is_cut_where_there_is_little_room(home: Path) -> None:
    usage = Usage(12_345_678, 999_999)
    booked(
        home, ENTRY._replace(time=at("2026-03-01"), cost_nanos=123 * DOLLAR, usage=usage, model="meta-llama/llama-4")
    )
    wide = screen(home, "usage", *SINCE, "--by", "model", environ={"COLUMNS": "60"})
    assert wide[-1].split() == ["meta-llama/llama-4", "1", "12,345,678", "999,999", "$123.00"]
    narrow = screen(home, "usage", *SINCE, "--by", "model", environ={"COLUMNS": "44"})
    assert narrow[-1].split()[1:] == ["1", "12.3M", "999k", "$123.00"]
    assert "…" in narrow[-1]
    narrowest = screen(home, "usage", *SINCE, "--by", "model", environ={"COLUMNS": "30"})
    assert "$123.00" in "".join(line.split()[-1] for line in narrowest[3:] if line)


def test_without_colour_or_unicode_it_is_plain(home: Path) -> None:
    booked(home, *(ENTRY._replace(time=at(day), cost_nanos=DOLLAR) for day in ("2026-03-01", "2026-03-02")))
    terminal = Terminal(home, "usage", *SINCE, environ={**UTC, "NO_COLOR": "1", "PYTHONIOENCODING": "ascii"})
    assert terminal.end() == 0
    assert "\x1b" not in terminal.screen
    assert terminal.screen.isascii()
    assert "####" in terminal.screen


def test_a_name_cannot_drive_the_terminal(home: Path) -> None:
    booked(home, ENTRY._replace(time=at("2026-03-01"), cost_nanos=DOLLAR, tool="a\x1b]0;owned\x07[bold]b"))
    terminal = Terminal(home, "--no-color", "usage", *SINCE, "--by", "tool")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.screen and "\x07" not in terminal.screen
    assert "a]0;owned[bold]b" in terminal.screen


def test_budgets_show_what_is_left(home: Path, configure: Callable[..., Path]) -> None:
    configure(budgets={"total": "4", "tools": {"codex": {"total": "0.50", "enforce": "warning"}}})
    booked(home, ENTRY._replace(time=at("2026-03-01"), cost_nanos=DOLLAR, tool="codex"))
    head, everything, codex = screen(home, "budget")
    assert head.split() == ["BUDGET", "PERIOD", "LIMIT", "SPENT", "LEFT", "ANEW", "OVER", "IT"]
    assert everything.split()[:7] == ["everything", "total", "$4.00", "$1.00", "$3.00", "never", "refused"]
    assert codex.split()[:8] == ["tool", "codex", "total", "$0.50", "$1.00", "$0", "never", "warned"]
    assert everything.count("█") == codex.count("█") // 4 > 0
    assert len(everything) == len(codex) <= 80


def test_the_line_after_an_answer_does_not_hide_that_its_cost_is_unknown(
    home: Path, lab: Callable[..., Provider]
) -> None:
    provider = lab(Say("Hello"))
    local = on_terminal(home, "chat", "hi")[1]
    assert "10 in, 5 out · " in local
    assert "cost" not in local
    lab(Say("Hello"), aliases={"m2": "openai/new"}, providers={"openai": {"baseUrl": provider.url, "apiKey": "k"}})
    assert "10 in, 5 out · cost unknown · " in on_terminal(home, "chat", "-m", "m2", "hi")[1]
