"""`mini-llm chat` behind pipes: every flag, and what goes wrong."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import run
from tests.upstream import Cut, FailInside, Provider, Say, Silence, Status

Lab = Callable[..., Provider]
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


def _sent(provider: Provider) -> dict[str, Any]:
    body = provider.seen[-1].body
    assert isinstance(body, dict)
    return body


def _asked(provider: Provider) -> Any:
    return _sent(provider)["messages"][-1]["content"]


def test_the_answer_and_nothing_else_goes_to_a_pipe(home: Path, lab: Lab) -> None:
    provider = lab(Say("Hello **world**\nand more"))
    result = run(home, "chat", "Why", "is the sky", "blue?")
    assert result == (0, "Hello **world**\nand more\n", "")
    assert _sent(provider)["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert _sent(provider)["stream"] is True


def test_an_answer_that_ends_its_line_gets_no_second_end(home: Path, lab: Lab) -> None:
    lab(Say("Hello\n"))
    assert run(home, "chat", "hi").out == "Hello\n"


def test_model_system_and_options_reach_the_provider(home: Path, lab: Lab) -> None:
    provider = lab()
    options = ["temperature=0.5", "max_tokens=9", "top_p=0.9", "seed=7", "stop=END", "stop=FIN"]
    told = [word for option in options for word in ("-o", option)]
    assert run(home, "chat", "-m", "lab/other", "-s", "Be brief", *told, "hi").code == 0
    body = _sent(provider)
    assert body["model"] == "other"
    assert body["messages"][0] == {"role": "system", "content": "Be brief"}
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"]) == (0.5, 0.9, 7, ["END", "FIN"])
    assert 9 in (body.get("max_tokens"), body.get("max_completion_tokens"))


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("frobs=1", "error: unknown option frobs\nhint: write `-o KEY=VALUE`; known: temperature, max_tokens,"),
        ("temperature", "error: cannot read the option temperature"),
        ("temperature=hot", "error: temperature cannot be hot\nhint: temperature is a number"),
        ("temperature=nan", "error: temperature cannot be nan"),
        ("max_tokens=0", "error: max_tokens cannot be 0\nhint: max_tokens is a whole number from 1"),
        ("seed=99999999999999999999", "error: seed cannot be"),
        ("effort=much", "error: effort cannot be much\nhint: effort is none, minimal, low"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_misuse(option: str, told: str, home: Path, lab: Lab) -> None:
    provider = lab()
    result = run(home, "chat", "-o", option, "hi")
    assert (result.code, result.out, provider.seen) == (2, "", [])
    assert result.err.startswith(told)


def test_json_tells_text_usage_cost_and_route(home: Path, lab: Lab) -> None:
    lab(Say("Hello", usage=(10, 5)))
    result = run(home, "chat", "hi", "--json")
    answer = json.loads(result.out)
    assert result.err == ""
    assert answer["text"] == "Hello"
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (10, 5)
    assert (answer["provider"], answer["model"], answer["attempts"]) == ("lab", "m", 1)
    assert "lab/m" in answer["route"]
    assert "cost" in answer


def test_no_stream_asks_for_the_whole_answer(home: Path, lab: Lab) -> None:
    provider = lab(Say("Hello"))
    assert run(home, "chat", "hi", "--no-stream").out == "Hello\n"
    assert not _sent(provider).get("stream")


def test_render_works_in_a_pipe_and_excludes_raw(home: Path, lab: Lab) -> None:
    lab(Say("Hello **world**"))
    assert run(home, "chat", "hi", "--render").out == "Hello world\n"
    assert run(home, "chat", "hi", "--raw").out == "Hello **world**\n"
    assert run(home, "chat", "hi", "--raw", "--render").code == 2


def test_a_dry_run_shows_route_and_price_and_sends_nothing(home: Path, lab: Lab) -> None:
    provider = lab(aliases={"fast": ["lab/m", "openai/gpt-5.5"]})
    environ = {"OPENAI_API_KEY": "sk-none-of-your-business"}
    result = run(home, "chat", "hi " * 1000, "-m", "fast", "--dry-run", environ=environ)
    assert result.code == 0
    first, second = result.out.splitlines()
    assert first.split("\t")[:3] == ["1", "lab/m", "first choice"]
    assert second.split("\t")[:3] == ["2", "openai/gpt-5.5", "fallback 1"]
    assert "$0.0" in second
    assert "nothing was sent" in result.err
    told = json.loads(run(home, "chat", "hi", "-m", "fast", "--dry-run", "--json", environ=environ).out)
    assert (told["sent"], told["route"], told["targets"][1]["target"]) == (False, "fast", "openai/gpt-5.5")
    assert provider.seen == []


def test_a_schema_comes_from_a_file_from_json_or_from_a_description(home: Path, lab: Lab) -> None:
    provider = lab(Say('{"name": "Rex"}'))
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    (home / "dog.json").write_text(json.dumps(schema))
    for told in ("dog.json", json.dumps(schema)):
        assert run(home, "chat", "a dog", "--schema", told).out == '{"name": "Rex"}\n'
        assert _sent(provider)["response_format"]["json_schema"]["schema"] == schema
    run(home, "chat", "a dog", "--schema", "name, age int, tricks [str]")
    properties = _sent(provider)["response_format"]["json_schema"]["schema"]["properties"]
    assert properties == {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "tricks": {"type": "array", "items": {"type": "string"}},
    }


@pytest.mark.parametrize(
    "told", ["missing.json", "broken.json", "list.json", "name whatever", "", "{", "folder/", "big.json", "binary.json"]
)
def test_a_schema_that_is_none_is_a_misuse(told: str, home: Path, lab: Lab) -> None:
    provider = lab()
    (home / "broken.json").write_text("{")
    (home / "list.json").write_text("[]")
    (home / "big.json").write_bytes(b" " * (2 << 20))
    (home / "binary.json").write_bytes(b"\x00\xff\xfe")
    result = run(home, "chat", "hi", "--schema", told or " , ")
    assert (result.code, provider.seen) == (2, [])
    assert result.err.startswith("error: ")


def test_files_are_attached_by_what_they_are(home: Path, lab: Lab) -> None:
    provider = lab()
    (home / "picture.txt").write_bytes(PNG)
    (home / "notes.md").write_text("remember the milk")
    assert run(home, "chat", "What is this?", "-a", "picture.txt", "-a", "notes.md").code == 0
    picture, notes, question = _asked(provider)
    assert picture["image_url"]["url"].startswith("data:image/png;base64,")
    assert "remember the milk" in notes["text"]
    assert 'name="notes.md"' in notes["text"]
    assert question["text"] == "What is this?"


def test_a_pdf_and_a_sound_are_attached_as_what_they_are(home: Path, lab: Lab) -> None:
    provider = lab()
    (home / "paper.bin").write_bytes(b"%PDF-1.7\n\x00")
    (home / "sound.bin").write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt \x00")
    assert run(home, "chat", "Sum up", "-a", "paper.bin", "-a", "sound.bin").code == 0
    paper, sound, _ = _asked(provider)
    assert (paper["type"], paper["file"]["filename"]) == ("file", "paper.bin")
    assert sound["input_audio"]["format"] == "wav"


def test_an_address_can_be_attached(home: Path, lab: Lab) -> None:
    provider = lab()
    with Provider(Status(200, "<p>a page</p>", content_type="text/html")) as web:
        assert run(home, "chat", "Sum up", "-a", f"{web.url}/page.html").code == 0
        assert "a page" in _asked(provider)[0]["text"]
        assert "authorization" not in web.seen[0].headers
    with Provider(Status(302, "", {"location": "/final"}), Status(200, "moved here")) as web:
        assert run(home, "chat", "Sum up", "-a", f"{web.url}/old").code == 0
        assert web.seen[1].path == "/final"
    with Provider(Status(404)) as web:
        assert run(home, "chat", "Sum up", "-a", f"{web.url}/gone").err.startswith("error: cannot get ")


@pytest.mark.parametrize("name", ["missing.png", ".", "archive.zip"])
def test_what_cannot_be_attached_is_one_clear_error(name: str, home: Path, lab: Lab) -> None:
    provider = lab()
    (home / "archive.zip").write_bytes(b"PK\x03\x04\x00\x00")
    result = run(home, "chat", "hi", "-a", name)
    assert (result.code, result.out, provider.seen) == (2, "", [])
    assert result.err.startswith(f"error: cannot read {name}: ")


def test_a_timeout_bounds_the_whole_call(home: Path, lab: Lab) -> None:
    lab(Silence())
    result = run(home, "chat", "hi", "--timeout", "0.3")
    assert result.code == 5
    assert run(home, "chat", "hi", "--timeout", "-1").code == 2
    assert run(home, "chat", "hi", "--timeout", "soon").code == 2


def test_reasoning_is_shown_on_stderr_when_asked_for(home: Path, lab: Lab) -> None:
    chunks = [{"reasoning_content": "Hmm, "}, {"reasoning_content": "yes."}, {"content": "42"}]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in chunks]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    stream = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    lab(Status(200, stream, content_type="text/event-stream"))
    assert run(home, "chat", "hi") == (0, "42\n", "")
    assert run(home, "chat", "hi", "--reasoning") == (0, "42\n", "Hmm, yes.\n\n")


def test_an_answer_cut_off_by_its_limit_says_so(home: Path, lab: Lab) -> None:
    message = {"role": "assistant", "content": "Once upon"}
    lab(Status(200, {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "length"}]}))
    result = run(home, "chat", "a story", "--no-stream")
    assert result.out == "Once upon\n"
    assert "max_tokens" in result.err


@pytest.mark.parametrize(
    ("step", "code"),
    [(Status(401), 4), (Status(403), 4), (Status(402), 6), (Status(400), 5), (Cut(), 5), (FailInside(), 5)],
)
def test_what_the_provider_refuses_has_its_exit_code(step: Any, code: int, home: Path, lab: Lab) -> None:
    lab(step, key="sk-canary0123456789")
    result = run(home, "chat", "hi")
    assert result.code == code
    assert "\nerror: " in result.err
    assert "lab" in result.err.partition("\nerror: ")[2]
    assert "Traceback" not in result.err + result.out
    assert "canary" not in result.err + result.out


def test_a_stream_that_breaks_keeps_what_came(home: Path, lab: Lab) -> None:
    lab(Cut("Hello there"))
    result = run(home, "chat", "hi")
    assert result.code == 5
    assert result.out == "Hello there\n"


def test_a_closed_port_is_a_network_error_that_names_it(home: Path, configure: Callable[..., Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    configure(providers={"lab": {"baseUrl": f"http://127.0.0.1:{port}/v1", "models": ["m"]}})
    result = run(home, "chat", "hi")
    assert result.code == 5
    assert str(port) in result.err


def test_an_unknown_model_offers_the_nearest(home: Path, lab: Lab) -> None:
    lab(providers={"shop": {"baseUrl": "http://127.0.0.1:9/v1", "models": ["llama-70b"]}})
    result = run(home, "chat", "hi", "-m", "lama-70b")
    assert result.code == 7
    assert "llama-70b" in result.err
    assert run(home, "chat", "hi", "-m", "nowhere/m").code == 7


def test_a_missing_key_is_exit_4_and_says_what_to_set(home: Path) -> None:
    result = run(home, "chat", "hi", "-m", "groq/x")
    assert result.code == 4
    assert (
        result.err == "error: no key for groq\nhint: set `GROQ_API_KEY`, or run `mini-llm providers add groq --key`\n"
    )


def test_nothing_to_ask_is_a_misuse(home: Path, lab: Lab) -> None:
    lab()
    result = run(home, "chat")
    assert result.code == 2
    assert result.err.startswith("error: nothing to ask\nhint: ")


def test_the_next_target_answers_when_the_first_fails(home: Path, lab: Lab) -> None:
    with Provider(Status(500)) as broken:
        lab(
            Say("from the second"),
            providers={"broken": {"baseUrl": broken.url, "models": ["m"]}},
            aliases={"both": ["broken/m", "lab/m"]},
        )
        result = run(home, "chat", "hi", "-m", "both")
    assert (result.code, result.out) == (0, "from the second\n")


def test_every_attempt_is_in_the_ledger(home: Path, lab: Lab) -> None:
    lab(Say("Hello", usage=(10, 5)))
    run(home, "chat", "hi")
    today = json.loads(run(home, "status", "--json").out)["today"]
    assert (today["requests"], today["input_tokens"], today["output_tokens"]) == (1, 10, 5)


def test_a_ledger_that_cannot_be_written_does_not_lose_the_answer(home: Path, lab: Lab) -> None:
    lab(Say("Hello"))
    (home / "data").write_text("in the way")
    result = run(home, "chat", "hi")
    assert (result.code, result.out) == (0, "Hello\n")
    assert "warning: the ledger could not be written" in result.err
