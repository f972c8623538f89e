"""The configuration changes under a gateway that runs, and no request notices but by what it may now ask for."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from mini_llm.gateway.reload import Reload
from mini_llm.gateway.server import Place, guard_of
from mini_llm.gateway.tokens import Tokens
from tests.gateway.running import InThread, running, wait_for
from tests.gateway.test_server import SLOW, Asking, ask, begun, texts
from tests.upstream import Provider, Say, Status


class Followed:
    """A gateway whose configuration is followed, as `mini-llm start` does it."""

    def __init__(self, gateway: InThread, *, patience: float = 0.5) -> None:
        self.gateway = gateway
        self.file = gateway.world.home / "config.json"
        self.settings: dict[str, Any] = json.loads(self.file.read_text())
        asyncio.run_coroutine_threadsafe(self._begin(patience), gateway.loop).result(5)

    async def _begin(self, patience: float) -> None:
        guard = partial(guard_of, place=Place(self.gateway.port))
        self.reload = Reload(self.gateway.gateway, guard, patience=patience)
        self.watching = asyncio.ensure_future(self.reload.watch())

    def write(self, **settings: Any) -> None:
        """Write the file in one step, as our own commands do."""
        self.settings.update(settings)
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(self.settings))
        fresh.replace(self.file)

    def wake(self) -> None:
        self.gateway.loop.call_soon_threadsafe(self.reload.wake)

    def until(self, look: Callable[[], object], what: str) -> None:
        wait_for(lambda: True if look() else None, what)

    def end(self) -> None:
        self.gateway.loop.call_soon_threadsafe(self.watching.cancel)


def test_a_new_alias_can_be_asked_for_soon_after_it_was_written(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        followed = Followed(gateway)
        assert ask(gateway, model="fast").status_code == 404
        followed.write(aliases={"fast": "lab/m"})
        followed.until(lambda: ask(gateway, model="fast").status_code == 200, "the alias")
        assert followed.reload.count == 1
        followed.end()


def test_a_stream_keeps_the_settings_it_began_with(tmp_path: Path) -> None:
    with Provider(SLOW) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        followed = Followed(gateway)
        asking = Asking(3, lambda: ask(gateway, stream=True))
        begun(provider, 3)
        followed.write(providers={})
        followed.until(lambda: ask(gateway).status_code != 200, "the end of the provider")
        assert {texts(reply) for reply in asking.end()} == {SLOW.text}
        followed.end()


def test_connections_health_and_records_outlive_a_reload(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        followed = Followed(gateway)
        assert ask(gateway).status_code == 200
        before = gateway.runtime
        followed.write(aliases={"fast": "lab/m"})
        followed.until(lambda: gateway.runtime is not before, "the reload")
        assert ask(gateway).status_code == 200
        for part in ("transport", "health", "ledger", "memory", "credentials", "catalogue"):
            assert getattr(gateway.runtime, part) is getattr(before, part), part
        followed.write(prices={"lab/m": {"input": "1", "output": "2"}})
        followed.until(lambda: gateway.runtime.catalogue is not before.catalogue, "the prices")
        followed.end()


def test_a_file_that_is_wrong_changes_nothing_and_is_told_with_its_place(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        followed = Followed(gateway)
        good = followed.file.read_text()
        followed.file.write_text('{"default": "lab/m",\n "routing": {"maxAttempts": 0}, "aliases": 1}')
        followed.until(lambda: gateway.gateway.stale, "the complaint")
        assert len(gateway.gateway.stale) == 2
        assert all(f"{followed.file}:2:" in problem for problem in gateway.gateway.stale)
        assert ask(gateway).status_code == 200
        followed.file.write_text(good + "\n")
        followed.until(lambda: not gateway.gateway.stale, "the end of the complaint")
        followed.end()


def test_a_file_that_is_half_written_is_waited_for(tmp_path: Path) -> None:
    """Whatever prefix of the new file is seen, the old settings serve, and nobody complains."""
    with Provider(Say("Hello")) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        followed = Followed(gateway, patience=30.0)
        whole = json.dumps({**followed.settings, "aliases": {"fast": "lab/m"}})
        for size in (0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 1):
            followed.file.write_text(whole[:size])
            followed.wake()
            time.sleep(0.1)
            assert ask(gateway).status_code == 200
            assert not gateway.gateway.stale
        followed.file.unlink()
        followed.wake()
        time.sleep(0.1)
        assert ask(gateway).status_code == 200
        followed.file.write_text(whole)
        followed.until(lambda: ask(gateway, model="fast").status_code == 200, "the whole file")
        followed.end()


def test_a_key_that_was_refused_is_tried_again_once_it_was_edited(tmp_path: Path) -> None:
    home = tmp_path / "home"
    refusal = Status(401, {"error": {"message": "no"}})
    with Provider(refusal) as provider, running(home, {"lab": provider}) as gateway:
        followed = Followed(gateway)
        lab = {"baseUrl": provider.url, "models": ["m"], "apiKey": f"file:{home}/key"}
        (home / "key").write_text("sk-old-one-1234567890")
        (home / "key").chmod(0o600)
        followed.write(providers={"lab": lab})
        followed.until(lambda: followed.reload.count == 1, "the reload")
        assert ask(gateway).status_code == 502
        credential = gateway.runtime.router.decide("lab/m", _needs(), time.monotonic()).choices[0].credentials[0]
        assert gateway.runtime.health.resting(credential.name, time.monotonic())
        provider.script = [Say("Hello")]
        followed.write(providers={"lab": {**lab, "keyEnv": "UNUSED"}})
        followed.until(lambda: followed.reload.count == 2, "the second reload")
        assert not gateway.runtime.health.resting(credential.name, time.monotonic())
        assert ask(gateway).status_code == 200
        followed.end()


def test_a_tools_token_counts_and_stops_counting_without_a_restart(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        followed = Followed(gateway)
        tokens = Tokens(gateway.world.home)
        theirs = {"authorization": f"Bearer {tokens.create('aider')}"}

        def status() -> int:
            return httpx.get(f"{gateway.url}/readyz", headers=theirs).status_code

        followed.until(lambda: status() == 200, "the new token")
        tokens.revoke("aider")
        followed.until(lambda: status() == 401, "the end of the token")
        followed.end()


def test_a_key_of_the_users_own_can_be_changed(tmp_path: Path) -> None:
    old, new = "an-old-key-1234567890", "a-new-key-1234567890"
    with (
        Provider(Say("Hello")) as provider,
        running(tmp_path / "home", {"lab": provider}, {"gateway": {"apiKey": old}}) as gateway,
    ):
        followed = Followed(gateway)

        def status(key: str) -> int:
            return httpx.get(f"{gateway.url}/readyz", headers={"x-api-key": key}).status_code

        assert (status(old), status(new)) == (200, 401)
        followed.write(gateway={"apiKey": new})
        followed.until(lambda: status(new) == 200, "the new key")
        assert status(old) == 401
        followed.end()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no other system tells the memory in use")
def test_a_gateway_short_of_memory_takes_nothing_new_and_goes_on_with_the_rest(tmp_path: Path) -> None:
    hoard = bytearray(os.urandom(1 << 20)) * 64  # more than the least limit, whatever else is loaded
    with Provider(Say("word " * 100, pause=0.05)) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        followed = Followed(gateway)
        asking = Asking(2, lambda: ask(gateway, stream=True))
        begun(provider, 2)
        followed.write(gateway={"memoryLimit": 64})
        followed.until(lambda: gateway.gateway.pressed, "the shortage")
        reply = ask(gateway)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "overloaded")
        assert reply.headers["retry-after"] == "1"
        assert httpx.get(f"{gateway.url}/livez").status_code == 200
        assert httpx.get(f"{gateway.url}/metrics", headers=gateway.headers).status_code == 200
        assert all(reply.text.endswith("data: [DONE]\n\n") for reply in asking.end())
        followed.write(gateway={})
        followed.until(lambda: not gateway.gateway.pressed, "the end of the shortage")
        provider.script = [Say("Hello")]
        assert ask(gateway).status_code == 200
        followed.end()
    assert len(hoard) == 64 << 20


def test_no_request_fails_while_the_configuration_changes_all_the_time(tmp_path: Path) -> None:
    """The full figures are MINI_LLM_RELOADS=1000 and ten times as many requests."""
    reloads = int(os.environ.get("MINI_LLM_RELOADS", "30"))
    with Provider(Say("Hello")) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        followed = Followed(gateway)
        failed: list[object] = []
        asked = [0] * 4

        def go_on(place: int) -> None:
            with httpx.Client(headers=gateway.headers, timeout=60) as client:
                body = {"model": "lab/m", "messages": [{"role": "user", "content": "Hi"}]}
                while followed.reload.count < reloads or sum(asked) < 10 * reloads:
                    reply = client.post(f"{gateway.url}/v1/chat/completions", json=body)
                    asked[place] += 1
                    if reply.status_code != 200:
                        failed.append(reply.text)

        threads = [threading.Thread(target=go_on, args=(place,)) for place in range(4)]
        for thread in threads:
            thread.start()
        for number in range(reloads):
            followed.write(aliases={f"fast-{number}": "lab/m"})
            followed.wake()
            followed.until(lambda: followed.reload.count > number, f"reload {number}")  # noqa: B023 -- it is asked now
        for thread in threads:
            thread.join(120)
        assert failed == []
        assert sum(asked) >= 10 * reloads
        assert not gateway.gateway.stale
        followed.end()


def _needs() -> Any:
    from mini_llm.routing import Needs

    return Needs()
