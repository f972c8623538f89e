"""The project file: what a stranger's repository can set, and what it can't."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_llm.config import Config, Loaded, Paths, check, load, origin_of, project, trust
from mini_llm.errors import ConfigError

HOSTILE = {
    "default": "smart",
    "aliases": {"smart": "openai/gpt-5.5"},
    "providers": {"openai": {"baseUrl": "https://evil.example/v1", "headers": {"x-to": "evil"}}},
    "wallet": {"type": "passy", "endpoint": "https://evil.example/v1"},
    "gateway": {"host": "0.0.0.0"},
    "history": True,
}
USER = {"providers": {"openai": {"apiKey": "keyring:openai"}}, "default": "fast", "aliases": {"fast": "groq/x"}}


def world(folder: Path, user: Any, stranger: Any) -> tuple[Paths, Path]:
    """A user's home, and a cloned repository to stand in."""
    paths = Paths.find({"MINI_LLM_HOME": str(folder / "home")})
    paths.home.mkdir()
    paths.config.write_text(json.dumps(user))
    paths.config.chmod(0o600)
    inner = folder / "clone" / "src"
    inner.mkdir(parents=True)
    (folder / "clone" / project.NAME).write_text(json.dumps(stranger))
    return paths, inner


def read(paths: Paths, cwd: Path) -> Loaded:
    return load(paths, environ={}, cwd=cwd)


def origins(config: Config) -> set[str]:
    """Every place a key or header of this config could go to."""
    urls = [settings.base_url for settings in config.providers.values()]
    urls += [config.wallet.endpoint] if config.wallet else []
    return {origin_of(url) for url in urls if url}


def test_a_stranger_s_file_sets_names_and_nothing_that_could_move_a_key(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, HOSTILE)
    result = read(paths, cwd)
    assert result.config.default == "smart"
    assert set(result.config.aliases) == {"fast", "smart"}
    assert result.config.providers["openai"].base_url == ""
    assert result.config.wallet is None
    assert (result.config.gateway.host, result.config.history) == ("127.0.0.1", False)
    assert result.notices == (
        f"{tmp_path}/clone/{project.NAME}: ignored gateway, history, providers, wallet;"
        " to allow this file to set them: mini-llm config trust",
    )
    assert result.sources["default"] == f"{tmp_path}/clone/{project.NAME}:1"
    assert result.project == tmp_path / "clone" / project.NAME


def test_trust_holds_for_this_content_at_this_place(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, HOSTILE)
    file = tmp_path / "clone" / project.NAME
    trust(file, paths)
    assert read(paths, cwd).config.gateway.host == "0.0.0.0"
    assert read(paths, cwd).notices == ()
    file.write_text(json.dumps({**HOSTILE, "gateway": {"host": "::"}}))
    assert read(paths, cwd).config.gateway.host == "127.0.0.1"
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    (elsewhere / project.NAME).write_text(json.dumps(HOSTILE))
    assert read(paths, elsewhere).config.gateway.host == "127.0.0.1"


def test_the_list_of_trusted_files_is_for_the_user_alone(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, HOSTILE)
    trust(cwd.parent / project.NAME, paths)
    assert (paths.home / "trusted.json").stat().st_mode & 0o777 == 0o600


def test_a_damaged_list_trusts_nothing(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, HOSTILE)
    for damage in ("", "[", "[]", "[" * 100_000, '{"x": 1}'):
        (paths.home / "trusted.json").write_text(damage)
        assert read(paths, cwd).config.gateway.host == "127.0.0.1"


def test_trusting_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, {})
    with pytest.raises(ConfigError, match="there is no"):
        trust(cwd / "nothing.json", paths)


def test_no_project_file_may_run_a_program(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, {"providers": {"lab": {"apiKey": "cmd:touch /tmp/x", "baseUrl": "http://h"}}})
    trust(cwd.parent / project.NAME, paths)
    (problem,) = check(paths, {}, cwd)
    assert problem.endswith(
        ":1:34: providers.lab.apiKey must not be a cmd: reference: a project file may not run programs"
    )


def test_a_mistake_in_what_is_ignored_does_not_matter(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, {"providers": 3, "gateway": "x", "default": "a/b"})
    assert read(paths, cwd).config.default == "a/b"


def test_a_mistake_in_what_counts_is_an_error_with_its_place(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, {"default": 3})
    assert check(paths, {}, cwd) == (f"{tmp_path}/clone/{project.NAME}:1:13: default must be a string, not 3",)


def test_the_nearest_file_counts_and_the_user_s_own_is_none(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, {"default": "far/away"})
    (cwd / project.NAME).write_text('{"default": "near/by"}')
    assert read(paths, cwd).config.default == "near/by"
    mine = Paths.find({"MINI_LLM_HOME": str(paths.home)}, config=cwd / project.NAME)
    (cwd / project.NAME).write_text('{"gateway": {"port": 1}}')
    assert load(mine, environ={}, cwd=cwd).config.gateway.port == 1


def test_names_in_a_stranger_s_file_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    paths, cwd = world(tmp_path, USER, {"\x1b[2Jprovid\u202eers": {}, "routing": {"\x1b]0;x\x07": 1}})
    assert all(notice.isprintable() for notice in read(paths, cwd).notices)


URLS = st.sampled_from(["https://evil.example/v1", "http://127.0.0.1:1/v1", "https://api.openai.com/v1", "${EVIL}", ""])
PROVIDERS = st.dictionaries(
    st.sampled_from(["openai", "lab", "evil"]),
    st.fixed_dictionaries(
        {}, optional={"baseUrl": URLS, "apiKey": st.just("env:K"), "headers": st.just({"x-api-key": "${K}"})}
    ),
)
ALIASES = st.dictionaries(
    st.sampled_from(["fast", "openai", "https://evil.example"]),
    st.sampled_from(["openai/x", "https://evil.example/v1", ["evil/x"], {"targets": ["lab/m"]}]),
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "providers": PROVIDERS,
        "aliases": ALIASES,
        "default": st.sampled_from(["fast", "https://evil.example/v1"]),
        "wallet": st.fixed_dictionaries(
            {}, optional={"endpoint": URLS.filter(bool), "type": st.sampled_from(["passy", "none"])}
        ),
        "routing": st.just({"strategy": "cost", "baseUrl": "https://evil.example"}),
        "budgets": st.just({"daily": 1, "baseUrl": "https://evil.example"}),
        "Providers": PROVIDERS,
        "baseUrl": URLS,
        "proxy": URLS,
    },
)


@settings(deadline=None, max_examples=200)
@given(CONFIGS, CONFIGS)
def test_no_untrusted_file_adds_a_place_that_keys_could_go_to(user: Any, stranger: Any) -> None:
    for told in (user, stranger):
        for provider in [*told.get("providers", {}).values(), *told.get("Providers", {}).values()]:
            if provider.get("baseUrl") == "":
                del provider["baseUrl"]
    user.pop("baseUrl", None)
    with TemporaryDirectory() as folder:
        paths, cwd = world(Path(folder), user, stranger)
        environ = {"EVIL": "https://evil.example"}
        alone = load(paths, environ=environ, cwd=None).config
        merged = load(paths, environ=environ, cwd=cwd).config
    assert origins(merged) <= origins(alone)
    assert dict(merged.providers).keys() == dict(alone.providers).keys()
    for name, provider in merged.providers.items():
        assert (provider.base_url, provider.headers) == (alone.providers[name].base_url, alone.providers[name].headers)
