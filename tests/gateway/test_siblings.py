"""Memory that workers share: whole notes or none, and one text of all their metrics."""

from __future__ import annotations

import os
import sys

import pytest

from mini_llm.gateway.siblings import PLACE_BYTES, Board, Siblings, merged


def test_each_sees_what_the_others_told() -> None:
    board = Board(3)
    siblings = [Siblings(board, place) for place in range(3)]
    assert siblings[0].told() == []
    nothing: dict[str, list[object]] = {"live": [], "recent": []}
    siblings[0].tell("a 1\n", nothing)
    siblings[2].tell("a 3\n", nothing)
    siblings[2].tell("a 4\n", {"live": [{"id": "x"}], "recent": []})
    assert [told["metrics"] for told in siblings[1].told()] == ["a 1\n", "a 4\n"]
    assert siblings[0].told() == [{"metrics": "a 4\n", "requests": {"live": [{"id": "x"}], "recent": []}}]


def test_a_worker_is_crowded_while_another_has_fewer_connections() -> None:
    board = Board(2)
    one, two = Siblings(board, 0), Siblings(board, 1)
    assert not one.crowded(0)
    assert one.crowded(1)
    two.count(1)
    assert not one.crowded(1)
    assert not two.crowded(1)
    assert two.crowded(2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_what_another_process_tells_is_seen() -> None:
    board = Board(2)
    pid = os.fork()
    if not pid:
        board.write(1, b"from a child")
        os._exit(0)
    os.waitpid(pid, 0)
    assert list(board.others(0)) == [b"from a child"]


def test_a_note_that_is_half_written_or_too_long_is_none() -> None:
    board = Board(2)
    board.write(0, b"whole")
    board._memory[8:10] = b"XX"
    assert board.read(0) == b""
    board.write(1, bytes(PLACE_BYTES))
    assert board.read(1) == b""
    board.write(1, bytes(PLACE_BYTES - 8))
    assert len(board.read(1)) == PLACE_BYTES - 8


def test_each_family_stands_once_with_the_samples_of_all() -> None:
    one = "# HELP a About a.\n# TYPE a gauge\na 1\n# HELP b_total About b.\n# TYPE b_total counter\nb_total 1\n"
    two = "# HELP b_total About b.\n# TYPE b_total counter\nb_total 2\n# HELP c About c.\n# TYPE c gauge\nc 2\n"
    assert merged([one, two]) == (
        "# HELP a About a.\n# TYPE a gauge\na 1\n"
        "# HELP b_total About b.\n# TYPE b_total counter\nb_total 1\nb_total 2\n"
        "# HELP c About c.\n# TYPE c gauge\nc 2\n"
    )
    assert merged([one]) == one
