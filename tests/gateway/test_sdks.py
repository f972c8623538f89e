"""The official SDKs, as they come, before a gateway whose provider speaks another dialect: whole turns, and errors."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conversing import GREETING, REFUSAL, Conversing
from tests.gateway.running import running
from tests.sdks.install import SDKS, Sdk

DRIVERS = {"openai": "play_openai.py", "anthropic": "play_anthropic.py", "google-genai": "play_genai.py"}
# Who answers each SDK: always a provider of another dialect.
MODELS = {"openai": "elsewhere/m", "anthropic": "chat/m", "google-genai": "chat/m"}
STOPPED = {"openai": "stop", "anthropic": "end_turn", "google-genai": "STOP"}
WEATHER = {"city": "Paris", "degrees": 21}
TURN = ["get_weather", {"city": "Paris"}, "The tool said: 21 degrees"]
GOOD = {
    "tool turn": TURN,
    "structured": WEATHER,
    "tool turn, responses": TURN,
    "structured, responses": WEATHER,
    "counted": True,
    "embeddings": [[4.0, 1.0], [5.0, 1.0]],
    "at once": [GREETING] * 5,
}


class Bad(NamedTuple):
    """How a failure must look: the status, the class that the SDK has for it, and words in its message."""

    status: int
    kind: str
    google: str
    words: str


BAD = {
    "401": Bad(502, "InternalServerError", "ServerError", REFUSAL),  # a key of ours is wrong, not the caller's
    "429": Bad(429, "RateLimitError", "ClientError", REFUSAL),
    "429, stream": Bad(429, "RateLimitError", "ClientError", REFUSAL),
    "529": Bad(503, "InternalServerError", "ServerError", REFUSAL),
    "unknown model": Bad(404, "NotFoundError", "ClientError", "nobody"),
    "wrong token": Bad(401, "AuthenticationError", "ClientError", "token"),
}
RESPONSES = {"plain, responses", "tool turn, responses", "structured, responses"}
LACKS = {"openai": {"counted"}, "anthropic": {"embeddings", *RESPONSES}, "google-genai": RESPONSES}

Told = dict[str, Any]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Sdk], dict[str, Told]]]:
    """Return what an SDK told of its scenes. All that are installed play at once, two at a time."""
    with Conversing() as model:
        chat = {"baseUrl": model.url, "models": ["m"]}
        other = {**chat, "dialect": "anthropic"}
        providers = {"chat": chat, "chat-locked": chat, "elsewhere": other, "elsewhere-locked": other}
        home = tmp_path_factory.mktemp("sdks")
        with running(home, {}, {"providers": providers}) as gateway, ThreadPoolExecutor(2) as pool:
            playing: dict[Sdk, Future[dict[str, Told]]] = {
                sdk: pool.submit(_played, sdk, gateway.url, gateway.token) for sdk in SDKS if sdk.ready
            }

            def of(sdk: Sdk) -> dict[str, Told]:
                if sdk not in playing:
                    pytest.skip(f"{sdk} is not here: run `python tests/sdks/install.py`")
                return playing[sdk].result()

            yield of


def _played(sdk: Sdk, url: str, token: str) -> dict[str, Told]:
    driver = Path(__file__).with_name("sdks") / DRIVERS[sdk.package]
    model = MODELS[sdk.package]
    locked = model.replace("/", "-locked/")  # a key that was refused is put away, and would be for all
    done = _run([str(sdk.python), str(driver), url, token, model, locked, "chat/m"])
    told = {line["scene"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0, f"{sdk}: {done.stderr[-3000:]}"
    return told


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run an SDK's driver. A machine short of something may refuse to start a program; it is asked three times."""
    for pause in (1, 5):
        with contextlib.suppress(OSError):
            return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
        time.sleep(pause)
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.parametrize("sdk", SDKS, ids=str)
def test_an_official_sdk_finishes_every_turn_before_a_provider_of_another_dialect(
    sdk: Sdk, told: Callable[[Sdk], dict[str, Told]]
) -> None:
    lines = told(sdk)
    greeted = [GREETING, STOPPED[sdk.package], [10, 5]]
    wanted = {"plain": greeted, "streamed": greeted, "plain, responses": [GREETING, "stop", [10, 5]], **GOOD}
    assert lines.keys() == {"models", *wanted, *BAD} - LACKS[sdk.package]
    wrong = [line for scene, line in lines.items() if scene in wanted and line.get("got") != wanted[scene]]
    assert not wrong
    assert {"chat/m", "elsewhere/m"} <= set(lines["models"].get("got", ())), lines["models"]


@pytest.mark.parametrize("sdk", SDKS, ids=str)
def test_an_official_sdk_raises_what_its_own_provider_would_have_made_it_raise(
    sdk: Sdk, told: Callable[[Sdk], dict[str, Told]]
) -> None:
    wrong = [line for scene, bad in BAD.items() if not _fits(sdk, bad, line := told(sdk)[scene])]
    assert not wrong


def _fits(sdk: Sdk, bad: Bad, line: Told) -> bool:
    """Tell whether an SDK raised what it should; Google's has no place for a request's id."""
    google = sdk.package == "google-genai"
    kind = bad.google if google else bad.kind
    named = google or line["request_id"].startswith("ml-")
    return kind in line.get("raised", ()) and line["status"] == bad.status and bad.words in line["message"] and named
