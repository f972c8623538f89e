"""Who can answer: every shipped file holds, the user's own words win, and a broken file breaks only itself."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mini_llm import dialects
from mini_llm.catalogue import Catalogue
from mini_llm.config import Config, ProviderSettings, fields
from mini_llm.errors import ConfigError, CredentialError, UnknownModelError
from mini_llm.providers import AUTH, DIALECTS, SHIPPED, SIGNED, Provider, Registry

WIRE = Path(__file__).parent.parent.parent / "shared" / "wire"
FILES = sorted(SHIPPED.glob("*.toml"))
NAMES = re.findall(
    r"\S+",
    """
openai anthropic gemini azure groq mistral deepseek together fireworks xai openrouter cerebras sambanova deepinfra
nebius novita hyperbolic nvidia huggingface perplexity cohere moonshot zai minimax dashscope cloudflare github-models
vercel databricks venice bedrock vertex vertex-anthropic azure-deployments ollama lmstudio llamacpp vllm
""",
)
FILLED = {
    "AZURE_OPENAI_ENDPOINT": "https://example-resource.openai.azure.com/",
    "CLOUDFLARE_ACCOUNT_ID": "0" * 32,
    "AWS_REGION": "us-east-1",
    "GOOGLE_CLOUD_PROJECT": "example-project",
    "DATABRICKS_HOST": "example-workspace.azuredatabricks.net",
}
LAB = 'base_url = "http://localhost:8080/v1"\n'


def registry(
    providers: Mapping[str, ProviderSettings] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Registry:
    return Registry(Config(providers=providers or {}), environ=environ or {}, folder=folder)


def private(folder: Path, name: str, text: str | bytes) -> Registry:
    """Return a registry beside a private provider file."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return registry(folder=folder)


