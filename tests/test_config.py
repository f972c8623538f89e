"""The layers: what wins, where it came from, and everything that is wrong at once."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from mini_llm.config import Config, Loaded, Paths, ProviderSettings, Route, Timeouts, check, load
from mini_llm.errors import ConfigError

FULL = """\
{
  "wallet": {
    "type": "passy",              // "passy" | "custom" | "none"
    "apiKey": "keyring:passy",
    "features": { "costOptimization": false }
  },
  "providers": {
    "openai": { "apiKey": "keyring:openai" },
    "lab":    { "baseUrl": "http://localhost:8080/v1", "dialect": "openai", "models": ["llama-70b"] },
  },
  "aliases": {
    "fast": "groq/llama-3.3-70b-versatile",
    "llama-70b": ["nebius/llama-3.3-70b", "deepinfra/llama-3.3-70b"],   // a list is a route
    "smart": { "targets": ["anthropic/claude-opus-4-8"], "strategy": "cost", "timeouts": { "connect": 2 } }
  },
  "default": "smart",
  "routing": { "recovery": "off", "timeouts": { "total": 60 }, "maxAttempts": 3 },
  "budgets": { "daily": "5.00", "monthly": 99.5 },
  "gateway": { "port": 7000 },
  "prices": { "lab/llama-70b": { "input": "0.5", "cacheRead": 0.000001 } }
}
"""


def home(folder: Path, text: str | bytes | None = None, **environ: str) -> tuple[Paths, dict[str, str]]:
    """A home folder with a config, and the environment that leads there."""
    told = {"MINI_LLM_HOME": str(folder / "home"), "HOME": str(folder), **environ}
    paths = Paths.find(told)
    paths.home.mkdir(exist_ok=True)
    if text is not None:
        paths.config.write_bytes(text if isinstance(text, bytes) else text.encode())
        paths.config.chmod(0o600)
    return paths, told


def loaded(
    folder: Path, text: str | bytes | None = None, *, flags: Mapping[str, object] | None = None, **environ: str
) -> Loaded:
    paths, told = home(folder, text, **environ)
    return load(paths, environ=told, cwd=None, overrides=flags or {})


def problems(folder: Path, text: str | bytes | None = None, **environ: str) -> list[str]:
    """Every problem, with the file's path left out."""
    paths, told = home(folder, text, **environ)
    return [problem.replace(f"{paths.config}", "config.json") for problem in check(paths, told, None)]


def test_no_file_at_all_is_the_normal_beginning(tmp_path: Path) -> None:
    paths = Paths.find({"HOME": str(tmp_path)})
    result = load(paths, environ={}, cwd=None)
    assert result.config.wallet is None
    assert result.config.routing.strategy == "priority"
    assert result.notices == ()
    assert list(tmp_path.iterdir()) == []


def test_every_setting_reaches_the_config(tmp_path: Path) -> None:
    config = loaded(tmp_path, FULL).config
    assert config.wallet is not None
    assert (config.wallet.type, config.wallet.api_key) == ("passy", "keyring:passy")
    assert config.wallet.endpoint == "https://api.passy.ai/v1"
    assert (config.wallet.fallback, config.wallet.cost_optimization) == (None, False)
    assert list(config.providers) == ["openai", "lab"]
    assert config.providers["lab"].base_url == "http://localhost:8080/v1"
    assert config.providers["lab"].models == ("llama-70b",)
    assert config.aliases["fast"] == Route(("groq/llama-3.3-70b-versatile",))
    assert config.aliases["llama-70b"].targets == ("nebius/llama-3.3-70b", "deepinfra/llama-3.3-70b")
    assert config.aliases["smart"].strategy == "cost"
    assert config.default == "smart"
    assert (config.routing.recovery, config.routing.max_attempts) == ("off", 3)
    assert config.budgets == {"daily": "5.00", "monthly": "99.5"}
    assert (config.gateway.host, config.gateway.port) == ("127.0.0.1", 7000)
    assert config.prices == {"lab/llama-70b": {"input": "0.5", "cache_read": "0.000001"}}


def test_a_route_changes_only_the_deadlines_it_names(tmp_path: Path) -> None:
    assert loaded(tmp_path, FULL).config.aliases["smart"].timeouts == Timeouts(connect=2, total=60)


