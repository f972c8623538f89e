"""One gateway process: it serves, lets what runs end, and writes down all of it."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.gateway.running import running
from tests.upstream import Provider, Say

CHAT = {"model": "lab/m", "messages": [{"role": "user", "content": "Hi"}]}


def test_a_chat_goes_through_and_leaves_one_row(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider, running(tmp_path / "home", {"lab": provider}) as gateway:
        reply = httpx.post(f"{gateway.url}/v1/chat/completions", headers=gateway.headers, json=CHAT)
        assert reply.status_code == 200, reply.text
        assert reply.json()["choices"][0]["message"]["content"] == "Hello"
        assert [row["status"] for row in gateway.rows(1)] == ["ok"]
