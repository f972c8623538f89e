"""Every settings file of the corpus: set up and undone, it is byte for byte what it was; a broken one is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mini_llm.errors import MiniLLMError
from mini_llm.setup import find, formats, tree
from mini_llm.setup.tool import Change
from tests.setup.desk import CORPUS, Desk

ALL = sorted(path for path in CORPUS.rglob("*") if path.is_file() and path.name != ".gitattributes")
BROKEN = [path for path in ALL if path.name.startswith("broken-")]
SOUND = [path for path in ALL if path not in BROKEN]
MINE = {"name": "mine", "model_id": "mine"}


def name(path: Path) -> str:
    return path.relative_to(CORPUS).as_posix()


def placed(desk: Desk, sample: Path) -> Path:
    """Put a sample where its tool looks."""
    file = desk.file(sample.parent.name)
    file.write_bytes(sample.read_bytes())
    file.chmod(0o640)
    return file


def change_of(desk: Desk, tool: str, file: Path) -> Change:
    """Return what is set in *file*."""
    changes = find(tool).changes
    assert changes is not None
    return next(change for change in changes(desk.offer(tool), desk.place) if change.file == file)


def comments(data: bytes) -> list[str]:
    """Return the lines that are comments and nothing else."""
    lines = data.decode("utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip().startswith(("#", "//", "/*")) and "{" not in line]


def test_the_corpus_is_large_and_odd_enough() -> None:
    assert len(ALL) >= 40
    held = [path.read_bytes() for path in ALL]
    assert sum(b"\r\n" in data for data in held) >= 5
    assert sum(data.startswith(b"\xef\xbb\xbf") for data in held) >= 3
    assert sum(b"\t" in data for data in held) >= 3
    assert sum(not data for data in held) >= 2
    assert {path.parent.name for path in SOUND} == {path.parent.name for path in BROKEN}


@pytest.mark.parametrize("sample", SOUND, ids=name)
def test_set_up_it_says_all_it_said_and_undone_it_is_byte_for_byte_what_it_was(sample: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    tool, file = sample.parent.name, placed(desk, sample)
    around = sorted(path.relative_to(desk.home) for path in desk.home.rglob("*"))
    change = change_of(desk, tool, file)
    form = formats.named(change.format)
    wanted = form.parse(sample.read_bytes().decode())
    for piece in change.pieces:
        wanted = tree.put(wanted, piece.path, piece.value)
    desk.set_up(tool)
    written = file.read_bytes()
    assert form.parse(written.decode()) == wanted
    assert not set(comments(sample.read_bytes())) - set(comments(written))
    if "crlf" in sample.name:
        assert b"\n" not in written.replace(b"\r\n", b"")
    assert written.startswith(b"\xef\xbb\xbf") == sample.read_bytes().startswith(b"\xef\xbb\xbf")
    desk.undo(tool)
    assert file.read_bytes() == sample.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.relative_to(desk.home) for path in desk.home.rglob("*")) == around


@pytest.mark.parametrize("sample", SOUND, ids=name)
def test_a_second_time_there_is_nothing_to_do(sample: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    tool, file = sample.parent.name, placed(desk, sample)
    desk.set_up(tool)
    once = file.read_bytes()
    assert not desk.plan(tool).changes
    desk.set_up(tool, desk.offer(tool, url="http://127.0.0.1:7000"))
    if tool != "gemini":  # which is told no address
        assert b"127.0.0.1:7000" in file.read_bytes()
    desk.set_up(tool)
    assert file.read_bytes() == once
    desk.undo(tool)
    assert file.read_bytes() == sample.read_bytes()


@pytest.mark.parametrize("sample", SOUND, ids=name)
def test_what_the_user_wrote_since_survives_undoing(sample: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    tool, file = sample.parent.name, placed(desk, sample)
    change = change_of(desk, tool, file)
    form = formats.named(change.format)
    before = form.parse(file.read_bytes().decode())
    desk.set_up(tool)
    mine: tuple[tuple[str, ...], Any] = (("[mine]",), MINE) if tree.item(change.pieces[0].path[0]) else (("mine",), 1)
    changed = file.read_bytes().decode()
    changed = (
        (f"{changed}\nmine: 1\n" if mine[1] == 1 else f"{changed}\n- {json.dumps(MINE)}\n")
        if (change.format == "yaml")
        else form.put(changed, *mine)
    )
    file.write_bytes(changed.encode())
    [*_, edit] = [edit for edit in desk.undo(tool) if edit.file == file]
    assert edit.left == ()
    left = file.read_bytes()
    if before and "models" in before:
        before["models"] = before["models"] or []  # a list that was only announced is one that is empty
    assert form.parse(left.decode()) == tree.put(before or (tree.ABSENT if tree.item(mine[0][0]) else {}), *mine)
    assert not set(comments(sample.read_bytes())) - set(comments(left))


@pytest.mark.parametrize("sample", SOUND, ids=name)
def test_a_value_of_ours_that_the_user_changed_is_left_and_told(sample: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    tool, file = sample.parent.name, placed(desk, sample)
    plan = desk.set_up(tool)
    written = next(one for one in plan.record.written if one.file == file)
    if not written.pieces:  # it said all that before
        assert sample.name == "by-key.json"
        return
    form = formats.named(written.format)
    piece = written.pieces[-1]
    theirs: Any = {**piece.value, "model": "theirs"} if isinstance(piece.value, dict) else "theirs"
    file.write_bytes(formats.put(form, file.read_bytes().decode(), piece.path, theirs).encode())
    [*_, edit] = [edit for edit in desk.undo(tool) if edit.file == file]
    assert edit.left == (tree.told(piece.path),)
    assert tree.get(form.parse(file.read_bytes().decode()), piece.path) == theirs


@pytest.mark.parametrize("sample", BROKEN, ids=name)
def test_what_can_not_be_read_or_changed_is_left_alone(sample: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    tool, file = sample.parent.name, placed(desk, sample)
    with pytest.raises(MiniLLMError) as caught:
        desk.set_up(tool)
    assert str(file) in caught.value.message
    assert file.read_bytes() == sample.read_bytes()
    assert not (desk.ours / "setup").exists() or not list((desk.ours / "setup").glob("*.json"))
    assert [path.name for path in file.parent.iterdir() if path.is_file()] == [file.name]