def test_a_custom_wallet_lists_the_same_as_providers(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """{"wallet": {"type": "custom", "providers": [
             {"id": "openai", "apiKey": "${OPENAI_API_KEY}"}, {"id": "lab", "baseUrl": "http://localhost:1/v1"}]},
            "providers": {"lab": {"models": ["m"]}}}""",
    ).config
    assert config.providers["openai"].api_key == "${OPENAI_API_KEY}"
    assert (config.providers["lab"].base_url, config.providers["lab"].models) == ("http://localhost:1/v1", ("m",))


def test_later_layers_win_and_each_value_knows_its_source(tmp_path: Path) -> None:
    result = loaded(tmp_path, FULL, flags={"default": "fast"}, MINI_LLM_GATEWAY_PORT="7001", MINI_LLM_DEFAULT="x/y")
    file = result.paths.config
    assert (result.config.default, result.config.gateway.port) == ("fast", 7001)
    assert result.sources["default"] == "flag"
    assert result.sources["gateway.port"] == "environment MINI_LLM_GATEWAY_PORT"
    assert result.sources["gateway.host"] == "built-in"
    assert result.sources["budgets.daily"] == f"{file}:18"
    assert result.sources["aliases.smart.timeouts.connect"] == f"{file}:14"


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("MINI_LLM_ROUTING_STRATEGY", "cost", lambda config: config.routing.strategy == "cost"),
        ("MINI_LLM_ROUTING_MAX_ATTEMPTS", "2", lambda config: config.routing.max_attempts == 2),
        ("MINI_LLM_ROUTING_TIMEOUTS_FIRST_CONTENT", "2.5", lambda config: config.routing.timeouts.first_content == 2.5),
        ("MINI_LLM_WALLET_FEATURES_COST_OPTIMIZATION", "off", lambda config: not config.wallet.cost_optimization),
        ("MINI_LLM_WALLET_API_KEY", "env:MINE", lambda config: config.wallet.api_key == "env:MINE"),
        ("MINI_LLM_BUDGETS_DAILY", "1.50", lambda config: config.budgets == {"daily": "1.50"}),
        ("MINI_LLM_HISTORY", "yes", lambda config: config.history),
        ("MINI_LLM_DEFAULT", "", lambda config: config.default == ""),
    ],
)
def test_any_single_setting_can_come_from_the_environment(
    tmp_path: Path, variable: str, value: str, found: object
) -> None:
    assert callable(found)
    assert found(loaded(tmp_path, **{variable: value}).config)


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, MINI_LLM_GATEWAY_PORT="often") == [
        'environment MINI_LLM_GATEWAY_PORT: gateway.port must be a whole number, not "often"'
    ]


def test_an_unknown_variable_is_only_a_notice(tmp_path: Path) -> None:
    notices = loaded(tmp_path, MINI_LLM_DEFALT="x/y", MINI_LLM_TOKEN="t").notices
    assert notices == ('environment MINI_LLM_DEFALT: no setting has this name (did you mean "MINI_LLM_DEFAULT"?)',)


def test_an_unknown_key_is_only_a_notice_and_names_the_nearest(tmp_path: Path) -> None:
    result = loaded(tmp_path, '{\n  "alaises": {},\n  "routing": {"maxAtempts": 2}\n}')
    file = result.paths.config
    assert result.notices == (
        f'{file}:2:3: unknown key "alaises" (did you mean "aliases"?)',
        f'{file}:3:15: unknown key "maxAtempts" (did you mean "maxAttempts"?)',
    )


def test_a_wrong_flag_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gateway\.port must be from 0 to 65535, not 70000"):
        loaded(tmp_path, flags={"gateway.port": 70000})


def test_all_problems_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """\
{
  "wallet": { "type": "pasy", "endpoint": "ftp://x" },
  "providers": { "lab": { "baseUrl": "https://me:pw-secret@host/v1", "models": "m", "enabled": "yes" } },
  "aliases": { "a": "b", "b": ["c", "a"], "me": "me", "none": [], "half": {"strategy": "cost"} },
  "routing": { "strategy": "cheapest", "maxAttempts": 2.5, "timeouts": { "connect": -1 } },
  "budgets": { "daily": "5 dollars" },
  "gateway": { "port": true },
  "default": null
}
"""
    assert problems(tmp_path, text) == [
        'config.json:2:23: wallet.type must be passy, custom or none, not "pasy" (did you mean "passy"?)',
        "config.json:2:43: wallet.endpoint 'ftp://x' is no address: it must begin with http://, https:// or http+unix://",
        "config.json:3:38: providers.lab.baseUrl 'https://…@host/v1' is no address: "
        "it must not hold a user name or password",
        'config.json:3:80: providers.lab.models must be a list of strings, not "m"',
        'config.json:3:96: providers.lab.enabled must be true or false, not "yes"',
        "config.json:4:63: aliases.none is empty: name at least one model",
        "config.json:4:75: aliases.half needs targets",
        'config.json:5:28: routing.strategy must be priority, cost, latency or balanced, not "cheapest"',
        "config.json:5:55: routing.maxAttempts must be a whole number, not 2.5",
        "config.json:5:85: routing.timeouts.connect must be from 0.001 to 86400, not -1",
        'config.json:6:25: budgets.daily must be US dollars like "5.00", not "5 dollars"',
        "config.json:7:24: gateway.port must be a whole number, not true",
        "config.json:8:14: default must be a string, not null",
    ]


