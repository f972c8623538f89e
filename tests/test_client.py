"""client: what the SDK takes, what it gives back, and that both faces are the same."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

import mini_llm
from mini_llm import AsyncClient, Client
from mini_llm.errors import ProtocolError, TranslationError, UsageError
from mini_llm.types import Image, Message, Text, Tool
from tests.upstream import Call, Provider, Say, Status
from tests.world import World

PRICES = {"prices": {"paid/m": {"input": "2", "output": "10"}}}


def paid_world(home: Path, provider: Provider, dialect: str = "openai") -> World:
    settings = {"paid": {"baseUrl": provider.url, "dialect": dialect, "models": ["m"], "apiKey": "${LAB_KEY}"}}
    return World(home, {}, {"providers": settings, "default": "paid/m", **PRICES}, {"LAB_KEY": "sk-lab-0123456789"})


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_an_answer_tells_its_text_usage_cost_and_route(tmp_path: Path, dialect: str) -> None:
    with Provider(Say("Paris", usage=(100, 20))) as provider:
        answer = paid_world(tmp_path / "home", provider, dialect).ask("Capital of France?")
    assert answer.text == "Paris"
    assert (answer.provider, answer.model, answer.attempts, answer.finish_reason) == ("paid", "m", 1, "stop")
    assert answer.usage is not None and (answer.usage.input_tokens, answer.usage.output_tokens) == (100, 20)
    assert answer.cost_nanos == 100 * 2_000 + 20 * 10_000
    assert answer.cost == Decimal("0.0004")
    assert answer.route == "paid/m (priority): paid/m"
    assert answer.to_dict()["cost"] == "0.0004"


def test_a_cost_of_nothing_reads_as_0(tmp_path: Path) -> None:
    with Provider(Say("Hi", usage=(0, 0))) as provider:
        answer = paid_world(tmp_path / "home", provider).ask("Hi")
    assert (str(answer.cost), answer.to_dict()["cost"]) == ("0", "0")


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_a_stream_gives_deltas_and_then_the_same_answer(tmp_path: Path, dialect: str) -> None:
    with Provider(Say("Paris is the capital", usage=(100, 20))) as provider:
        deltas, answer = paid_world(tmp_path / "home", provider, dialect).stream("Capital of France?")
    assert [delta.text for delta in deltas if delta.text] == ["Paris", " is", " the", " capital"]
    assert answer.text == "Paris is the capital"
    assert answer.cost_nanos == 400_000
    assert answer.finish_reason == "stop"


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
def test_tools_are_offered_and_their_calls_come_back(tmp_path: Path, dialect: str, *, stream: bool) -> None:
    weather = {"name": "weather", "description": "Tell it", "parameters": {"type": "object", "properties": {}}}
    with Provider(Call("weather", '{"city": "Paris"}')) as provider:
        world = paid_world(tmp_path / "home", provider, dialect)
        options = {"tools": [weather], "tool_choice": "weather"}
        answer = world.stream("Weather?", **options)[1] if stream else world.ask("Weather?", **options)
        sent = provider.seen[0].body
    assert [(call.name, call.arguments.replace(" ", "")) for call in answer.tool_calls] == [
        ("weather", '{"city":"Paris"}')
    ]
    assert answer.finish_reason == "tool_calls"
    assert sent["tools"][0].get("name", sent["tools"][0].get("function", {}).get("name")) == "weather"
    assert "weather" in str(sent["tool_choice"])


def test_messages_may_be_words_or_mappings_and_keep_their_order(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        Message("assistant", (Text("Hello"),)),
        {"role": "user", "content": "Again"},
    ]
    with Provider() as provider:
        paid_world(tmp_path / "home", provider).ask(turns, system="Be brief")
        sent = provider.seen[0].body["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]


def test_pictures_travel_with_the_last_user_message(tmp_path: Path) -> None:
    picture = Image(data="aGk=", media_type="image/png")
    with Provider() as provider:
        paid_world(tmp_path / "home", provider).ask("What is this?", attachments=[picture])
        content = provider.seen[0].body["messages"][0]["content"]
    assert content[0]["image_url"]["url"] == "data:image/png;base64,aGk="
    assert content[1] == {"type": "text", "text": "What is this?"}


def test_a_schema_and_every_knob_reach_the_provider(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "title": "person"}
    with Provider(Say('{"name": "Ada"}')) as provider:
        paid_world(tmp_path / "home", provider).ask(
            "Who?", schema=schema, temperature=0.2, top_p=0.9, seed=7, stop="END", max_tokens=99, effort="low"
        )
        sent = provider.seen[0].body
    assert sent["response_format"]["json_schema"]["schema"] == schema
    assert (sent["temperature"], sent["top_p"], sent["seed"], sent["stop"]) == (0.2, 0.9, 7, ["END"])
    assert 99 in (sent.get("max_tokens"), sent.get("max_completion_tokens"))
    assert sent["reasoning_effort"] == "low"


def test_the_key_goes_to_the_provider_and_nowhere_else(tmp_path: Path) -> None:
    with Provider(Status(400, {"error": {"message": "bad key sk-lab-0123456789 given"}})) as provider:
        world = paid_world(tmp_path / "home", provider)
        error = world.failure()
        assert provider.seen[0].headers["authorization"] == "Bearer sk-lab-0123456789"
    assert "sk-lab" not in f"{error.message} {error!r} {error} {world.runtime.loaded!r}"


def test_an_unknown_option_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with Provider() as provider:
        error = paid_world(tmp_path / "home", provider).failure(temprature=1)
    assert isinstance(error, UsageError) and "temprature" in error.message and "temperature" in error.hint


def test_an_empty_conversation_is_refused(tmp_path: Path) -> None:
    with Provider() as provider:
        world = paid_world(tmp_path / "home", provider)
        with pytest.raises(UsageError, match="empty"):
            world.ask([])


def test_embeddings_come_in_the_order_of_their_texts(tmp_path: Path) -> None:
    with Provider() as provider:
        world = paid_world(tmp_path / "home", provider)

        async def embed() -> None:
            client = world.client()
            response = await client.embed(["a", "bbb"], model="paid/m")
            assert response.vectors == ((1.0, 1.0), (3.0, 1.0))
            await world.runtime.close()

        asyncio.run(embed())
    assert world.rows()[0]["cost_nanos"] == 7 * 2_000


def test_embeddings_of_a_dialect_that_has_none_are_refused(tmp_path: Path) -> None:
    with Provider() as provider:
        world = paid_world(tmp_path / "home", provider, "anthropic")

        async def embed() -> None:
            with pytest.raises(TranslationError):
                await world.client().embed("a", model="paid/m")
            await world.runtime.close()

        asyncio.run(embed())


@pytest.mark.parametrize(
    "body",
    [
        {"data": []},
        {"data": [{"embedding": "AAAA", "index": 0}]},
        {"data": [{"embedding": [1.0], "index": 5}]},
        {"data": [{"embedding": [], "index": 0}]},
        {"data": {"embedding": [1.0]}},
        {},
    ],
)
def test_malformed_embeddings_are_a_protocol_error(tmp_path: Path, body: object) -> None:
    with Provider(Status(200, body)) as provider:
        world = paid_world(tmp_path / "home", provider)

        async def embed() -> None:
            with pytest.raises(ProtocolError):
                await world.client().embed("a", model="paid/m")
            await world.runtime.close()

        asyncio.run(embed())


def test_models_are_the_catalogues_the_configured_and_what_a_server_lists(tmp_path: Path) -> None:
    with Provider() as provider:
        settings = {"named": {"baseUrl": provider.url, "models": ["m"]}, "asked": {"baseUrl": provider.url}}
        world = World(tmp_path / "home", {}, {"providers": settings}, {"GROQ_API_KEY": "gsk_0123456789"})

        async def models() -> list[str]:
            found = await world.client().models()
            await world.runtime.close()
            return [f"{model.provider}/{model.id}" for model in found]

        found = asyncio.run(models())
    assert {"named/m", "asked/llama-70b"} <= set(found)
    assert any(name.startswith("groq/") for name in found)


def test_a_plan_sends_nothing(tmp_path: Path) -> None:
    with Provider() as provider:
        world = paid_world(tmp_path / "home", provider)
        request, decision = AsyncClient(runtime=world.runtime).plan("x" * 4000, max_tokens=100)
        assert provider.seen == []
    assert decision.choices[0].expected_nanos == 1000 * 2_000 + 100 * 10_000
    assert request.max_tokens == 100


def test_the_synchronous_client_does_all_of_it(tmp_path: Path) -> None:
    with Provider(Say("Hello there", usage=(1, 1))) as provider:
        world = paid_world(tmp_path / "home", provider)
        with Client(environ=world.environ) as client:
            assert client.chat("Hi").text == "Hello there"
            stream = client.stream("Hi")
            assert "".join(delta.text for delta in stream) == "Hello there"
            assert stream.answer.finish_reason == "stop"
            assert client.embed("abc", model="paid/m").vectors == ((3.0, 1.0),)
            assert client.plan("Hi")[1].choices
            assert [model.id for model in client.models("paid")] == ["m"]
        with pytest.raises(UsageError, match="closed"):
            client.chat("Hi")
    assert len(world.rows()) == 3


def test_leaving_a_synchronous_stream_stops_the_provider(tmp_path: Path) -> None:
    with Provider(Say("word " * 1000, pause=0.005)) as provider:
        world = paid_world(tmp_path / "home", provider)
        with Client(environ=world.environ) as client:
            with client.stream("Hi") as stream:
                next(stream)
            assert provider.seen[0].gone.wait(1)


def test_the_synchronous_client_works_inside_a_running_loop(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as provider:
        world = paid_world(tmp_path / "home", provider)

        async def notebook() -> str:
            with Client(environ=world.environ) as client:
                return client.chat("Hi").text

        assert asyncio.run(notebook()) == "Hello"


def test_every_public_name_is_there_and_there_are_few() -> None:
    assert all(getattr(mini_llm, name) is not None for name in mini_llm.__all__)
    assert len(mini_llm.__all__) <= 20
    with pytest.raises(AttributeError):
        _ = mini_llm.Nonsense
    assert Tool("x").name == "x"
