"""Chat with a real model: the first words come early, and who leaves stops the server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.process import Terminal, run, start
from tests.conftest import LocalModel

STORY = "Write a very long story about a router."


@pytest.fixture
def model(local_model: LocalModel, configure: Callable[..., Path]) -> LocalModel:
    """Return the real model, set up as `llamacpp`."""
    configure(providers={"llamacpp": {"baseUrl": f"{local_model.url}/v1", "models": [local_model.name]}})
    return local_model


def test_it_answers(home: Path, model: LocalModel) -> None:
    result = run(home, "chat", "In one sentence, what is a router?", "-o", "max_tokens=20", "--json", timeout=60)
    told = json.loads(result.out)
    assert "router" in told["text"]
    assert told["usage"]["input_tokens"] > 5
    assert told["cost_nanos"] == 0


def test_a_reader_that_has_its_line_stops_the_server(home: Path, model: LocalModel) -> None:
    before = model.cancelled
    with start(home, "chat", STORY, "-o", "max_tokens=3000") as process:
        assert process.stdout is not None
        assert process.stdout.read(1)
        process.stdout.close()
        assert process.wait(10) == 0
    _until(lambda: model.cancelled == before + 1)


def test_ctrl_c_stops_the_server(home: Path, model: LocalModel) -> None:
    before = model.cancelled
    terminal = Terminal(home, "chat", STORY, "--raw", "-o", "max_tokens=3000")
    terminal.until(" ", timeout=60)
    terminal.press("\x03")
    assert terminal.end() == 130
    _until(lambda: model.cancelled == before + 1)


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
