"""The frame: help, flags that work everywhere, errors, exit codes, streams."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mini_llm import errors
from mini_llm.cli import COMMANDS
from mini_llm.cli.flags import Flags
from mini_llm.cli.report import report
from tests.cli.process import MINI_LLM, Result, run, start, world
from tests.upstream import Provider, Say, Status


def test_alone_it_shows_three_examples(home: Path) -> None:
    result = run(home, environ={"OPENAI_API_KEY": "sk-0123456789abcdef"})
    assert result.code == 0
    assert result.out.count("mini-llm chat") == 2
    assert "mini-llm providers add" in result.out


def test_help_lists_every_command_and_the_exit_codes(home: Path) -> None:
    long, short = run(home, "--help"), run(home, "-h")
    assert long == short
    assert long.code == 0
    for name, about in COMMANDS.items():
        assert name in long.out
        assert about in " ".join(long.out.split())
    assert "130 interrupted" in long.out


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help_with_examples(command: str, home: Path) -> None:
    result = run(home, command, "-h")
    assert result.code == 0
    assert "Examples:\n  " in result.out
    assert "{" not in result.out.partition("\n")[0]


def test_the_version_is_told_with_and_without_other_flags(home: Path) -> None:
    from mini_llm import __version__

    assert run(home, "--version") == Result(0, f"mini-llm {__version__}\n", "")
    assert run(home, "--quiet", "--version").out == f"mini-llm {__version__}\n"


def test_an_unknown_command_offers_the_nearest(home: Path) -> None:
    result = run(home, "chta", "hi")
    assert result == Result(2, "", "error: no command called chta\nhint: did you mean `mini-llm chat`?\n")


def test_an_unknown_option_is_a_misuse(home: Path) -> None:
    result = run(home, "chat", "--frobnicate", "hi")
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("error: no such option: --frobnicate")
    assert "hint: `mini-llm chat --help`" in result.err


def test_nothing_configured_shows_both_ways_out(home: Path) -> None:
    result = run(home, "chat", "hi")
    assert result.code == 4
    assert result.err == (
        "No AI wallet configured.\n\nQuick start with passy.ai (recommended):\n  mini-llm login\n\n"
        "Or configure your own providers:\n  export OPENAI_API_KEY=sk-...\n"
    )


def test_another_config_file_can_be_named_before_or_after_the_command(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"default": "groq/x"}')
    other.chmod(0o600)
    assert run(home, "--config", str(other), "config", "get", "default").out == "groq/x\n"
    assert run(home, "config", "get", "default", "--config", str(other)).out == "groq/x\n"


def test_a_config_file_that_was_named_must_be_there(home: Path, tmp_path: Path) -> None:
    named = ["--config", str(tmp_path / "new.json")]
    for command in (["status"], ["chat", "hi"], ["alias", "list"]):
        assert run(home, *named, *command) == (2, "", f"error: there is no {named[1]}\nhint: check `--config`\n")
    assert run(home, *named, "config", "set", "default", "groq/x").code == 0
    assert run(home, *named, "config", "get", "default").out == "groq/x\n"


def test_colour_can_be_forced_into_a_pipe(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Say("**bold**"))
    for environ, styled in (
        ({}, False),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
    ):
        assert ("\x1b[1m" in run(home, "chat", "hi", "--render", environ=environ).out) == styled


def test_a_profile_is_a_config_of_its_own(home: Path) -> None:
    run(home, "--profile", "work", "config", "set", "default", "groq/x")
    assert run(home, "config", "get", "default", "--profile", "work").out == "groq/x\n"
    assert run(home, "config", "get", "default").code == 1


def test_quiet_says_nothing_but_data_and_errors(home: Path) -> None:
    assert run(home, "--quiet", "config", "set", "default", "groq/x") == Result(0, "", "")
    assert run(home, "--quiet", "config", "get", "nothing").err.startswith("error: ")


def test_verbose_shows_where_an_error_comes_from(home: Path) -> None:
    assert "Traceback" not in run(home, "config", "get", "nothing").err
    assert "Traceback" in run(home, "--verbose", "config", "get", "nothing").err


def test_every_problem_of_a_broken_config_is_told_with_its_place(home: Path, configure: Callable[..., Path]) -> None:
    path = configure('{\n  "default": 3,\n  "gateway": {"port": "x"}\n}')
    before = path.read_bytes()
    result = run(home, "chat", "hi")
    assert result.code == 2
    assert f"{path}:2:" in result.err
    assert f"{path}:3:" in result.err
    assert "Traceback" not in result.err
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"{", b"\x00\x01\x02", b"\xff\xfe{\x00}\x00", b"[]", b"{}" + b" " * (2 << 20)])
def test_a_config_that_is_no_config_is_one_clear_error(content: bytes, home: Path) -> None:
    (home / "config.json").write_bytes(content)
    (home / "config.json").chmod(0o600)
    for command in (["status"], ["alias", "fast", "a/b"]):
        result = run(home, *command)
        assert result.code == 2
        assert result.err.startswith("error: ")
        assert "config.json" in result.err
        assert "Traceback" not in result.err
    assert (home / "config.json").read_bytes() == content


def test_a_bug_says_where_to_report_it(capsys: pytest.CaptureFixture[str]) -> None:
    code = report(KeyError("x"), Flags({}))
    told = capsys.readouterr().err
    assert code == 1
    assert told.startswith("error: this is a bug in mini-llm: KeyError: 'x'\nhint: report it")
    assert "Traceback" not in told


def test_ctrl_c_is_130_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KeyboardInterrupt(), Flags({})) == 130
    assert capsys.readouterr().err == ""


def test_a_hint_of_several_lines_is_indented(capsys: pytest.CaptureFixture[str]) -> None:
    report(errors.UsageError("what", hint="one\ntwo"), Flags({}))
    assert capsys.readouterr().err == "error: what\nhint: one\n      two\n"


def test_no_secret_and_no_escape_sequence_leaves_in_an_error(home: Path, lab: Callable[..., Provider]) -> None:
    secret = "sk-canary0123456789abcdef"
    body = {"error": {"message": f"wrong key {secret}\x1b]0;owned\x07 \x9b31m"}}
    lab(Status(401, body), key=secret)
    for flags in ([], ["--verbose"]):
        result = run(home, *flags, "chat", "hi")
        assert result.code == 4
        assert "canary" not in result.err
        assert not {"\x1b", "\x07", "\x9b"} & set(result.err)


def test_a_reader_that_goes_away_is_no_error(home: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m mini_llm config schema | true; echo $?'],
        capture_output=True,
        env=world(home),
        cwd=home,
        check=False,
    )
    assert done.stdout == b"0\n"
    assert done.stderr == b""
    with start(home, "config", "schema") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(10) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_error(home: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(home, "config", "schema", stdout=full)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert err.decode() == "error: cannot write the output: No space left on device\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the streams")
def test_closed_streams_are_no_crash(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Say("Hello"))
    for closing in ("<&-", ">&-", "2>&-"):
        command = " ".join([f'"{MINI_LLM[0]}"', *MINI_LLM[1:], "chat", "hi", closing])
        done = subprocess.run(["sh", "-c", command], capture_output=True, env=world(home), cwd=home, check=False)
        assert (done.returncode, done.stderr) == (0, b""), closing


def test_text_that_a_stream_cannot_write_becomes_a_question_mark(home: Path, lab: Callable[..., Provider]) -> None:
    lab(Say("snow ☃"))
    assert run(home, "chat", "hi", environ={"PYTHONIOENCODING": "latin-1"}).out == "snow ?\n"
    assert run(home, "chat", "hi", environ={"LC_ALL": "C"}).out == "snow ☃\n"
    as_json = run(home, "chat", "hi", "--json", environ={"PYTHONIOENCODING": "latin-1"})
    assert "snow \\u2603" in as_json.out


def test_the_flags_that_work_everywhere_work_in_groups_too(home: Path) -> None:
    for args in (
        ["providers", "--quiet"],
        ["providers", "--quiet", "list"],
        ["models", "--quiet"],
        ["alias", "--quiet"],
    ):
        assert run(home, *args) == Result(0, "", ""), args


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed there")
def test_a_working_folder_that_was_removed_is_no_crash(home: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f'cd "{gone}" && rmdir "{gone}" && exec "{sys.executable}" -P -c "$0" config set default groq/x'
    code = "import sys; sys.path.insert(0, sys.argv.pop()); from mini_llm.__main__ import main; sys.exit(main())"
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        ["sh", "-c", f'{command} "$1"', code, root], capture_output=True, env=world(home), check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, f"set default in {home / 'config.json'}\n")
