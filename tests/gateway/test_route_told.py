"""Of a decision `explain`, the answer's header and the ledger's rows say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.running import running
from tests.gateway.test_relay import ASKED, CHAT, ask
from tests.upstream import Provider, Status


@pytest.mark.parametrize("strategy", ["priority", "cost"])
def test_the_header_and_the_row_say_what_was_decided(tmp_path: Path, strategy: str) -> None:
    route = {"targets": ["a/m", "b/m"], "strategy": strategy}
    gone = Status(404, {"error": {"code": "model_not_found", "message": "gone"}})
    with (
        Provider(gone) as first,
        Provider() as second,
        running(tmp_path, {"a": first, "b": second}, {"aliases": {"r": route}}) as ours,
    ):
        told = ours.runtime.decide("r")
        answer = ask(ours, CHAT, {**ASKED, "model": "r"})
        rows = ours.rows(2)
    assert answer.status == 200
    assert answer.headers["x-mini-llm-route"] == told.line()
    assert {row["route"] for row in rows} == {told.line()}
    assert [row["provider"] for row in rows] == [choice.target.provider for choice in told.choices] == ["a", "b"]
