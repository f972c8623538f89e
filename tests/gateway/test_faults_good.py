"""Nothing is wrong: what every other fault test is measured by."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway import tongues
from tests.gateway.hostile import say
from tests.gateway.stage import Case, play
from tests.gateway.tongues import DIALECTS, TEXT


@pytest.mark.parametrize("target", DIALECTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_good_answer_arrives(tmp_path: Path, dialect: str, stream: bool, target: str) -> None:
    report = play(tmp_path, Case(dialect, stream, target), [say()])
    assert report.told.text == TEXT
    assert report.told.ended or dialect == "gemini"
    assert report.told.reason in ("stop", "completed", "end_turn", "STOP")
    assert report.heard.whole
    assert report.outcomes == [("first", "ok", "")]
    assert (report.rows[0]["input_tokens"], report.rows[0]["output_tokens"]) == tongues.USAGE
    assert report.states == {"first": "closed"}
