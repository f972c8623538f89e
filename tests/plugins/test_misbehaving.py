"""Plugins that are missing, broken or hostile: an error that names them, and other answers go on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from mini_llm.dialects import sound
from mini_llm.types import Delta, Usage
from tests.cli.process import Result, world
from tests.plugins.conftest import Place
from tests.plugins.package import install
from tests.upstream import Provider, Say

IMPORT = "from mini_llm.plugins import Plugin\n"
BROKEN = {
    "no package that is installed": "",
    "RuntimeError: it is Monday": "raise RuntimeError('it is Monday')",
    "SystemExit: 3": "raise SystemExit(3)",
    "ModuleNotFoundError: No module named 'not_there'": "import not_there",
    "can't be imported: SyntaxError": "def (",
    "is no mini_llm.plugins.Plugin": "plugin = 'Plugin()'",
    "plugin_acme has no plugin": "",
    "must be mappings": f"{IMPORT}plugin = Plugin(dialects='all')",
    "a reference must be text": f"{IMPORT}plugin = Plugin(command=print)",
    "there is no module not_there": f"{IMPORT}plugin = Plugin(command='not_there:main')",
    "'./evil.py' is no reference": f"{IMPORT}plugin = Plugin(command='./evil.py')",
    "plugin_acme:VALUE is no function": f"{IMPORT}VALUE = 5\nplugin = Plugin(command='plugin_acme:VALUE')",
    "plugin acme adds no command": f"{IMPORT}plugin = Plugin()",
}
ASKS = """
from mini_llm import Client
with Client() as client:
    for _ in range(3):
        print(client.chat("Hi", model="any").text)
"""


@pytest.fixture
def lab(place: Place) -> Iterator[Provider]:
    """Return a provider called lab, in a config that names acme, and the route `any` that begins with acme's."""
    with Provider(Say("Hello")) as provider:
        place.configure(
            plugins=["acme"],
            providers={"lab": {"baseUrl": provider.url}},
            aliases={"any": {"targets": ["lab/one", "lab/two"]}},
        )
        yield provider


@pytest.mark.parametrize("why", BROKEN)
def test_a_broken_plugin_is_an_error_that_names_it(why: str, place: Place, lab: Provider) -> None:
    if why != "no package that is installed":
        install(place.site, "acme", BROKEN[why])
    done = place.run("acme")
    assert done.code == 2
    assert done.err.startswith("error: plugin acme ")
    assert why in done.err
    assert "\nhint: " in done.err
    assert "Traceback" not in done.err


def test_two_packages_with_one_name_are_an_error(place: Place, lab: Provider) -> None:
    for package in ("first", "second"):
        install(place.site, "acme", f"{IMPORT}plugin = Plugin()", package=package)
    assert "several packages offer it: first, second" in place.run("acme").err


@pytest.mark.parametrize("code", ["", "raise RuntimeError('it is Monday')"])
def test_other_providers_go_on_beside_a_broken_plugin(code: str, place: Place, lab: Provider) -> None:
    if code:
        install(place.site, "acme", code)
    done = place.run("chat", "-m", "lab/one", "Hi")
    assert (done.code, done.out) == (0, "Hello\n")
    assert "Traceback" not in done.err
    assert "plugin acme can't be used" in place.run("providers").err
    missing = place.run("chat", "-m", "acme/small", "Hi")
    assert missing.err.startswith("error: plugin acme can't be used")


def test_a_plugin_replaces_no_provider(place: Place, lab: Provider) -> None:
    code = f"{IMPORT}from pathlib import Path\nplugin = Plugin(providers=Path(__file__).parent / 'files')"
    theirs = 'base_url = "http://127.0.0.1:1/v1"\nkey_env = "OPENAI_API_KEY"\n'
    install(place.site, "acme", code, files={"files/openai.toml": theirs, "files/Odd Name.toml": theirs})
    done = place.run("providers", environ={"OPENAI_API_KEY": "sk-1234567890"})
    assert "api.openai.com" in done.out
    assert "127.0.0.1:1/" not in done.out
    assert "plugin acme: provider openai is there already; left out" in done.err
    assert "plugin acme: provider Odd Name is no name for a provider; left out" in done.err


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        ("raise KeyError('x')", "the strategy failed (KeyError('x'))"),
        ("return None", "the strategy failed (TypeError"),
        ("return [5, 6]", "the strategy failed (AttributeError"),
        ("return []", "first choice"),
        ("import itertools; return itertools.repeat(candidates[1]._replace(reason='it again'))", "it again"),
        ("return [one._replace(provider='evil') for one in candidates]", "first choice"),
    ],
)
def test_a_strategy_costs_no_answer(strategy: str, reason: str, place: Place, lab: Provider) -> None:
    code = (
        f"{IMPORT}plugin = Plugin(strategies={{'odd': 'plugin_acme:order'}})\ndef order(candidates):\n    {strategy}\n"
    )
    install(place.site, "acme", code)
    environ = {"MINI_LLM_ROUTING_STRATEGY": "acme:odd"}
    done = place.run("chat", "-m", "any", "Hi", environ=environ)
    assert (done.code, done.out) == (0, "Hello\n")
    explained = place.run("explain", "any", environ=environ)
    assert reason in explained.out
    assert {"lab/one", "lab/two"} <= set(explained.out.split())