def test_the_promised_providers_are_there() -> None:
    assert set(NAMES) <= set(registry().names())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_file_is_short_sound_and_says_where_its_quirks_come_from(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    said = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert 3 <= len(said) <= 10
    table = tomllib.loads(text)
    assert table["docs"].startswith("https://")
    provider = registry(environ=FILLED).get(path.stem)
    assert provider.local or provider.base_url.startswith("https://")
    assert provider.local == (provider.auth == "none")
    assert provider.local or provider.key_env
    for quirk in table.keys() & {"drop", "rename", "defaults", "paths", "headers", "continues"}:
        above = text[: text.index(f"\n{quirk} = ")].splitlines()[-1]
        assert re.search(r"https://\S+ \(20\d\d-\d\d\)$", above), f"{quirk}: say where it stands, and when you read it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_usual_model_is_one_the_catalogue_knows(path: Path) -> None:
    provider, known = registry(environ=FILLED).get(path.stem), Catalogue.open()
    if provider.default:
        assert known.get(provider.name, provider.default), provider.default


@pytest.mark.parametrize(
    ("name", "model", "whether"),
    [
        ("anthropic", "claude-haiku-4-5-20251001", True),
        ("anthropic", "claude-sonnet-4-20250514", True),
        ("anthropic", "claude-opus-4-1", True),
        ("anthropic", "claude-opus-4-6", False),
        ("anthropic", "claude-sonnet-5-5", False),
        ("vertex-anthropic", "claude-sonnet-4@20250514", True),
        ("vertex-anthropic", "claude-opus-4-8@default", False),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", True),
        ("bedrock", "us.anthropic.claude-opus-4-6-v1", False),
        ("bedrock", "amazon.nova-pro-v1:0", False),
        ("groq", "openai/gpt-oss-120b", False),
        ("mistral", "mistral-medium-latest", True),
        ("openai", "gpt-5.5", False),
    ],
)
def test_it_is_known_who_goes_on_with_an_answer_that_was_begun(name: str, model: str, whether: bool) -> None:
    assert registry(environ=FILLED).get(name).continues.takes(model) is whether


@pytest.mark.parametrize(
    ("table", "wrong"),
    [
        ("{ models = [] }", "needs `models`"),
        ("{ models = [1] }", "needs `models`"),
        ('{ model = ["*"] }', "has no `model`"),
        ('{ models = ["*"], path = 1 }', "`continues.path` can't be 1"),
        ("true", "must be a table"),
    ],
)
def test_a_mistake_in_who_goes_on_is_told(tmp_path: Path, table: str, wrong: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(wrong)):
        private(tmp_path, "lab", f"{LAB}continues = {table}\n").get("lab")


def test_every_dialect_there_is_can_be_named() -> None:
    assert {*dialects.NAMES, *dialects.TARGET_NAMES} <= set(DIALECTS.values())


RECORDED = {"google": "gemini", "vercel-gateway": "vercel"}
PATHS = {
    "openai_chat": "/chat/completions",
    "mistral": "/chat/completions",
    "anthropic_messages": "/messages",
    "gemini": "/models/MODEL:generateContent",
}
SPOKEN = {"openai-chat", "mistral", "anthropic-messages", "gemini-generate"}
# Recorded at other doors than ours: Azure's older interface, and Cohere's own dialect.
OTHER_DOORS = {"azure", "cohere", "github-models"}


def test_addresses_are_those_that_real_clients_called() -> None:
    if not WIRE.is_dir():
        pytest.skip("no recordings here")
    called: dict[str, set[tuple[str, str]]] = {}
    for line in (WIRE / "index.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        request = json.loads((WIRE / entry["file"]).read_text(encoding="utf-8"))["request"]
        name = RECORDED.get(entry["provider"], entry["provider"])
        through_hugging_face = request["host"] == "router.huggingface.co" and name != "huggingface"
        if name in NAMES and name not in OTHER_DOORS and not through_hugging_face and entry["dialect"] in SPOKEN:
            path = urlsplit(request["path"]).path.replace(f"/{entry['model']}:", "/MODEL:")
            called.setdefault(name, set()).add((request["host"], path))
    checked = set()
    for name, places in called.items():
        provider = registry(environ=FILLED).get(name)
        url = urlsplit(provider.base_url + PATHS[provider.dialect])
        hosts = ("localhost", "127.0.0.1") if provider.local else (url.hostname,)
        assert any((host, url.path) in places for host in hosts), f"{name}: {url.geturl()} is none of {places}"
        checked.add(name)
    assert len(checked) >= 18


def test_names_are_listed_without_opening_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"\x00not toml")
    (tmp_path / "README.md").write_text("x")
    (tmp_path / "UPPER.toml").write_text(LAB)
    names = registry(folder=tmp_path).names()
    assert "mine" in names and "README" not in names and "UPPER" not in names
    assert names == tuple(sorted(names))


def test_a_private_file_works_like_a_shipped_one_and_wins_over_it(tmp_path: Path) -> None:
    known = private(tmp_path, "groq", LAB + 'key_env = ["A", "B"]\nauth = "x-api-key"\ndrop = ["seed"]\n')
    provider = known.get("groq")
    assert provider.base_url == "http://localhost:8080/v1"
    assert provider.key_env == ("A", "B") and provider.drop == ("seed",)
    assert AUTH[provider.auth] == ("x-api-key", "{}")


BROKEN = {
    "unknown key": (LAB + 'key_envv = "X"\n', r"p\.toml:2: unknown key `key_envv` \(did you mean `key_env`\?\)"),
    "table for a key": (LAB + "[rename.x]\ny = 1\n", r"p\.toml:2: `rename` must be a table of strings"),
    "wrong type": (LAB + "local = 1\n", r"p\.toml:2: `local` must be true or false"),
    "number in a list": (LAB + "drop = [1]\n", r"p\.toml:2: `drop` must be a list of strings"),
    "auth": (LAB + '\nauth = "baerer"\n', r"p\.toml:3: `auth` can't be 'baerer' \(did you mean `bearer`\?\)"),
    "dialect": (
        LAB + 'dialect = "openai-chat"\n',
        r"`dialect` can't be 'openai-chat' \(did you mean `openai_chat`\?\)",
    ),
    "syntax": (LAB + "docs = \n", r"p\.toml:2:8: not TOML: Invalid value"),
    "twice": (LAB + LAB, r"p\.toml:2:\d+: not TOML: Cannot overwrite a value"),
    "nothing": ("", r"p\.toml: `base_url` is missing"),
    "no scheme": ('base_url = "localhost:8080"\n', r"p\.toml:1: `base_url` must begin with https:// or http://"),
    "file": ('base_url = "file:///etc/passwd"\n', r"`base_url` must begin with https://"),
    "no host": ('base_url = "https:///v1"\n', r"`base_url` has no host"),
    "password": ('base_url = "https://me:secret@host/v1"\n', r"`base_url` must not hold a user name or password"),
    "query": ('base_url = "https://host/v1?key=1"\n', r"`base_url` must end before"),
    "newline": ('base_url = "https://host/v1\\r\\nx: y"\n', r"`base_url` has a space or a control character in it"),
    "port": ('base_url = "https://host:99999"\n', r"`base_url` is no URL: Port out of range"),
    "bracket": ('base_url = "https://[::1/v1"\n', r"`base_url` is no URL"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00", r"p\.toml: is not UTF-8 text \(byte 0\)"),
    "zeros": (b"\x00" * 100, r"p\.toml:1:1: not TOML"),
    "utf-16": (LAB.encode("utf-16"), r"is not UTF-8 text"),
    "nested": (b"a = " + b"[" * 60_000, r"p\.toml: not TOML: nested too deeply"),
    "large": (b"#" * 100_000, r"p\.toml: is larger than 64 KiB"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_told_with_its_place_and_breaks_nothing_else(what: str, tmp_path: Path) -> None:
    text, told = BROKEN[what]
    known = private(tmp_path, "p", text)
    with pytest.raises(ConfigError, match=told) as caught:
        known.get("p")
    assert str(tmp_path) in caught.value.message and "secret" not in caught.value.message
    assert known.get("openai").name == "openai"
    assert known.configured() == ()
    assert len(known.notices) == 1 and known.notices[0].startswith("p can't be used: ")


def test_a_huge_file_a_folder_and_a_pipe_are_refused_at_once(tmp_path: Path) -> None:
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate(100 << 20)
    (tmp_path / "folder.toml").mkdir()
    refused = {"huge": "is larger than", "folder": "is not a file"}
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.toml")
        refused["pipe"] = "is not a file"
    known = registry(folder=tmp_path)
    for name, told in refused.items():
        with pytest.raises(ConfigError, match=told):
            known.get(name)
    assert known.configured() == () and len(known.notices) == len(refused)


def test_a_private_folder_that_is_none_is_told_and_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "providers").write_text("a file")
    known = registry(environ={"OPENAI_API_KEY": "x"}, folder=tmp_path / "providers")
    assert [one.name for one in known.configured()] == ["openai"]
    assert known.notices == (f"{tmp_path / 'providers'} can't be read: Not a directory",)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "", ".", "..", "OPENAI", "openai.toml", "\0", "x" * 9999])
def test_a_name_is_never_a_path(name: str, tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text(LAB)
    with pytest.raises(UnknownModelError, match="no provider called"):
        registry(folder=tmp_path / "a").get(name)


def test_an_unknown_provider_is_told_with_its_nearest_names() -> None:
    with pytest.raises(UnknownModelError, match="no provider called antropic") as caught:
        registry().get("antropic")
    assert caught.value.nearest[0] == "anthropic"
    assert "mini-llm providers add" in caught.value.hint


def test_the_config_stands_above_the_file() -> None:
    mine = ProviderSettings(
        api_key="keyring:groq",
        base_url="https://proxy.example/v1/",
        models=("m",),
        headers={"x-team": "a"},
        auth="api-key",
        dialect="anthropic",
    )
    provider = registry({"groq": mine}).get("groq")
    assert provider.base_url == "https://proxy.example/v1"
    assert (provider.api_key, provider.auth, provider.dialect) == ("keyring:groq", "api-key", "anthropic_messages")
    assert (provider.models, provider.headers) == (("m",), {"x-team": "a"})
    assert provider.docs and provider.drop  # what the config leaves out stays


def test_a_provider_can_be_all_the_users_own() -> None:
    known = registry({"lab": ProviderSettings(base_url="http://localhost:8080/v1")})
    provider = known.get("lab")
    assert (provider.auth, provider.local, known.key_reference(provider)) == ("none", True, "")
    assert "lab" in known.names()


def test_a_users_own_provider_with_a_key_is_not_taken_for_a_free_one() -> None:
    known = registry({"lab": ProviderSettings(base_url="http://localhost:4000", api_key="${LAB}")})
    assert (known.get("lab").auth, known.get("lab").local) == ("bearer", False)
    away = registry({"lab": ProviderSettings(base_url="http://10.0.0.7:4000", key_env="LAB")}, {"LAB": "x"})
    assert (away.get("lab").local, away.key_reference(away.get("lab"))) == (False, "${LAB}")


def test_a_name_in_the_config_without_an_address_is_unknown() -> None:
    known = registry({"lab": ProviderSettings(api_key="x")})
    with pytest.raises(UnknownModelError, match="no provider called lab"):
        known.get("lab")
    assert known.configured() == () and "no provider called lab" in known.notices[0]


def test_a_local_provider_with_a_key_sends_it() -> None:
    provider = registry({"vllm": ProviderSettings(api_key="${VLLM}")}).get("vllm")
    assert (provider.auth, provider.api_key, provider.local) == ("bearer", "${VLLM}", True)


def test_a_provider_that_is_switched_off_is_not_used() -> None:
    known = registry({"openai": ProviderSettings(enabled=False)}, {"OPENAI_API_KEY": "x"})
    assert known.configured() == ()
    with pytest.raises(UnknownModelError, match="openai is switched off"):
        known.get("openai")


def test_what_can_be_used_is_the_config_in_its_order_then_the_keys_in_the_environment_by_name() -> None:
    mine = {"xai": ProviderSettings(api_key="x"), "ollama": ProviderSettings(models=("qwen3",))}
    environ = {"OPENAI_API_KEY": "x", "GOOGLE_API_KEY": "x", "ANTHROPIC_API_KEY": "", "HOME": "/"}
    assert [one.name for one in registry(mine, environ).configured()] == ["xai", "ollama", "gemini", "openai"]


@pytest.mark.parametrize(
    ("name", "environ"),
    [
        ("github-models", {"GITHUB_TOKEN": "x"}),
        ("huggingface", {"HF_TOKEN": "x"}),
        ("cloudflare", {"CLOUDFLARE_API_TOKEN": "x", **FILLED}),
        ("databricks", {"DATABRICKS_TOKEN": "x", **FILLED}),
    ],
)
def test_a_key_that_people_have_for_other_purposes_is_used_only_when_asked_for(
    name: str, environ: dict[str, str]
) -> None:
    known = registry(environ=environ)
    assert known.configured() == ()
    assert known.key_reference(known.get(name)) == f"${{{next(iter(environ))}}}"
    assert [one.name for one in registry({name: ProviderSettings()}, environ).configured()] == [name]


def test_a_key_is_referred_to_never_read() -> None:
    known = registry(environ={"GOOGLE_API_KEY": "AIza-secret", "GEMINI_API_KEY": ""})
    assert known.key_reference(known.get("gemini")) == "${GOOGLE_API_KEY}"
    plain = registry({"openai": ProviderSettings(api_key="sk-secret")}, {"OPENAI_API_KEY": "other"})
    assert plain.key_reference(plain.get("openai")) == "sk-secret"
    assert "sk-secret" not in repr(plain.get("openai"))


def test_a_missing_key_is_told_with_the_ways_to_set_it() -> None:
    known = registry()
    with pytest.raises(CredentialError, match="no key for gemini") as caught:
        known.key_reference(known.get("gemini"))
    assert caught.value.hint == (
        "set `GEMINI_API_KEY` or `GOOGLE_API_KEY` or `GOOGLE_GENERATIVE_AI_API_KEY`, "
        "or run `mini-llm providers add gemini --key`"
    )


def test_an_address_is_completed_from_the_environment() -> None:
    known = registry(environ=FILLED)
    assert known.get("azure").base_url == "https://example-resource.openai.azure.com/openai/v1"
    assert known.get("databricks").base_url == "https://example-workspace.azuredatabricks.net/serving-endpoints"
    assert known.get("cloudflare").base_url.endswith(f"/accounts/{'0' * 32}/ai/v1")


def test_an_address_that_lacks_a_part_says_what_to_set_and_is_no_news_unasked() -> None:
    known = registry(environ={"AZURE_OPENAI_API_KEY": "x"})
    with pytest.raises(ConfigError, match="the address of azure is not known") as caught:
        known.get("azure")
    assert caught.value.hint == "set `AZURE_OPENAI_ENDPOINT`, or run `mini-llm providers add azure --url URL`"
    assert known.configured() == () and known.notices == ()
    asked = registry({"azure": ProviderSettings(api_key="x")})
    assert asked.configured() == () and len(asked.notices) == 1
    own = registry({"azure": ProviderSettings(api_key="x", base_url="https://mine.example/openai/v1")})
    assert own.get("azure").base_url == "https://mine.example/openai/v1"


@pytest.mark.parametrize(
    "value", ["https://a:b@evil.example", "https://x/?a=1", "ftp://x", "https://x y", "https://x\r\ny: z"]
)
def test_what_the_environment_puts_into_an_address_is_checked(value: str) -> None:
    with pytest.raises(ConfigError, match="the address of azure"):
        registry(environ={"AZURE_OPENAI_ENDPOINT": value}).get("azure")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0:7000", "http://127.0.0.1:7000/v1"),
        ("example.com", "http://example.com:11434/v1"),
        ("example.com:80", "http://example.com:80/v1"),
        (":7000", "http://127.0.0.1:7000/v1"),
        ("http://example.com", "http://example.com:80/v1"),
        ("https://example.com/", "https://example.com:443/v1"),
        ("https://example.com/ollama", "https://example.com:443/ollama/v1"),
        ("[::1]:7000", "http://[::1]:7000/v1"),
        ("[::]", "http://[::1]:11434/v1"),
        ("example.com:99999", "http://example.com:11434/v1"),
    ],
)
def test_ollama_is_found_where_its_own_variable_says(host: str, url: str) -> None:
    assert registry(environ={"OLLAMA_HOST": host}).get("ollama").base_url == url


def test_a_provider_cannot_be_changed() -> None:
    provider: Any = Provider("a", "https://a")
    with pytest.raises(AttributeError):
        provider.base_url = "https://b"


def test_the_config_lets_people_write_what_a_provider_can_be() -> None:
    assert set(fields.AUTHS) == {*AUTH, *SIGNED}
    assert set(fields.DIALECTS) >= {*DIALECTS, *DIALECTS.values()}