def test_an_alias_must_not_lead_back_to_itself(tmp_path: Path) -> None:
    text = """{"aliases": {
"a": "b",
"b": ["x/y", "c"],
"c": {"targets": ["a"]},
"me": "me",
"ok": ["a2", "a2"],
"a2": "x/y"}}"""
    assert problems(tmp_path, text) == [
        "config.json:2: this alias leads back to itself: a → b → c → a",
        "config.json:5: this alias leads back to itself: me → me",
    ]


def test_a_chain_of_ten_thousand_aliases_is_no_trouble(tmp_path: Path) -> None:
    chain = ", ".join(f'"a{n}": "a{n + 1}"' for n in range(10_000))
    assert problems(tmp_path, "{" + f'"aliases": {{{chain}}}' + "}") == []


@pytest.mark.parametrize(
    "inner",
    [
        "'routing': {" + ", ".join(f"'k{n}': 1" for n in range(60_000)) + "}",
        "'aliases': {" + ", ".join(f"'k{n}': 1" for n in range(60_000)) + "}",
        "'aliases': {" + ", ".join(f"'a{n}': ['a{n + 1}', 'a0']" for n in range(30_000)) + "}",
        "'aliases': {" + ", ".join(f"'k{n}': {{'targets': 'x', 'strategy': 'coast'}}" for n in range(18_000)) + "}",
        "'wallet': {'type': 'custom', 'providers': [" + "{}, " * 200_000 + "]}",
        "'" + "x" * 1_000_000 + "': 1",
    ],
    ids=["unknown", "wrong", "loops", "misspelt", "nameless", "long"],
)
def test_a_file_with_thousands_of_mistakes_is_soon_told_off(tmp_path: Path, inner: str) -> None:
    paths, environ = home(tmp_path, "{" + inner.replace("'", '"') + "}")
    began = time.process_time()
    try:
        told = load(paths, environ=environ, cwd=None).notices
    except ConfigError as error:
        told = error.problems
    assert 0 < len(told) <= 200
    assert time.process_time() - began < 5


def test_a_file_of_thousands_of_lines_is_soon_shown(tmp_path: Path) -> None:
    result = loaded(tmp_path, '{"aliases": {\n' + ",\n".join(f'"a{n}": "x/y"' for n in range(30_000)) + "}}")
    began = time.process_time()
    assert result.sources["aliases.a29999"].endswith("config.json:30001")
    assert time.process_time() - began < 5


def test_the_error_tells_the_first_problem_and_how_many_more(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, '{"default": 1, "history": 2}')
    assert caught.value.message.endswith("default must be a string, not 1 (and 1 more)")
    assert caught.value.exit_code == 2
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "null"])
def test_a_file_that_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == ["config.json: must be an object { … }"]


def test_a_file_cut_anywhere_is_an_error_with_a_place(tmp_path: Path) -> None:
    whole = FULL.encode()
    paths, environ = home(tmp_path, whole)
    for cut in range(len(whole.rstrip())):
        paths.config.write_bytes(whole[:cut])
        (problem,) = check(paths, environ, None)
        assert problem.startswith(f"{paths.config}:"), cut


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"default": "\xff"}', "config.json:1: not UTF-8 text (byte 0xff)"),
        ('{"a": 1}'.encode("utf-16"), "config.json is UTF-16, not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "config.json is UTF-16, not UTF-8"),
        (b'{"a": "\0"}', "config.json is not text: it holds a zero byte"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "config.json is not text: it holds a zero byte"),
        (b"{" + b" " * (1 << 20) + b"}", "config.json is too large: more than 1024 KiB"),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "config.json:1:70: nested deeper than 64 levels"),
        (b'{"a": 1, "a": 2}', 'config.json:1:10: "a" stands twice: here and on line 1'),
    ],
)
def test_hostile_files_get_one_clear_error(tmp_path: Path, data: bytes, told: str) -> None:
    assert problems(tmp_path, data) == [told]


