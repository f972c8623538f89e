"""dispatch: several keys of one provider, used in turn; one that is refused rests, and the next is tried at once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from mini_llm.config import schema
from mini_llm.config.show import flatten
from mini_llm.errors import AuthError, CredentialError, ServerError
from mini_llm.runtime import Runtime
from tests.upstream import Provider, Say, Status, Step
from tests.world import World

KEYS = {"KEY_A": "sk-key-a-0123456789", "KEY_B": "sk-key-b-0123456789", "KEY_C": "sk-key-c-0123456789"}
POOL = ["${KEY_A}", "${KEY_B}", "${KEY_C}"]


def pool(home: Path, first: Provider, second: Provider, keys: list[str] = POOL, **settings: Any) -> World:
    """Return a world whose first provider has several keys; the first of them comes first."""
    providers = {"first": {"baseUrl": first.url, "apiKeys": keys}, "second": {"baseUrl": second.url}}
    config = {"providers": providers, "aliases": {"both": ["first/m", "second/m"]}, "default": "both", **settings}
    world = World(home, {}, config, KEYS)
    world.runtime.router._rotations["first"] = 0
    return world


def used(provider: Provider) -> str:
    """Return the letters of the keys that came, in order."""
    return "".join(seen.headers["authorization"].split("-")[2] for seen in provider.seen)


def test_the_keys_of_a_provider_are_used_in_turn(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as first, Provider() as second:
        world = pool(tmp_path, first, second)
        for _ in range(5):
            world.ask()
        assert used(first) == "abcab"
    assert [row["credential"] for row in world.rows()] == [POOL[0], POOL[1], POOL[2], POOL[0], POOL[1]]


def test_not_every_process_begins_with_the_same_key(tmp_path: Path) -> None:
    begun = set()
    with Provider(Say("Hello")) as first, Provider() as second:
        for number in range(30):
            world = pool(tmp_path / str(number), first, second)
            world.runtime.router._rotations.clear()
            world.ask()
            begun.add(used(first)[-1])
    assert begun == {"a", "b", "c"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Status(401), "upstream_auth"),
        (Status(402), "insufficient_quota"),
        (Status(403), "upstream_auth"),
        (Status(429), "rate_limited"),
        (Status(429, headers={"retry-after": "1"}), "rate_limited"),
    ],
)
def test_a_key_that_is_refused_is_followed_by_the_next_of_the_same_provider(
    tmp_path: Path, step: Step, code: str, *, stream: bool
) -> None:
    with Provider(step, Say("Hello")) as first, Provider() as second:
        world = pool(tmp_path, first, second)
        answer = world.stream()[1] if stream else world.ask()
        assert (answer.text, answer.provider, answer.attempts, world.waits) == ("Hello", "first", 2, [])
        assert [world.ask().attempts for _ in range(3)] == [1, 1, 1]
        assert used(first) == "abcbc"  # the refused one is passed over
    rows = world.rows()
    assert [(row["error"], row["credential"]) for row in rows[:2]] == [(code, POOL[0]), ("", POOL[1])]


def test_a_provider_that_fails_is_left_with_all_its_keys(tmp_path: Path) -> None:
    with Provider(Status(500)) as first, Provider(Say("Hello")) as second:
        world = pool(tmp_path, first, second)
        assert world.ask().provider == "second"
        assert used(first) == "aa"


def test_when_every_key_was_refused_the_next_target_is_asked(tmp_path: Path) -> None:
    with Provider(Status(401)) as first, Provider(Say("Hello")) as second:
        world = pool(tmp_path, first, second)
        answer = world.ask()
        assert (answer.provider, answer.attempts, used(first)) == ("second", 4, "abc")
        assert world.ask().attempts == 1
        assert len(first.seen) == 3


def test_the_only_target_is_asked_though_all_its_keys_rest(tmp_path: Path) -> None:
    with Provider(Status(401), Status(401), Status(401), Say("Hello")) as first, Provider() as second:
        world = pool(tmp_path, first, second)
        assert isinstance(world.failure(model="first/m"), AuthError)
        assert world.ask(model="first/m").text == "Hello"


def test_a_key_that_is_not_there_costs_no_attempt(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as first, Provider() as second:
        world = pool(tmp_path, first, second, ["${NOT_SET}", "${KEY_B}"])
        assert (world.ask().attempts, used(first)) == (1, "b")
        nothing = pool(tmp_path / "nothing", first, second, ["${NOT_SET}", "file:/nowhere"])
        assert isinstance(nothing.failure(model="first/m"), CredentialError)


def test_each_key_has_a_breaker_of_its_own(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as first, Provider() as second:
        world = pool(tmp_path, first, second)
        runtime = world.runtime
        (choice, _) = runtime.decide().choices
        for _ in range(5):
            credential = choice.credentials[0]
            runtime.health.fail(credential.key, credential.name, ServerError("x"), time.monotonic())
        assert runtime.decide().choices[0].trouble == ""
        for _ in range(3):
            world.ask()
        assert used(first) == "bcb"


def test_a_key_in_a_list_is_as_secret_as_a_single_one(tmp_path: Path) -> None:
    plain = "sk-plain-0123456789abcdef"
    with Provider(Say("Hello")) as first, Provider() as second:
        world = pool(tmp_path, first, second, [plain, "${KEY_B}"])
        world.ask()
        runtime: Runtime = world.runtime
        shown = dict((key, value) for key, value, _ in flatten(runtime.loaded))["providers.first.apiKeys"]
        assert shown == ["sk-…cdef", "${KEY_B}"]
        everything = [runtime.loaded.config, runtime.registry.get("first"), runtime.decide(), world.rows()]
        assert plain not in repr(everything)
        assert any("apiKeys is a plain key" in notice for notice in runtime.loaded.notices)
        assert runtime.credentials.redact(f"key {plain}") == "key [redacted]"
    assert schema()["properties"]["providers"]["additionalProperties"]["properties"]["apiKeys"]["type"] == "array"
