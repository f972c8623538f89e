"""The example of docs/plugins.md, built and installed: each kind of thing that a plugin adds works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import Result, world
from tests.plugins.conftest import Place
from tests.plugins.package import install_example
from tests.upstream import Bytes, Provider, Say

WHOLE = Bytes(json.dumps({"id": "a1", "model": "small", "says": "Good day", "tokens": [7, 3]}).encode())
STREAM = Bytes(b'data: {"says": "Good "}\n\ndata: {"says": "day"}\n\ndata: {"tokens": [7, 3]}\n\n', "text/event-stream")
BROKEN = Bytes(b'data: {"says": 5}\n\n', "text/event-stream")
ASKS = """
from mini_llm import Client
with Client() as client:
    print(client.chat("Hi", model="acme/small").text)
    print("".join(delta.text for delta in client.stream("Hi", model="acme/small")))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which the example is installed."""
    target = tmp_path_factory.mktemp("site")
    install_example(tmp_path_factory.mktemp("source"), target)
    return target


@pytest.fixture
def acme(place: Place, installed: Path) -> Iterator[Provider]:
    """Return acme's server, set up in *place* with the example switched on."""
    place.site = installed
    with Provider(WHOLE) as provider:
        place.configure(plugins=["acme"])
        place.environ |= {
            "PYTHONPATH": f"{installed}{os.pathsep}{place.environ['PYTHONPATH']}",
            "ACME_URL": provider.url,
            "ACME_API_KEY": "key-of-acme",
            "ACME_ROWS": str(place.home / "rows"),
        }
        yield provider


def test_a_plugins_provider_answers_in_a_plugins_dialect_and_a_plugins_hook_is_told(
    place: Place, acme: Provider
) -> None:
    acme.script = [WHOLE, STREAM]
    done = subprocess.run(
        [sys.executable, "-c", ASKS],
        env=world(place.home, place.environ),
        cwd=place.work,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("Good day\nGood day\n", "")
    assert [seen.path for seen in acme.seen] == ["/v1/answer", "/v1/live"]
    assert acme.seen[0].body == {"model": "small", "turns": [{"who": "user", "says": "Hi"}]}
    assert acme.seen[0].headers["acme-version"] == "1"
    assert acme.seen[0].headers["authorization"] == "Bearer key-of-acme"
    assert (place.home / "rows").read_text() == "acme/small ok 3\n" * 2


def test_a_stream_that_its_dialect_cannot_read_is_told_with_the_plugins_name(place: Place, acme: Provider) -> None:
    acme.script = [BROKEN]
    done = place.run("chat", "-m", "acme/small", "Hi")
    assert done.code == 5
    assert "acme:turns" in done.err
    assert "Traceback" not in done.err


def test_the_command_line_answers_with_it_too(place: Place, acme: Provider) -> None:
    acme.script = [STREAM]
    assert place.run("chat", "-m", "acme/small", "Hi") == Result(0, "Good day\n", "")


def test_what_a_plugins_dialect_cannot_say_goes_to_the_next_target(place: Place, acme: Provider) -> None:
    with Provider(Say("from the lab")) as lab:
        place.configure(
            plugins=["acme"],
            providers={"lab": {"baseUrl": lab.url}, "odd": {"baseUrl": acme.url, "dialect": "acme:odd"}},
            aliases={"any": ["odd/m", "acme/small", "lab/m"]},
        )
        acme.script = [Bytes(b'{"says": 1}')]
        done = place.run("chat", "-m", "any", "Hi")
        explained = place.run("explain", "any")
    assert (done.code, done.out) == (0, "from the lab\n")
    assert "it has no odd among its dialects (turns)" in explained.out + explained.err


def test_a_plugins_strategy_orders_and_says_why(place: Place, acme: Provider) -> None:
    place.configure(
        plugins=["acme"], aliases={"any": {"targets": ["acme/small", "acme/large"], "strategy": "acme:warm"}}
    )
    done = place.run("explain", "any", "--json")
    assert "0 tokens are cached there" in done.out
    assert done.code == 0


def test_a_plugins_command_gets_what_follows_its_name(place: Place, acme: Provider) -> None:
    assert place.run("acme", "Ann", "--loud") == Result(0, "HELLO ANN\n", "")
    assert place.run("acme", "--help").out.startswith("usage: mini-llm acme")
    assert place.run("acme").code == 2
