"""health over restarts: what was known is known again, whatever happened to the clock or to the file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.errors import AuthError, NetworkError, RateLimitError, ServerError
from mini_llm.health import LONGEST_COOL_DOWN, Health
from mini_llm.health.file import HealthFile
from mini_llm.runtime import Runtime
from tests.upstream import Provider, Say, Status
from tests.world import World

KEY = "openai/gpt-5.5"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def troubled(now: float = 100.0) -> Health:
    """Return a health whose only target has just been put to rest."""
    health = Health(draw=lambda: 0.5)
    for _ in range(5):
        health.fail(KEY, "openai", ServerError("x"), now)
    return health


def restarted(kept: Any, *, now: float = 7.0, clock: float) -> Health:
    health = Health(draw=lambda: 0.5)
    health.restore(kept, now, clock)
    return health


def test_a_pause_goes_on_where_it_was_though_the_new_clock_begins_elsewhere() -> None:
    health = restarted(troubled().export(100.0, 1_000_000.0), clock=1_000_002.0)
    assert health.state(KEY, 9.9) == "open"
    assert health.trouble(KEY, 9.0) == "resting for 1 s (upstream_server_error)"
    assert health.state(KEY, 10.1) == "half-open"


def test_a_breaker_whose_pause_is_over_lets_one_probe_through() -> None:
    health = restarted(troubled().export(100.0, 1_000_000.0), clock=1_000_060.0)
    assert health.trouble(KEY, 7.0) == ""
    health.begin(KEY, 7.0)
    assert "being probed" in health.trouble(KEY, 7.0)


def test_the_next_pause_is_as_long_as_it_would_have_been() -> None:
    health = restarted(troubled().export(100.0, 1_000_000.0), clock=1_000_060.0)
    health.begin(KEY, 7.0)
    health.fail(KEY, "openai", NetworkError("x"), 7.0)
    assert health.state(KEY, 16.9) == "open" and health.state(KEY, 17.1) == "half-open"


@pytest.mark.parametrize("clock", [1.0, 999_000.0, 1_000_000.0, 1_000_001.0, 2_000_000.0, 1e11])
def test_no_jump_of_the_clock_parks_a_target_for_longer_than_it_could_have_been(clock: float) -> None:
    health = troubled()
    health.fail(KEY, "openai", RateLimitError("slow", retry_after=9e9), 100.0)
    after = restarted(health.export(100.0, 1_000_000.0), clock=clock)
    assert after.trouble(KEY, 7.0 + LONGEST_COOL_DOWN + 0.1) == ""


def test_what_is_ten_minutes_old_parks_nobody_but_how_fast_a_target_was_is_still_known() -> None:
    health = troubled()
    health.answer("openai/fast", first_content=0.5)
    after = restarted(health.export(100.0, 1_000_000.0), clock=1_000_601.0)
    assert (after.state(KEY, 7.0), after.latency("openai/fast")) == ("closed", 0.5)


def test_a_credential_that_was_refused_is_tried_anew_after_a_restart() -> None:
    health = Health()
    health.fail(KEY, "openai ${OPENAI_API_KEY}", AuthError("no"), 100.0)
    kept = health.export(100.0, 1_000_000.0)
    assert "OPENAI_API_KEY" not in json.dumps(kept)
    assert restarted(kept, clock=1_000_001.0).resting("openai ${OPENAI_API_KEY}", 7.0) == ""


@given(JSON, st.floats(allow_nan=False))
def test_a_file_of_any_kind_does_no_harm(told: Any, clock: float) -> None:
    for kept in ({"saved": 1.0, "targets": told}, {"saved": told, "targets": {"a": told}}):
        health = restarted(kept, clock=clock)
        for key in tuple(health.keys()):
            assert health.trouble(key, 7.0 + LONGEST_COOL_DOWN + 1) == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"targets": 3}', b"\xff\xfe", b"x" * 2_000_000])
def test_a_broken_file_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "health.json").write_bytes(content)
    health = Health()
    HealthFile(tmp_path / "health.json", health).load()
    assert health.keys() == ()


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    health = troubled()

    async def story() -> None:
        file = HealthFile(tmp_path / "data" / "health.json", health)
        file.keep()
        await file.close()

    asyncio.run(story())


def test_a_process_that_keeps_it_hands_it_to_the_next(tmp_path: Path) -> None:
    route = {"aliases": {"both": ["first/m", "second/m"]}, "default": "both"}
    with Provider(Status(429, headers={"retry-after": "60"})) as first, Provider(Say("Hello")) as second:
        world = World(tmp_path, {"first": first, "second": second}, route)

        async def ask() -> None:
            client = world.client()
            world.runtime.health_file.keep()
            await client.chat("Hi")
            await world.runtime.close()

        asyncio.run(ask())
        kept = tmp_path / "data" / "health.json"
        assert kept.stat().st_mode & 0o777 == 0o600
        after = Runtime.open(environ=world.environ, cwd=tmp_path)
        assert [str(choice.target) for choice in after.decide().choices] == ["second/m", "first/m"]
        assert "cooling down" in after.decide().choices[1].reason


def test_a_process_that_does_not_keep_it_writes_nothing(tmp_path: Path) -> None:
    with Provider(Status(500)) as only:
        world = World(tmp_path, {"only": only})
        world.failure(model="only/m")
        assert not (tmp_path / "data" / "health.json").exists()
