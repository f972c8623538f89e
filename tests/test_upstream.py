"""upstream: one body to one target; what comes back is a Reply or the right UpstreamError."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mini_llm.errors import NotAnAPIError, ProtocolError, UpstreamError
from mini_llm.routing import Target
from mini_llm.transport import Timeouts
from mini_llm.types import Json
from mini_llm.upstream import Request
from tests.upstream import Provider, Say, Status, Step
from tests.world import World

QUICK = Timeouts(connect=2.0, first_byte=2.0, silence=2.0, total=5.0)
SECRET = "sk-lab-0123456789abcdef"


def world(home: Path, provider: Provider, **settings: Any) -> World:
    lab = {"baseUrl": provider.url, "models": ["m"], "apiKey": "${LAB_KEY}", **settings}
    return World(home, {}, {"providers": {"lab": lab}}, {"LAB_KEY": SECRET})


def opened(home: Path, step: Step, **settings: Any) -> tuple[Json, Provider]:
    """Send one request; return the JSON that came, and the provider with what it saw."""

    async def send() -> Json:
        runtime = world(home, provider, **settings).runtime
        try:
            async with runtime.upstream.open(Target("lab", "m"), Request(b"{}", False, QUICK)) as reply:
                return await reply.json()
        finally:
            await runtime.close()

    with Provider(step) as provider:
        return asyncio.run(send()), provider


def test_a_request_carries_the_key_the_dialects_headers_and_the_users_own(tmp_path: Path) -> None:
    body, provider = opened(tmp_path, Say("Hello"), headers={"X-Team": "blue"})
    seen = provider.seen[0]
    assert body["choices"][0]["message"]["content"] == "Hello"
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {SECRET}"
    assert seen.headers["x-team"] == "blue"
    assert seen.headers["content-type"] == "application/json"


def test_an_anthropic_request_has_its_version_and_its_own_key_header(tmp_path: Path) -> None:
    _, provider = opened(tmp_path, Say("Hello"), dialect="anthropic", auth="x-api-key")
    seen = provider.seen[0]
    assert seen.path == "/v1/messages"
    assert seen.headers["x-api-key"] == SECRET
    assert seen.headers["anthropic-version"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_so_the_key_stays(tmp_path: Path, status: int) -> None:
    with Provider() as elsewhere:
        with pytest.raises(NotAnAPIError, match="not followed"):
            opened(tmp_path, Status(status, headers={"location": elsewhere.url}))
        assert elsewhere.seen == []


@pytest.mark.parametrize("echo", [f"wrong key {SECRET}", {"error": {"message": f"wrong key: {SECRET}"}}])
def test_a_provider_that_echoes_the_key_does_not_get_it_printed(tmp_path: Path, echo: Any) -> None:
    with pytest.raises(UpstreamError) as raised:
        opened(tmp_path, Status(401, echo))
    assert SECRET not in str(raised.value) + repr(raised.value) + raised.value.hint
    assert raised.value.provider == "lab"


@pytest.mark.parametrize("body", ["", "[]", '"text"', "{", "\x00\x01", "null", "[" * 100_000])
def test_an_answer_that_is_no_json_object_is_a_protocol_error(tmp_path: Path, body: str) -> None:
    with pytest.raises(ProtocolError):
        opened(tmp_path, Status(200, body))


def test_a_web_page_is_never_parsed_nor_echoed(tmp_path: Path) -> None:
    with pytest.raises(NotAnAPIError) as raised:
        opened(tmp_path, Status(200, "<html>secret wifi</html>", content_type="text/html; charset=utf-8"))
    assert "wifi" not in str(raised.value)
    assert "mini-llm providers show lab" in raised.value.hint


def test_a_providers_file_may_name_its_own_path(tmp_path: Path) -> None:
    folder = tmp_path / "providers"
    folder.mkdir()

    async def send() -> None:
        runtime = World(tmp_path, {}).runtime
        async with runtime.upstream.open(Target("own", "big"), Request(b"{}", False, QUICK)) as reply:
            await reply.json()
        await runtime.close()

    with Provider() as provider:
        text = f'base_url = "{provider.url}"\nauth = "none"\npaths = {{ chat = "/deployments/{{model}}/chat" }}\n'
        (folder / "own.toml").write_text(text, encoding="utf-8")
        asyncio.run(send())
        assert provider.seen[0].path == "/v1/deployments/big/chat"
