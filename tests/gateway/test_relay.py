"""What passes as it is, what is translated, and what is told beside the answer. Real sockets, a scripted provider."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mini_llm.gateway.tokens import Tokens
from tests.gateway.running import InThread, running
from tests.upstream import Bytes, Call, Provider, Say, Status, Step

ANTHROPIC = {"dialect": "anthropic"}
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
ASKED = {"model": "lab/m", "messages": [{"role": "user", "content": "Hi"}]}
SAID = b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m-2026","choices":[{"index":0,\
"message":{"role":"assistant","content":"Hello","unknown":1},"finish_reason":"stop"}],\
"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15},"more":[1, 2]}'


class Told(NamedTuple):
    """An answer of the gateway."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of the events of a stream, `[DONE]` left as it is."""
        data = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [one if one == "[DONE]" else json.loads(one) for one in data]


def ask(gateway: InThread, path: str, body: Any, headers: dict[str, str] | None = None) -> Told:
    """Post *body* and read the whole answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)) as connection:
        sent = {"content-type": "application/json", **gateway.headers, **(headers or {})}
        connection.request("POST", path, raw, sent)
        answer = connection.getresponse()
        with answer:
            return Told(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


@contextmanager
def gateway(
    home: Path, *script: Step, dialect: str = "openai", settings: dict[str, Any] | None = None
) -> Iterator[tuple[InThread, Provider]]:
    """Run a gateway in front of one provider, `lab`."""
    with Provider(*script) as provider:
        lab = {"baseUrl": provider.url, "models": ["m"], "dialect": dialect, **(settings or {})}
        with running(home, {}, {"providers": {"lab": lab}}) as inside:
            yield inside, provider


def test_the_same_dialect_passes_byte_by_byte_but_for_the_name_of_the_model(tmp_path: Path) -> None:
    with gateway(tmp_path, Bytes(SAID)) as (ours, provider):
        said = b'[{"role":"user","content":"\\ud83d\\ude00 \\"model\\": \\"x\\""}]'
        raw = b'{ "messages":%b,\n "model" : "lab/m" , "new": {"a":1.0}}' % said
        told = ask(ours, CHAT, raw)
        assert told.body == SAID
        assert provider.seen[0].raw == raw.replace(b'"lab/m"', b'"m"')
        row = ours.rows(1)[0]
    assert (row["status"], row["input_tokens"], row["output_tokens"]) == ("ok", 10, 5)
    assert row["request_id"] == told.headers["x-mini-llm-request-id"]


def test_an_answer_tells_who_gave_it(tmp_path: Path) -> None:
    with gateway(tmp_path, Bytes(SAID)) as (ours, _):
        headers = ask(ours, CHAT, ASKED).headers
    assert headers["x-mini-llm-provider"] == "lab"
    assert headers["x-mini-llm-model"] == "m"
    assert headers["x-mini-llm-attempts"] == "1"
    assert headers["x-mini-llm-route"] == "lab/m (priority): lab/m"
    assert headers["content-type"] == "application/json"
    assert "server" not in headers


def test_a_stream_of_the_same_dialect_passes_and_usage_is_asked_for_behind_the_callers_back(tmp_path: Path) -> None:
    events = [
        b'{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":null}',
        b'{"id":"c","choices":[{"index":0,"delta":{"content":"Hel\\u2028lo","x":1}}],"usage":null}',
        b'{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}',
        b'{"id":"c","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}',
        b"[DONE]",
    ]
    stream = b"".join(b"data: %b\n\n" % event for event in events)
    with gateway(tmp_path, Bytes(stream, "text/event-stream")) as (ours, provider):
        told = ask(ours, CHAT, {**ASKED, "stream": True})
        wanted = ask(ours, CHAT, {**ASKED, "stream": True, "stream_options": {"include_usage": True}})
        row = ours.rows(2)[0]
        assert provider.seen[0].body["stream_options"] == {"include_usage": True}
    bare = [event.replace(b',"usage":null', b"") for event in events if b'"choices":[]' not in event]
    assert told.body == b"".join(b"data: %b\n\n" % event for event in bare)
    assert wanted.body == stream
    assert (row["input_tokens"], row["output_tokens"], row["status"]) == (10, 5, "ok")
    assert told.headers["content-type"].startswith("text/event-stream")
    assert told.headers["x-mini-llm-provider"] == "lab"
    assert told.headers["cache-control"] == "no-store, no-transform"


def test_names_of_events_pass_too(tmp_path: Path) -> None:
    with gateway(tmp_path, Say("Hello there"), dialect="anthropic") as (ours, provider):
        told = ask(ours, MESSAGES, {**ASKED, "max_tokens": 10, "stream": True})
    assert b"event: message_start\ndata: " in told.body and b"event: message_stop\n" in told.body
    assert "".join(event.get("delta", {}).get("text", "") for event in told.events) == "Hello there"
    assert provider.seen[0].path == "/v1/messages"


def test_what_a_caller_says_of_its_protocol_reaches_the_same_dialect_only(tmp_path: Path) -> None:
    said = {"anthropic-version": "2026-10-21", "anthropic-beta": "a-1,b-2", "x-api-key": "", "cookie": "a=b"}
    with gateway(tmp_path, Say(), dialect="anthropic") as (ours, provider):
        said["x-api-key"] = ours.token
        ask(ours, MESSAGES, {**ASKED, "max_tokens": 10}, said)
        seen = provider.seen[0].headers
    assert (seen["anthropic-version"], seen["anthropic-beta"]) == ("2026-10-21", "a-1,b-2")
    assert "cookie" not in seen and ours.token not in str(seen)
    with gateway(tmp_path / "chat", Say()) as (ours, provider):
        body = {**ASKED, "max_tokens": 10, "context_management": {"edits": []}}
        said["x-api-key"] = ours.token
        told = ask(ours, MESSAGES, body, said)
        seen = provider.seen[0].headers
        assert "context_management" not in provider.seen[0].body
    assert not any(name.startswith("anthropic") for name in seen)
    assert told.headers["x-mini-llm-dropped"] == "context_management"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES, "/v1/responses", "/v1beta/models/lab%2Fm:generateContent"])
def test_any_dialect_gets_an_answer_from_any_provider(tmp_path: Path, path: str, dialect: str, *, stream: bool) -> None:
    body: dict[str, Any] = {**ASKED, "max_tokens": 10, "stream": stream}
    if "responses" in path:
        body = {"model": "lab/m", "input": "Hi", "stream": stream}
    elif "generate" in path:
        body = {"contents": [{"parts": [{"text": "Hi"}]}]}
        path = path.replace(":generate", ":streamGenerate") + "?alt=sse" if stream else path
    with gateway(tmp_path, Say("Hello there"), dialect=dialect) as (ours, _):
        told = ask(ours, path, body)
        row = ours.rows(1)[0]
    assert told.status == 200, told.body
    assert "Hello" in told.body.decode()
    assert (row["status"], row["input_tokens"], row["output_tokens"]) == ("ok", 10, 5)


def test_gemini_without_alt_sse_streams_an_array(tmp_path: Path) -> None:
    with gateway(tmp_path, Say("Hello there")) as (ours, _):
        told = ask(ours, "/v1beta/models/lab/m:streamGenerateContent", {"contents": [{"parts": [{"text": "Hi"}]}]})
    assert told.headers["content-type"] == "application/json"
    texts = [part["text"] for one in told.json for part in one["candidates"][0]["content"].get("parts", [])]
    assert "".join(texts) == "Hello there"


def test_an_error_of_the_same_dialect_passes_unmodified(tmp_path: Path) -> None:
    body = {"error": {"message": "bad temperature", "type": "invalid_request_error", "odd": [1]}}
    with gateway(tmp_path, Status(400, body)) as (ours, _):
        told = ask(ours, CHAT, ASKED)
        assert (told.status, told.json) == (400, body)
        other = ask(ours, MESSAGES, {**ASKED, "max_tokens": 10})
    assert other.status == 400 and other.json["type"] == "error"
    assert "bad temperature" in other.json["error"]["message"]
    assert other.headers["x-should-retry"] == "false"


def test_a_refused_key_of_ours_does_not_look_like_the_callers(tmp_path: Path) -> None:
    with gateway(tmp_path, Status(401, {"error": {"message": "Incorrect API key"}})) as (ours, _):
        told = ask(ours, CHAT, ASKED)
    assert told.status == 502
    assert told.json["error"]["code"] == "upstream_auth"


def test_quirks_of_a_provider_are_applied_to_what_passes(tmp_path: Path) -> None:
    (tmp_path / "providers").mkdir(mode=0o700)
    with Provider(Say()) as provider:
        quirks = f'base_url = "{provider.url}"\nmodels = ["m"]\ndrop = ["seed"]\nauth = "none"\n'
        (tmp_path / "providers" / "odd.toml").write_text(quirks + '[rename]\nmax_tokens = "max_completion_tokens"\n')
        with running(tmp_path, {}, {"providers": {"odd": {}}}) as ours:
            told = ask(ours, CHAT, {**ASKED, "model": "odd/m", "seed": 1, "max_tokens": 5, "new": 2})
        seen = provider.seen[0].body
    assert (seen["max_completion_tokens"], seen["new"]) == (5, 2)
    assert "seed" not in seen and "max_tokens" not in seen
    assert told.headers["x-mini-llm-dropped"] == "seed"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_compressed_body_is_read(tmp_path: Path, coding: str) -> None:
    import zstandard

    raw = json.dumps(ASKED).encode()
    packed = gzip.compress(raw) if coding == "gzip" else zstandard.ZstdCompressor().compress(raw)
    with gateway(tmp_path, Say()) as (ours, _):
        assert ask(ours, CHAT, packed, {"content-encoding": coding}).status == 200
        assert ask(ours, CHAT, packed[:-4], {"content-encoding": coding}).status == 400
        bomb = gzip.compress(b"0" * 100_000_000)
        assert ask(ours, CHAT, bomb, {"content-encoding": "gzip"}).status == 413
        assert ask(ours, CHAT, raw, {"content-encoding": "br"}).status == 415


def test_a_tool_call_comes_back_in_the_callers_words(tmp_path: Path) -> None:
    tools = [{"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}]
    with gateway(tmp_path, Call("look", '{"at": "sky"}')) as (ours, _):
        told = ask(ours, MESSAGES, {**ASKED, "max_tokens": 10, "tools": tools, "stream": True})
    kinds = [event["type"] for event in told.events]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    pieces = [event["delta"].get("partial_json", "") for event in told.events if event["type"] == "content_block_delta"]
    assert json.loads("".join(pieces)) == {"at": "sky"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"model": 1}', "model: must be a string"),
        (b'{"model": "lab/m", "stream": "yes"}', "stream: must be true or false"),
        (b'{"model": "nope/m", "messages": []}', "nope"),
        (b'{"model": "lab/m\\r\\nx", "messages": []}', "name of a model"),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, "not valid JSON"),
    ],
)
def test_nonsense_is_refused_before_anything_is_sent(tmp_path: Path, body: bytes, message: str) -> None:
    with gateway(tmp_path, Say()) as (ours, provider):
        told = ask(ours, CHAT, body)
        assert provider.seen == []
    assert told.status in (400, 404)
    assert message in told.json["error"]["message"]


def test_a_large_answer_flows_and_what_it_used_is_read_at_its_end(tmp_path: Path) -> None:
    large = SAID.replace(b"Hello", b"Hello " * 400_000)
    with gateway(tmp_path, Bytes(large, size=65536)) as (ours, _):
        told = ask(ours, CHAT, ASKED)
        row = ours.rows(1)[0]
    assert told.body == large
    assert told.headers["transfer-encoding"] == "chunked"
    assert (row["status"], row["input_tokens"], row["output_tokens"]) == ("ok", 10, 5)


def test_a_large_answer_that_breaks_is_cut_off_visibly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        pool.submit(_break_off, listening)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        with running(tmp_path, {"lab": url}) as ours:
            with pytest.raises(http.client.IncompleteRead):
                ask(ours, CHAT, ASKED)
            row = ours.rows(1)[0]
    assert row["status"] == "partial"


def _break_off(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n\r\n"
        connection.sendall(head + b'{"a":"' + b"x" * 2_000_000)


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_model_thought_is_put_back_though_its_caller_left_it_out(tmp_path: Path, *, stream: bool) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "reasoning_content": "I must look.", "tool_calls": [call]}
    told = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    if stream:
        told = {"index": 0, "delta": {**message, "tool_calls": [{"index": 0, **call}]}, "finish_reason": "tool_calls"}
    body = json.dumps({"id": "c", "model": "m", "created": 1, "choices": [told]}).encode()
    answer = Bytes(b"data: %b\n\ndata: [DONE]\n\n" % body, "text/event-stream") if stream else Bytes(body)
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    with gateway(tmp_path, answer, Say()) as (ours, provider):
        asked = {**ASKED, "tools": tools, "stream": stream}
        first = ask(ours, CHAT, asked)
        assert first.status == 200 and b"I must look." in first.body
        said = {"role": "assistant", "content": None, "tool_calls": [call]}
        result = {"role": "tool", "tool_call_id": "call_1", "content": "blue"}
        ask(ours, CHAT, {**asked, "stream": False, "messages": [*ASKED["messages"], said, result]})
        turns = provider.seen[1].body["messages"]
    assert turns[1]["reasoning_content"] == "I must look."
    assert turns[2]["content"] == "blue"


def test_a_wrong_method_and_a_missing_token_say_what_would_do(tmp_path: Path) -> None:
    with gateway(tmp_path, Say()) as (ours, _):
        wrong = ask(ours, "/v1/models", ASKED)
        unknown = ask(ours, CHAT, ASKED, {"authorization": ""})
        astray = ask(ours, "/chat/completions", ASKED)
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET")
    assert (unknown.status, unknown.headers["www-authenticate"]) == (401, "Bearer")
    assert astray.status == 404 and "/v1/chat/completions is what you want" in astray.json["error"]["message"]


def test_a_tools_token_is_good_as_soon_as_it_is_made(tmp_path: Path) -> None:
    with gateway(tmp_path, Say()) as (ours, _):
        assert ask(ours, CHAT, ASKED).status == 200
        token = Tokens(ours.world.home).create("codex")
        told = ask(ours, CHAT, ASKED, {"authorization": f"Bearer {token}"})
        assert told.status == 200, told.body
        assert ours.rows(2)[1]["tool"] == "codex"
        assert ask(ours, CHAT, ASKED, {"authorization": "Bearer ml-nobody-has-made-this-one"}).status == 401