def test_a_hundred_megabytes_are_refused_unread(tmp_path: Path) -> None:
    paths, environ = home(tmp_path)
    with paths.config.open("wb") as file:
        file.truncate(100 << 20)
    assert check(paths, environ, None) == (f"{paths.config} is too large: more than 1024 KiB",)


def test_a_folder_a_pipe_and_a_socket_are_no_config(tmp_path: Path) -> None:
    paths, environ = home(tmp_path)
    paths.config.mkdir()
    assert check(paths, environ, None) == (f"{paths.config} is a folder, not a file",)
    paths.config.rmdir()
    os.mkfifo(paths.config)
    assert check(paths, environ, None) == (f"{paths.config} is not a regular file",)
    paths.config.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(paths.config))
        (problem,) = check(paths, environ, None)
        assert problem.startswith(f"can't read {paths.config}")


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    paths, environ = home(tmp_path, "{}")
    paths.config.chmod(0)
    if os.access(paths.config, os.R_OK):
        pytest.skip("this user may read everything")
    assert check(paths, environ, None) == (f"can't read {paths.config}: Permission denied",)


def test_a_link_that_leads_in_circles_is_an_error(tmp_path: Path) -> None:
    paths, environ = home(tmp_path)
    paths.config.symlink_to(paths.config)
    (problem,) = check(paths, environ, None)
    assert problem.startswith(f"can't read {paths.config}")


def test_addresses_are_filled_from_the_environment(tmp_path: Path) -> None:
    text = '{"providers": {"lab": {"baseUrl": "${LAB}/v1"}}}'
    assert loaded(tmp_path, text, LAB="http://lab:8080").config.providers["lab"].base_url == "http://lab:8080/v1"
    (notice,) = loaded(tmp_path, text).notices
    assert notice.endswith("config.json:1: providers.lab.baseUrl needs LAB, which is not set")
    (problem,) = problems(tmp_path, text, LAB="javascript:alert()")
    assert "is no address" not in problem and "it must begin with http" in problem


def test_a_plain_key_works_and_is_told(tmp_path: Path) -> None:
    result = loaded(tmp_path, '{"providers": {"openai": {"apiKey": "sk-plain-0123456789"}}}')
    assert result.config.providers["openai"].api_key == "sk-plain-0123456789"
    (notice,) = result.notices
    assert notice.endswith("config.json:1: providers.openai.apiKey is a plain key; the keyring is safer")


def test_a_plain_key_that_others_can_read_is_told(tmp_path: Path) -> None:
    paths, environ = home(tmp_path, '{"providers": {"openai": {"apiKey": "sk-plain-0123456789"}}}')
    paths.config.chmod(0o644)
    notices = load(paths, environ=environ, cwd=None).notices
    assert notices[-1] == f"{paths.config} holds a key and others can read it: chmod 600 {paths.config}"


def test_no_notice_and_no_problem_repeats_a_secret(tmp_path: Path) -> None:
    secret = "sk-0123456789abcdefghijklmnop"
    text = (
        f'{{"providers": {{"a": {{"apiKey": "{secret}\\n", "baseUrl": "http://u:{secret}@h", "models": ["{secret} x"],'
    )
    text += f'"dialect": "{secret}", "enabled": "{secret}", "headers": {{"x": 1, "bad name": "{secret}"}}}}}}}}'
    found = problems(tmp_path, text)
    assert len(found) >= 5
    assert secret not in "\n".join(found)


def test_nothing_that_holds_a_secret_shows_it(tmp_path: Path) -> None:
    result = loaded(
        tmp_path,
        '{"wallet": {"apiKey": "sk-wallet-123456"}, "providers": {"a": {"apiKey": "sk-plain-123456", "baseUrl": "http://h",'
        ' "headers": {"x-key": "sk-header-123456"}}}}',
    )
    shown = repr(result) + repr(result.config) + str(result.config.providers["a"])
    assert "123456" not in shown


def test_the_words_have_defaults_of_their_own() -> None:
    config = Config()
    assert config.providers == {} and config.providers is not Config().providers
    assert ProviderSettings().enabled
