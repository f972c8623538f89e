"""A wallet whose tokens run out, in the requests of one long-lived process: each goes out with a token that holds."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from mini_llm.config import origin_of
from mini_llm.credentials import Credentials
from mini_llm.wallet.logins import Login, Logins
from tests.upstream import Provider, Say
from tests.wallet.server import KEY, REFRESH, Served, grant, wallet
from tests.world import World

NAME = "passy/test/acc_1"
NEW = "pk-" + "n" * 43


def world_of(home: Path, server: Served, provider: Provider) -> tuple[World, Login]:
    """Return a world whose wallet is *provider*, and the login there, which *server* renews."""
    settings = {"wallet": {"type": "passy", "apiKey": f"wallet:{NAME}", "endpoint": provider.url}}
    world = World(home, {}, settings)
    known = Credentials(environ=world.environ, paths=world.runtime.loaded.paths)
    key = known.store(NAME, KEY, origin=origin_of(provider.url), insecure=True)
    refresh = known.store(f"{NAME}/renews", REFRESH, origin=server.url, insecure=True)
    now = time.time()
    login = Login(
        *(NAME, server.url, provider.url, f"{server.url}/oauth/token", "", "", "acc_1", "a@example.com", now),
        *(key.reference, refresh.reference, now + 7200, now + 3600),
    )
    Logins(home).put(login)
    return world, login


def test_a_running_process_goes_on_with_a_new_token_when_it_is_time(tmp_path: Path) -> None:
    home = tmp_path / "home"

    async def ask_thrice(world: World, login: Login) -> None:
        client = world.client()
        await client.chat("Hi", model="passy/m")
        await client.chat("Hi", model="passy/m")
        Logins(home).put(replace(login, renew_at=1.0))  # its time has come
        await client.chat("Hi", model="passy/m")
        await client.chat("Hi", model="passy/m")
        await world.runtime.close()

    with wallet() as server, Provider(Say("Hello")) as provider:
        server.scripts["/oauth/token"] = grant(NEW, refresh_token=f"{REFRESH}2", expires_in=3600)
        asyncio.run(ask_thrice(*world_of(home, server, provider)))
        sent = [seen.headers["authorization"] for seen in provider.seen]
        assert sent == [f"Bearer {KEY}"] * 2 + [f"Bearer {NEW}"] * 2
        assert len(server.asked("/oauth/token")) == 1
