"""Which models there are, told to every kind of client in its own words."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from mini_llm.config import Config, Route
from mini_llm.gateway import names
from tests.gateway.running import InThread, running
from tests.sdks.install import SDKS, Sdk
from tests.upstream import Provider

ALIASES = {
    "fast": "openai/gpt-5.5",
    "smart": ["anthropic/claude-opus-4-8", "lab/m"],
    "claude-mine": "lab/m",
    "a/b": "lab/m",
}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def gateway(upstream: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InThread]:
    home = tmp_path_factory.mktemp("models") / "home"
    environ = {"OPENAI_API_KEY": "sk-none", "ANTHROPIC_API_KEY": "none"}
    with running(home, {"lab": upstream}, {"aliases": ALIASES}, environ=environ) as gateway:
        yield gateway


def get(gateway: InThread, path: str, *, google: bool = False, version: str = "") -> httpx.Response:
    own = {"x-goog-api-key": gateway.token} if google else gateway.headers
    spoken = {"anthropic-version": version} if version else {}
    return httpx.get(gateway.url + path, headers=own | spoken, timeout=20, verify=False)


def test_one_body_holds_the_lists_of_openai_anthropic_and_codex(gateway: InThread, upstream: Provider) -> None:
    body = get(gateway, "/v1/models").json()
    ids = [one["id"] for one in body["data"]]
    shown = ["anthropic/fast", "anthropic/smart", "anthropic/a/b"]
    assert ids[:8] == ["fast", "smart", "claude-mine", "a/b", *shown, "lab/m"]
    assert {"openai/gpt-5.5", "anthropic/claude-opus-4-8"} <= set(ids) and len(ids) == len(set(ids))
    assert (body["object"], body["has_more"], body["first_id"], body["last_id"]) == ("list", False, "fast", ids[-1])
    assert [one["slug"] for one in body["models"]] == ids and all(one["base_instructions"] for one in body["models"])
    first = body["data"][0]
    assert (first["object"], first["type"], first["owned_by"]) == ("model", "model", "mini-llm")
    windows = {one["id"]: one.get("context_window") for one in body["data"]}
    assert windows["fast"] == windows["openai/gpt-5.5"] == windows["anthropic/fast"] > 100_000
    assert windows["lab/m"] is None
    assert not upstream.seen  # nobody was asked


def test_every_alias_has_a_name_that_claude_code_lists(gateway: InThread) -> None:
    body = get(gateway, "/v1/models?limit=1000", version="2023-06-01").json()
    listed = {one["id"] for one in body["data"] if one["id"].startswith(("claude", "anthropic"))}
    assert {"anthropic/fast", "anthropic/smart", "anthropic/a/b", "claude-mine"} <= listed


def test_pages_follow_each_other_in_both_forms(gateway: InThread) -> None:
    everything = [one["id"] for one in get(gateway, "/v1/models").json()["data"]]
    found: list[str] = []
    path = "/v1/models?limit=7"
    while path:
        body = get(gateway, path).json()
        found += [one["id"] for one in body["data"]]
        assert len(body["data"]) == len(body["models"]) <= 7 and body["last_id"] == found[-1]
        path = f"/v1/models?limit=7&after_id={body['last_id']}" if body["has_more"] else ""
    assert found == everything
    found, path = [], "/v1beta/models?pageSize=7"
    while path:
        body = get(gateway, path).json()
        found += [one["name"].removeprefix("models/") for one in body["models"]]
        token = body.get("nextPageToken")
        path = f"/v1beta/models?pageSize=7&pageToken={token}" if token else ""
    assert found == everything
    before = get(gateway, f"/v1/models?limit=2&before_id={everything[5]}").json()
    assert [one["id"] for one in before["data"]] == everything[3:5] and before["has_more"]


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "limit=\u0664", "after_id=nowhere", "limit=99999999999"])
def test_a_page_that_makes_no_sense_is_refused(gateway: InThread, query: str) -> None:
    assert get(gateway, f"/v1/models?{query}").status_code == 400


@pytest.mark.parametrize(
    ("path", "google"), [("/v1/models", True), ("/v1beta/models", False), ("/v1beta/models", True)]
)
def test_googles_clients_get_googles_list(gateway: InThread, path: str, google: bool) -> None:
    body = get(gateway, path, google=google).json()
    assert list(body) == ["models"] and body["models"][0]["name"] == "models/fast"
    assert body["models"][0]["inputTokenLimit"] > 100_000


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("fast", "mini-llm"),
        ("anthropic/fast", "mini-llm"),
        ("a/b", "mini-llm"),
        ("a%2Fb", "mini-llm"),
        ("anthropic%2Fa%2Fb", "mini-llm"),
        ("openai/gpt-5.5", "openai"),
        ("openai%2Fgpt-5.5", "openai"),
        ("gpt-5.5", "openai"),
        ("anthropic/claude-opus-4-8", "anthropic"),
        ("lab/any:8b", "lab"),
        ("lab/m:generateContent", "lab"),
    ],
)
def test_whatever_can_be_asked_for_can_be_looked_up(gateway: InThread, name: str, owner: str) -> None:
    plain = name.replace("%2F", "/")
    body = get(gateway, f"/v1/models/{name}").json()
    assert (body["id"], body["owned_by"], body["object"]) == (plain, owner, "model")
    for prefix in ("/v1", "/v1beta"):
        assert get(gateway, f"{prefix}/models/{name}", google=True).json()["name"] == f"models/{plain}"


@pytest.mark.parametrize("name", ["nowhere", "nobody/m", "%00", "lab%2F", "x" * 700, "%ff", "%2e%2e%2flivez"])
def test_what_there_is_not_is_told_in_the_callers_words(gateway: InThread, name: str) -> None:
    openai, google = get(gateway, f"/v1/models/{name}"), get(gateway, f"/v1/models/{name}", google=True)
    anthropic = get(gateway, f"/v1/models/{name}", version="2023-06-01")
    assert [one.status_code for one in (openai, google, anthropic)] == [404] * 3
    assert isinstance(openai.json()["error"]["code"], str)
    assert google.json()["error"]["status"] == "NOT_FOUND"
    assert anthropic.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("fast", "fast"),
        ("anthropic/fast", "fast"),
        ("models/fast", "fast"),
        ("models/anthropic/fast", "fast"),
        ("fast[1m]", "fast"),
        ("anthropic/fast[1m]", "fast"),
        ("claude-mine[1m]", "claude-mine"),
        ("claude-opus-4-8[1m]", "claude-opus-4-8"),
        ("anthropic/claude-mine", "anthropic/claude-mine"),  # that one is Anthropic's own, should it have it
        ("anthropic/other", "anthropic/other"),
        ("anthropic/own", "anthropic/own"),
        ("own", "own"),
        ("odd[1m]", "odd[1m]"),
        ("models/real", "models/real"),
        ("", ""),
    ],
)
def test_a_name_is_understood_with_what_clients_put_around_it(asked: str, meant: str) -> None:
    aliases = ["fast", "claude-mine", "own", "anthropic/own", "odd[1m]", "models/real"]
    config = Config(aliases={name: Route(("lab/m",)) for name in aliases})
    assert names.asked(asked, config) == meant


@pytest.mark.parametrize("sdk", SDKS, ids=str)
def test_the_official_sdks_read_the_list(gateway: InThread, sdk: Sdk) -> None:
    if not sdk.ready:
        pytest.skip(f"{sdk} is not here: run `python tests/sdks/install.py`")
    command = [str(sdk.python), "-c", SPEAKING[sdk.package], gateway.url, gateway.token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    everything = [one["id"] for one in get(gateway, "/v1/models").json()["data"]]
    assert json.loads(done.stdout or "null") == [everything, "anthropic/fast"], done.stderr[-2000:]


SPEAKING = {
    "openai": """
import json, openai, sys
client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=sys.argv[2], _strict_response_validation=True)
print(json.dumps([[model.id for model in client.models.list()], client.models.retrieve("anthropic/fast").id]))
""",
    "anthropic": """
import anthropic, json, sys
client = anthropic.Anthropic(base_url=sys.argv[1], api_key=sys.argv[2], _strict_response_validation=True)
found = [model.id for model in client.models.list(limit=50)]
print(json.dumps([found, client.models.retrieve("anthropic/fast").id]))
""",
    "google-genai": """
import json, sys
from google import genai
from google.genai import types
client = genai.Client(api_key=sys.argv[2], http_options=types.HttpOptions(base_url=sys.argv[1]))
found = [model.name.removeprefix("models/") for model in client.models.list(config={"page_size": 50})]
print(json.dumps([found, client.models.get(model="anthropic/fast").name.removeprefix("models/")]))
""",
}
