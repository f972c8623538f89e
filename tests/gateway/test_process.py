"""The record of the gateway that runs: true for one process, and for no later one with its number."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mini_llm.errors import MiniLLMError
from mini_llm.gateway import process
from mini_llm.gateway.binding import Options, PortInUseError
from mini_llm.gateway.process import NotRunningError, Record


def record(pid: int, birth: str) -> Record:
    return Record(pid, birth, time.time(), "http://127.0.0.1:6464", "1.0", "", Options(behind_proxy=("10.0.0.0/8",)))


def mine() -> Record:
    return record(os.getpid(), process.birth(os.getpid()))


def test_what_was_written_is_found_again(tmp_path: Path) -> None:
    process.claim(tmp_path, mine())
    assert process.find(tmp_path) == mine()._replace(started=process.need(tmp_path).started)
    assert process.file(tmp_path).stat().st_mode & 0o077 == 0 or sys.platform == "win32"


def test_a_later_process_with_the_same_number_is_not_the_gateway(tmp_path: Path) -> None:
    process.claim(tmp_path, record(os.getpid(), "the birth of another"))
    assert process.find(tmp_path) is None
    with pytest.raises(NotRunningError):
        process.need(tmp_path)
    process.check_none(tmp_path)


def test_a_gateway_that_ended_without_a_word_is_not_there(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.claim(tmp_path, record(child.pid, process.birth(child.pid)))
    assert process.find(tmp_path) is not None
    child.kill()
    while process.find(tmp_path) is not None:  # a zombie now: we have not asked how it ended
        time.sleep(0.01)
    child.communicate()


def test_a_second_one_is_told_who_is_there(tmp_path: Path) -> None:
    process.claim(tmp_path, mine())
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with pytest.raises(PortInUseError, match=rf"already running: pid {os.getpid()}, since 20..-.*, at http"):
        process.claim(tmp_path, record(other.pid, process.birth(other.pid)))
    other.communicate(b"\n")
    process.claim(tmp_path, mine()._replace(workers=(1, 2)))  # its own may be written anew
    assert process.need(tmp_path).workers == (1, 2)


def test_only_the_gateway_itself_takes_its_record_away(tmp_path: Path) -> None:
    process.claim(tmp_path, record(os.getpid() + 1, "another"))
    process.release(tmp_path)
    assert process.file(tmp_path).exists()
    process.file(tmp_path).unlink()
    process.claim(tmp_path, mine())
    process.release(tmp_path)
    assert not process.file(tmp_path).exists()


@pytest.mark.parametrize("text", ["", "null", "[]", "{", '{"pid": 1}', '{"pid": 1, "options": {"host": 1, "x": 2}}'])
def test_a_record_that_makes_no_sense_is_none(text: str, tmp_path: Path) -> None:
    process.file(tmp_path).write_text(text)
    assert process.find(tmp_path) is None


def test_no_process_was_ever_born_below_one() -> None:
    assert process.birth(0) == process.birth(-1) == ""
    assert process.birth(os.getpid()) == process.birth(os.getpid()) != ""


def test_not_running_is_exit_8() -> None:
    error: MiniLLMError = NotRunningError()
    assert error.exit_code == 8
