"""What only OpenAI's like have, passed on as it is: JSON, forms with files, sound, streams."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.errors import UsageError
from mini_llm.gateway import forms
from tests.dialects.reading import WIRE
from tests.gateway.running import InThread, running
from tests.sdks.install import SDKS, Sdk
from tests.upstream import Bytes, Provider, Reset, Silence, Status

SOUND = bytes(range(256)) * 4000
STREAM = (
    b'data: {"choices": [{"text": "Hel", "index": 0}]}\n\n: still here\n\n'
    b'data: {"choices": [{"text": "lo", "index": 0, "finish_reason": "stop"}]}\n\n'
    b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}\n\ndata: [DONE]\n\n'
)
EVENTS = "text/event-stream"


@contextmanager
def gateway(home: Path, *providers: Provider, dialect: str = "openai") -> Iterator[InThread]:
    """Run a gateway over the providers in order, all behind the alias `a`."""
    names = [f"lab{at}" for at, _ in enumerate(providers)]
    configured = {
        name: {"baseUrl": one.url, "dialect": dialect, "models": ["m"]}
        for name, one in zip(names, providers, strict=True)
    }
    settings = {"providers": configured, "aliases": {"a": [f"{name}/m" for name in names]}}
    with running(home / "home", {}, settings) as begun:
        yield begun


def ask(gateway: InThread, path: str, body: Any) -> httpx.Response:
    return httpx.post(gateway.url + path, headers=gateway.headers, json=body, timeout=20, verify=False)


def recorded() -> list[tuple[str, dict[str, Any]]]:
    """Return the recorded answers of endpoints that are only passed on."""
    if not (WIRE / "index.jsonl").exists():
        return []
    lines = (json.loads(line) for line in (WIRE / "index.jsonl").read_text(encoding="utf-8").splitlines())
    kinds = {"openai-completions": "/v1/completions", "moderation": "/v1/moderations", "rerank": "/v1/rerank"}
    return [
        (kinds[line["dialect"]], json.loads((WIRE / line["file"]).read_text(encoding="utf-8")))
        for line in lines
        if line["dialect"] in kinds and line["status"] == 200
    ]


RECORDED = recorded()


@pytest.mark.skipif(not RECORDED, reason="no recordings in ../shared/wire")
def test_every_recorded_answer_comes_back_byte_for_byte(tmp_path: Path) -> None:
    with Provider() as lab, gateway(tmp_path, lab) as running:
        for number, (path, recording) in enumerate(RECORDED, 1):
            told = recording["response"]
            streams = "sse" in told
            raw = told["sse"].encode() if streams else json.dumps(told["body"], indent=1).encode()
            lab.script = [Bytes(raw, EVENTS if streams else "application/json", size=50)]
            asked = recording["request"]["body"] | {"model": "a"}
            answer = ask(running, path, asked)
            assert (answer.status_code, answer.content) == (200, raw), recording["id"]
            assert lab.seen[-1].body == asked | {"model": "m"} and lab.seen[-1].path == path
            row = running.rows(number)[-1]
            assert row["status"] == "ok", recording["id"]
            usage = (told.get("body") or {}).get("usage") or {}
            if "prompt_tokens" in usage:
                assert row["input_tokens"] == usage["prompt_tokens"]


def test_sound_comes_back_as_it_is(tmp_path: Path) -> None:
    with Provider(Bytes(SOUND, "audio/mpeg", size=9000)) as lab, gateway(tmp_path, lab) as running:
        answer = ask(running, "/v1/audio/speech", {"model": "a", "input": "Hi", "voice": "v"})
        assert answer.content == SOUND and answer.headers["content-type"] == "audio/mpeg"
        assert answer.headers["x-mini-llm-provider"] == "lab0"
        assert lab.seen[0].path == "/v1/audio/speech"
        (row,) = running.rows(1)
        assert (row["status"], row["cost_nanos"]) == ("ok", 0)


def test_pictures_keep_their_usage(tmp_path: Path) -> None:
    told = {"created": 1, "data": [{"b64_json": "eA=="}], "usage": {"input_tokens": 3, "output_tokens": 900}}
    with Provider(Bytes(json.dumps(told).encode())) as lab, gateway(tmp_path, lab) as running:
        assert ask(running, "/v1/images/generations", {"model": "a", "prompt": "x"}).json() == told
        (row,) = running.rows(1)
        assert (row["input_tokens"], row["output_tokens"]) == (3, 900)


def test_a_form_with_a_file_passes_with_the_targets_model_in_it(tmp_path: Path) -> None:
    with Provider(Bytes(b'{"text": "Hello"}')) as lab, gateway(tmp_path, lab) as running:
        sound = SOUND + b'\r\nContent-Disposition: form-data; name="model"\r\n\r\nnot this one'
        answer = httpx.post(
            f"{running.url}/v1/audio/transcriptions",
            headers=running.headers,
            data={"model": "a", "language": "en"},
            files={"file": ("a.mp3", sound, "audio/mpeg")},
        )
        assert answer.json() == {"text": "Hello"}
        seen = lab.seen[0]
        assert sound in seen.raw and seen.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert b'name="model"\r\n\r\nm\r\n' in seen.raw and b'name="language"\r\n\r\nen\r\n' in seen.raw


def test_an_endpoint_for_json_takes_no_form(tmp_path: Path) -> None:
    with Provider() as lab, gateway(tmp_path, lab) as running:
        for path in ("/v1/audio/speech", "/v1/completions", "/v1/embeddings", "/v1/chat/completions"):
            answer = httpx.post(running.url + path, headers=running.headers, files={"model": (None, b"a")})
            assert answer.status_code == 415, path
        assert not lab.seen


def test_a_stream_passes_with_its_usage_noted(tmp_path: Path) -> None:
    with Provider(Bytes(STREAM, EVENTS)) as lab, gateway(tmp_path, lab) as running:
        answer = ask(running, "/v1/completions", {"model": "a", "prompt": "x", "stream": True})
        assert answer.content == STREAM and answer.headers["content-type"] == EVENTS
        (row,) = running.rows(1)
        assert (row["status"], row["input_tokens"], row["output_tokens"]) == ("ok", 5, 2)


@pytest.mark.parametrize("cut", range(STREAM.index(b"\n\n") + 2, STREAM.index(b'"finish_reason"'), 9))
def test_a_stream_that_stops_early_ends_with_an_error(tmp_path: Path, cut: int) -> None:
    with Provider(Bytes(STREAM[:cut], EVENTS)) as lab, gateway(tmp_path, lab) as running:
        answer = ask(running, "/v1/completions", {"model": "a", "prompt": "x", "stream": True})
        *events, last = [line for line in answer.content.splitlines() if line.startswith(b"data: ")]
        whole = STREAM[:cut].rpartition(b"\n\n")[0]
        assert events == [line for line in whole.splitlines() if line.startswith(b"data: ")]
        assert json.loads(last[6:])["error"]["code"] == "upstream_truncated"
        (row,) = running.rows(1)
        assert row["status"] == "partial"


@pytest.mark.parametrize("nothing", [b"", STREAM[:30], b": still here\n\n", b"data: nonsense\n\n"])
def test_a_stream_that_stops_before_anything_came_is_no_stream(tmp_path: Path, nothing: bytes) -> None:
    with Provider(Bytes(nothing, EVENTS)) as lab, gateway(tmp_path, lab) as running:
        answer = ask(running, "/v1/completions", {"model": "a", "prompt": "x", "stream": True})
        assert answer.status_code == 502 and "error" in answer.json()
        (row,) = running.rows(1)
        assert row["status"] == "failed"


def test_sound_that_stops_early_is_cut_off(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_send_too_little, args=[server], daemon=True).start()
        lab = {"baseUrl": f"http://127.0.0.1:{server.getsockname()[1]}/v1", "models": ["m"]}
        with running(tmp_path / "home", {}, {"providers": {"lab": lab}}) as begun:
            with pytest.raises(httpx.RemoteProtocolError):
                ask(begun, "/v1/audio/speech", {"model": "lab/m", "input": "x"})
            (row,) = begun.rows(1)
            assert row["status"] == "partial"


def _send_too_little(server: socket.socket) -> None:
    """Promise more sound than is sent."""
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 9000\r\n\r\n" + SOUND[:2000]
        )


def test_a_slow_reader_slows_the_provider_down(tmp_path: Path) -> None:
    sent: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_send_much, args=[server, sent], daemon=True).start()
        lab = {"baseUrl": f"http://127.0.0.1:{server.getsockname()[1]}/v1", "models": ["m"]}
        with running(tmp_path / "home", {}, {"providers": {"lab": lab}}) as begun:
            body = {"model": "lab/m", "input": "x"}
            with httpx.stream("POST", f"{begun.url}/v1/audio/speech", headers=begun.headers, json=body) as answer:
                before = -1
                while before != len(sent) or not sent:  # until nothing more is taken
                    before = len(sent)
                    time.sleep(0.5)
                assert len(sent) < MUCH // 2
                assert sum(len(piece) for piece in answer.iter_bytes()) == MUCH * len(PIECE)


PIECE = bytes(65536)
MUCH = 700  # pieces: 44 MiB


def _send_much(server: socket.socket, sent: list[int]) -> None:
    """Send a long sound as fast as it is taken."""
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: {MUCH * len(PIECE)}\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(MUCH):
            connection.sendall(PIECE)
            sent.append(1)


def test_an_endpoint_that_the_provider_has_not_got_is_told(tmp_path: Path) -> None:
    with Provider(Status(404, {"error": {"message": "Unknown request URL"}})) as lab, gateway(tmp_path, lab) as running:
        answer = ask(running, "/v1/moderations", {"model": "a", "input": "x"})
        assert answer.status_code == 404 and "Unknown request URL" in answer.text


BROKEN = [Status(500), Status(501), Status(429), Status(401), Bytes(b"nonsense"), Bytes(b'{"error": {"message": "x"}}')]


@pytest.mark.parametrize("broken", [*BROKEN, Reset()])
def test_the_next_provider_is_asked_when_the_first_has_not_got_it(tmp_path: Path, broken: Any) -> None:
    good = Bytes(b'{"results": []}')
    with Provider(broken) as first, Provider(good) as second, gateway(tmp_path, first, second) as running:
        answer = ask(running, "/v1/moderations", {"model": "a", "input": "x"})
        assert answer.json() == {"results": []} and answer.headers["x-mini-llm-provider"] == "lab1"
        assert answer.headers["x-mini-llm-attempts"] == str(len(first.seen) + 1)


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "bedrock", "ollama"])
def test_a_provider_that_speaks_otherwise_is_not_asked(tmp_path: Path, dialect: str) -> None:
    with Provider() as lab, gateway(tmp_path, lab, dialect=dialect) as running:
        answer = ask(running, "/v1/images/generations", {"model": "a", "prompt": "x"})
        assert answer.status_code == 400 and "/images/generations" in answer.json()["error"]["message"]
        assert not lab.seen


def test_cohere_ranks_at_the_same_place(tmp_path: Path) -> None:
    with Provider(Bytes(b'{"results": []}')) as lab, gateway(tmp_path, lab, dialect="cohere") as running:
        assert ask(running, "/v1/rerank", {"model": "a", "query": "x", "documents": ["y"]}).json() == {"results": []}


def test_without_a_model_only_completions_have_a_default(tmp_path: Path) -> None:
    with Provider(Bytes(b'{"choices": []}')) as lab, gateway(tmp_path, lab) as running:
        assert ask(running, "/v1/completions", {"prompt": "x"}).status_code == 200
        assert lab.seen[0].body == {"prompt": "x", "model": "m"}
        for path in ("/v1/moderations", "/v1/images/generations", "/v1/audio/speech", "/v1/rerank"):
            assert ask(running, path, {"input": "x"}).status_code == 400


def test_a_caller_who_leaves_takes_the_provider_along(tmp_path: Path) -> None:
    with Provider(Silence(headers=True)) as lab, gateway(tmp_path, lab) as running:
        with pytest.raises(httpx.ReadTimeout):
            body = {"model": "a", "prompt": "x", "stream": True}
            httpx.post(f"{running.url}/v1/completions", headers=running.headers, json=body, timeout=0.5)
        assert lab.seen[0].gone.wait(20)


@pytest.mark.parametrize("sdk", [sdk for sdk in SDKS if sdk.package == "openai"], ids=str)
def test_the_official_sdks_read_what_is_passed(tmp_path: Path, sdk: Sdk) -> None:
    if not sdk.ready:
        pytest.skip(f"{sdk} is not here: run `python tests/sdks/install.py`")
    script = [Bytes(SOUND, "audio/mpeg", size=9000), Bytes(b'{"text": "Hello"}'), Bytes(STREAM, EVENTS)]
    with Provider(*script) as lab, gateway(tmp_path, lab) as running:
        command = [str(sdk.python), "-c", SPEAKING, running.url, running.token]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert json.loads(done.stdout or "null") == [len(SOUND), "Hello", "Hello"], done.stderr[-2000:]


SPEAKING = """
import json, openai, sys
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=sys.argv[2], max_retries=0)
sound = client.audio.speech.create(model="a", input="Hi", voice="alloy").read()
text = client.audio.transcriptions.create(model="a", file=("a.mp3", sound)).text
pieces = client.completions.create(model="a", prompt="x", stream=True)
print(json.dumps([len(sound), text, "".join(piece.choices[0].text for piece in pieces if piece.choices)]))
"""


KIND = "multipart/form-data; boundary=b"


def form(*parts: tuple[str, bytes]) -> bytes:
    return b"".join(b"--b\r\n%b\r\n\r\n%b\r\n" % (head.encode(), value) for head, value in parts) + b"--b--\r\n"


MODEL = 'Content-Disposition: form-data; name="model"'
FILE = 'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: audio/mpeg'


@given(st.binary(max_size=200), st.binary(max_size=40), st.booleans())
def test_the_model_is_found_in_any_form_and_nothing_else_changes(sound: bytes, other: bytes, last: bool) -> None:
    parts = [(FILE, sound), ('Content-Disposition: form-data; name="prompt"', other)]
    if b"\r\n--b" in b"\r\n" + sound + other:
        return
    raw = form(*parts, (MODEL, b"old")) if last else form((MODEL, b"old"), *parts)
    field = forms.model_of(raw, KIND)
    assert field is not None and field.value == "old"
    new = form(*parts, (MODEL, b"new/one")) if last else form((MODEL, b"new/one"), *parts)
    assert forms.with_model(raw, field, "new/one") == new
    assert forms.model_of(form(*parts), KIND) is None


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (form((MODEL, b"a"), (MODEL, b"b")), KIND),
        (form((MODEL, b"x" * 600)), KIND),
        (form(('Content-Disposition: form-data; name="model"; filename="f"', b"a")), KIND),
        (form(("Content-Disposition: form-data; name*=model", b"a")), KIND),
        (form((MODEL, b"a"))[:-8], KIND),
        (form(*[(FILE, b"")] * 300), KIND),
        (form(("X: " + "y" * 5000, b"a")), KIND),
        (b"", KIND),
        (b"no form at all", KIND),
        (form((MODEL, b"a")), "multipart/form-data"),
        (form((MODEL, b"a")), "multipart/form-data; boundary=" + "b" * 71),
    ],
)
def test_a_form_that_could_be_read_in_two_ways_or_has_no_end_is_refused(raw: bytes, kind: str) -> None:
    with pytest.raises(UsageError):
        forms.model_of(raw, kind)
