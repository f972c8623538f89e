"""upstream: one body to one target; what comes back is a Reply or the right UpstreamError."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mini_llm.errors import AuthError, ConfigError, NotAnAPIError, ProtocolError, UpstreamError, UsageError
from mini_llm.routing import Target
from mini_llm.transport import Timeouts
from mini_llm.types import Json
from mini_llm.upstream import Request
from tests.hostile import chunk, hostile
from tests.upstream import FailInside, Provider, Say, Seen, Status, Step
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


@pytest.mark.parametrize("filler", [0, 460, 470, 480, 490, 495])
def test_no_part_of_the_key_comes_back_however_an_error_is_shortened(tmp_path: Path, filler: int) -> None:
    plain = "correct-horse-battery-staple-0123"
    echo = {"error": {"message": f"{'x' * filler} {plain} is wrong", "key": plain}}
    with pytest.raises(UpstreamError) as raised, Provider(Status(400, echo)) as provider:
        asyncio.run(_open(world(tmp_path, provider, apiKey=plain)))
    assert "correct-" not in str(raised.value) + raised.value.body.decode()


@pytest.mark.parametrize("filler", [468, 475, 485])
def test_an_error_inside_a_stream_shows_no_beginning_of_the_key(tmp_path: Path, filler: int) -> None:
    plain = "correct-horse-battery-staple-0123"
    with Provider(FailInside(error={"message": f"{'x' * filler} {plain}"})) as provider:
        error = world(tmp_path, provider, apiKey=plain).failure(stream=True, model="lab/m")
    assert "correct-" not in str(error)


def test_a_secret_in_a_header_of_the_users_own_is_hidden_too(tmp_path: Path) -> None:
    plain = "correct-horse-battery-staple-0123"
    with pytest.raises(UpstreamError) as raised:
        opened(tmp_path, Status(400, f"bad header {plain}"), headers={"X-Access-Token": plain})
    assert plain not in str(raised.value)


def test_the_status_tells_whatever_the_body_of_an_error_is(tmp_path: Path) -> None:
    with pytest.raises(AuthError):
        opened(tmp_path, Status(401, "x" * (3 << 20)))


async def _open(world: World, target: Target = Target("lab", "m")) -> None:  # noqa: B008  (immutable)
    try:
        async with world.runtime.upstream.open(target, Request(b"{}", False, QUICK)) as reply:
            await reply.json()
    finally:
        await world.runtime.close()


@pytest.mark.parametrize("body", ["", "[]", '"text"', "{", "\x00\x01", "null", "[" * 100_000])
def test_an_answer_that_is_no_json_object_is_a_protocol_error(tmp_path: Path, body: str) -> None:
    with pytest.raises(ProtocolError):
        opened(tmp_path, Status(200, body))


def test_half_a_character_costs_no_answer(tmp_path: Path) -> None:
    opened(tmp_path, Status(200, '{"choices": [], "cut": "\\ud83d"}'))


def test_a_web_page_is_never_parsed_nor_echoed(tmp_path: Path) -> None:
    with pytest.raises(NotAnAPIError) as raised:
        opened(tmp_path, Status(200, "<html>secret wifi</html>", content_type="text/html; charset=utf-8"))
    assert "wifi" not in str(raised.value)
    assert "mini-llm providers show lab" in raised.value.hint


def own_path(home: Path, path: str, provider: Provider) -> World:
    """A world whose provider `own` has a path of its own for chat."""
    (home / "providers").mkdir(exist_ok=True)
    text = f'base_url = "{provider.url}"\nauth = "none"\npaths = {{ chat = "{path}" }}\n'
    (home / "providers" / "own.toml").write_text(text, encoding="utf-8")
    return World(home, {})


@pytest.mark.parametrize(
    ("model", "path"),
    [("big", "big"), ("@cf/meta/llama:1.0", "@cf/meta/llama:1.0"), ("a?b=c#d e\r\n", "a%3Fb%3Dc%23d%20e%0D%0A")],
)
def test_a_providers_file_may_name_its_own_path(tmp_path: Path, model: str, path: str) -> None:
    with Provider() as provider:
        asyncio.run(_open(own_path(tmp_path, "/deployments/{model}/chat", provider), Target("own", model)))
        assert provider.seen[0].path == f"/v1/deployments/{path}/chat"


@pytest.mark.parametrize("model", ["../../admin", "..", "a/../b", "./x"])
def test_the_name_of_a_model_leads_to_no_other_place(tmp_path: Path, model: str) -> None:
    with Provider() as provider:
        with pytest.raises(UsageError, match="no name of a model"):
            asyncio.run(_open(own_path(tmp_path, "/deployments/{model}/chat", provider), Target("own", model)))
        assert provider.seen == []


def test_a_path_does_not_go_on_with_the_hosts_name(tmp_path: Path) -> None:
    with Provider() as provider, pytest.raises(ConfigError, match="must begin with a slash"):
        asyncio.run(_open(own_path(tmp_path, ".elsewhere.example/chat", provider), Target("own", "m")))


def test_a_connection_serves_again_after_a_streamed_answer(tmp_path: Path) -> None:
    async def ask_twice() -> list[bool]:
        async with hostile() as peer:
            said = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            whole = head + chunk(said) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
            peer.scripts["/chat/completions"] = whole
            runtime = World(tmp_path, {"lab": peer.url}).runtime
            reused = []
            for _ in range(2):
                async with runtime.upstream.open(Target("lab", "m"), Request(b"{}", True, QUICK)) as reply:
                    assert [delta.text async for delta in reply.deltas() if delta.text] == ["Hi"]
                    reused.append(reply.response.reused)
            await runtime.close()
            return reused

    assert asyncio.run(ask_twice()) == [False, True]


def test_an_answer_that_came_whole_though_a_stream_was_asked_for_is_taken(tmp_path: Path) -> None:
    whole = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}
    with Provider(Status(200, whole)) as provider:
        assert world(tmp_path, provider).stream(model="lab/m")[1].text == "Hello"


def sent(home: Path, request: Request, **settings: Any) -> Seen:
    """Return *request* as the provider saw it."""
    with Provider() as provider:
        runtime = world(home, provider, **settings).runtime

        async def send() -> None:
            async with runtime.upstream.open(Target("lab", "m"), request):
                pass
            await runtime.close()

        asyncio.run(send())
        return provider.seen[0]


def test_a_callers_header_replaces_the_dialects_own(tmp_path: Path) -> None:
    headers = (("Anthropic-Version", "2024-01-01"), ("anthropic-beta", "a"), ("anthropic-beta", "b"), ("x-new", "1"))
    seen = sent(tmp_path, Request(b"{}", False, QUICK, headers), dialect="anthropic", auth="x-api-key")
    assert seen.headers["anthropic-version"] == "2024-01-01"
    assert seen.headers["anthropic-beta"] == "a, b"
    assert seen.headers["x-new"] == "1"


@pytest.mark.parametrize("auth", ["bearer", "x-api-key", "api-key"])
@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "api-key", "x-goog-api-key", "Cookie", "X-Team"])
def test_a_callers_header_never_says_who_asks_nor_what_the_user_has_set(tmp_path: Path, name: str, auth: str) -> None:
    request = Request(b"{}", False, QUICK, ((name, "stolen"),))
    seen = sent(tmp_path, request, auth=auth, headers={"x-team": "blue"})
    assert "stolen" not in str(seen.headers)
    assert SECRET in str(seen.headers) and seen.headers["x-team"] == "blue"


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "Connection"])
def test_a_callers_header_cannot_say_where_a_request_goes_or_ends(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="written by the transport"):
        sent(tmp_path, Request(b"{}", False, QUICK, ((name, "1"),)))


def test_a_request_may_be_of_any_kind(tmp_path: Path) -> None:
    form = "multipart/form-data; boundary=x"
    request = Request(b"--x--", False, QUICK, path="/audio/transcriptions", content_type=form)
    seen = sent(tmp_path, request)
    assert (seen.method, seen.path, seen.headers["content-type"]) == ("POST", "/v1/audio/transcriptions", form)
    assert seen.raw == b"--x--"
    assert sent(tmp_path, Request(b"", False, QUICK, path="/models", method="GET")).method == "GET"


def test_another_key_of_the_provider_can_be_named(tmp_path: Path) -> None:
    plain = "sk-another-0123456789"
    assert sent(tmp_path, Request(b"{}", False, QUICK, key=plain)).headers["authorization"] == f"Bearer {plain}"


@pytest.mark.parametrize("name", ["x-request-id", "request-id", "x-amzn-requestid", "mistral-correlation-id"])
def test_the_providers_name_for_an_answer_is_known_however_it_calls_it(tmp_path: Path, name: str) -> None:
    async def send(provider: Provider) -> str:
        runtime = world(tmp_path, provider).runtime
        try:
            async with runtime.upstream.open(Target("lab", "m"), Request(b"{}", False, QUICK)) as reply:
                return reply.request_id
        finally:
            await runtime.close()

    with Provider(Status(200, {}, headers={name: "up-7"})) as provider:
        assert asyncio.run(send(provider)) == "up-7"


def test_what_is_kept_of_a_head_is_no_other_requests(tmp_path: Path) -> None:
    async def send() -> None:
        made = world(tmp_path, provider)
        runtime = made.runtime
        try:
            for key, team in ((SECRET, "blue"), (SECRET, "blue"), (SECRET, "red"), ("sk-new-0123456789abcdef", "red")):
                made.environ["LAB_KEY"] = key
                request = Request(b"{}", False, QUICK, (("x-team", team),))
                async with runtime.upstream.open(Target("lab", "m"), request) as reply:
                    await reply.json()
        finally:
            await runtime.close()

    with Provider(Say("Hello"), Say("Hello"), Say("Hello"), Say("Hello")) as provider:
        asyncio.run(send())
    assert [seen.headers["x-team"] for seen in provider.seen] == ["blue", "blue", "red", "red"]
    assert [seen.headers["authorization"][7:13] for seen in provider.seen] == [*["sk-lab"] * 3, "sk-new"]