def test_a_strategy_of_a_plugin_that_is_not_named_is_a_problem_of_the_config(place: Place, lab: Provider) -> None:
    said = 'routing.strategy is other:odd, and "plugins" does not name other'
    assert said in place.run("config", "set", "routing.strategy", "other:odd").err
    done = place.run("status", environ={"MINI_LLM_ROUTING_STRATEGY": "other:odd"})
    assert said in done.err
    assert done.code == 2


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ("def note(row): raise KeyError(row.model)", "plugin acme: its hook failed: KeyError: 'one'"),
        ("def note(row): import sys; sys.exit(5)", "plugin acme: its hook failed: SystemExit: 5"),
        ("def note(): ...", "plugin acme: its hook failed: TypeError"),
        ("def note(row): import threading; threading.Event().wait()", ""),
        ("note = 5", "plugin acme can't be used: plugin_acme:note is no function; its hook is off"),
        ("raise RuntimeError('it is Monday')", "RuntimeError: it is Monday; its hook is off"),
    ],
)
def test_a_hook_costs_no_answer_and_its_first_failure_is_told_once(
    hook: str, told: str, place: Place, lab: Provider
) -> None:
    install(place.site, "acme", f"{IMPORT}plugin = Plugin(on_row='plugin_acme:note')\n{hook}\n")
    done = subprocess.run(
        [sys.executable, "-c", ASKS],
        env=world(place.home, place.environ),
        cwd=place.work,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "Hello\n" * 3)
    assert told in done.stderr
    assert done.stderr.count("\n") == (1 if told else 0)
    assert json.loads(place.run("usage", "--by", "provider", "--json").out)["rows"][0]["attempts"] == 3


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("return 7", Result(7, "", "")),
        ("return 'all well'", Result(0, "", "")),
        ("raise SystemExit('no such name')", Result(1, "", "no such name\n")),
        ("raise SystemExit", Result(0, "", "")),
    ],
)
def test_a_command_ends_as_programs_end(command: str, result: Result, place: Place, lab: Provider) -> None:
    install(place.site, "acme", f"{IMPORT}plugin = Plugin(command='plugin_acme:main')\ndef main(args): {command}\n")
    assert place.run("acme", "-x", "--", "y") == result


def test_a_command_that_breaks_is_told_without_a_trace(place: Place, lab: Provider) -> None:
    code = f"{IMPORT}plugin = Plugin(command='plugin_acme:main')\ndef main(args): return {{}}['x']\n"
    install(place.site, "acme", code)
    done = place.run("acme")
    assert (done.code, done.err.split("\n")[0]) == (1, "error: plugin acme failed: KeyError: 'x'")
    assert "Traceback" not in done.err
    assert "Traceback" in place.run("--verbose", "acme").err


@pytest.mark.parametrize("name", ["config", "chat"])
def test_a_plugin_replaces_no_command(name: str, place: Place, lab: Provider) -> None:
    install(
        place.site, name, f"{IMPORT}plugin = Plugin(command='plugin_{name}:main')\ndef main(args): print('theirs')\n"
    )
    place.configure(plugins=[name])
    assert "theirs" not in place.run(name, "--help").out


@pytest.mark.parametrize(
    "delta",
    [Delta(text=5), Delta(usage=5), Delta(usage=Usage("7")), Delta(finish_reason=1), Delta(citations=[])],  # type: ignore[arg-type]
)
def test_words_that_hold_something_else_are_noticed(delta: Delta) -> None:
    with pytest.raises(TypeError, match="can't be a"):
        sound.check(delta, Delta)
    sound.check(Delta(text="a", usage=Usage(1, 2), finish_reason="stop"), Delta)
