"""What each tool is told when it is started, and the command that prints its token."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from mini_llm.cli.shells import PROGRAMS
from mini_llm.setup import TOOLS, find, offer
from mini_llm.setup.environment import whole
from mini_llm.setup.tool import Offer, Place, RefusedError, Start
from tests.setup.desk import URL, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def started(desk: Desk, name: str, offered: Offer | None = None) -> Start:
    """Return how a tool is started."""
    start = find(name).start
    assert start is not None
    return start(offered or desk.offer(name), desk.place)


def test_run_knows_the_tools_that_can_be_started() -> None:
    assert PROGRAMS.split() == [name for name in TOOLS if find(name).start and find(name).programs]


@pytest.mark.parametrize("name", PROGRAMS.split())
def test_the_token_goes_by_the_environment_never_by_the_command_line(name: str, desk: Desk) -> None:
    desk.file("gemini").write_text('{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
    desk.set_up("continue")
    desk.file("claude").write_text('{"apiKeyHelper": "corp", "env": {"ANTHROPIC_BASE_URL": "https://corp.example"}}')
    offered = desk.offer(name)
    told = started(desk, name, offered)
    assert not any(offered.token() in word for word in told.words)
    assert offered.token() in told.environ.values() or name == "claude"  # whose helper prints it


def test_each_tool_is_told_in_its_own_words(desk: Desk) -> None:
    codex = started(desk, "codex")
    assert [word for word in codex.words if word != "-c"] == [
        'model="smart"',
        'model_provider="mini-llm"',
        'model_providers.mini-llm.name="mini-llm"',
        f'model_providers.mini-llm.base_url="{URL}/v1"',
        'model_providers.mini-llm.wire_api="responses"',
        'model_providers.mini-llm.env_key="MINI_LLM_GATEWAY_TOKEN"',
    ]
    content = json.loads(started(desk, "opencode").environ["OPENCODE_CONFIG_CONTENT"] or "")
    options = {"baseURL": f"{URL}/v1", "apiKey": "{env:MINI_LLM_GATEWAY_TOKEN}"}
    assert content["provider"]["mini-llm"]["options"] == options
    assert content["provider"]["mini-llm"]["models"]["smart"]["limit"] == {"context": 400_000, "output": 128_000}
    assert started(desk, "aider").words == ("--model", "openai/smart")
    assert started(desk, "aider", replace(desk.offer("aider"), small="fast")).words[2:] == (
        "--weak-model",
        "openai/fast",
    )
    copilot = started(desk, "copilot").environ
    assert (copilot["COPILOT_MODEL"], copilot["COPILOT_PROVIDER_BASE_URL"]) == ("smart", f"{URL}/v1")
    assert started(desk, "llm").environ["OPENAI_BASE_URL"] == f"{URL}/v1"


def test_claude_keeps_the_names_of_its_own_models_where_they_are_served(desk: Desk) -> None:
    foreign = started(desk, "claude").environ
    assert foreign["ANTHROPIC_MODEL"] == foreign["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "smart"
    served = replace(desk.offer("claude"), native=lambda beginning: beginning == "claude-")
    assert not any("MODEL" in name and "DISCOVERY" not in name for name in started(desk, "claude", served).environ)
    small = started(desk, "claude", replace(served, small="fast")).environ
    assert small["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "fast" and "ANTHROPIC_MODEL" not in small


def test_gemini_is_started_only_if_it_would_use_a_key(desk: Desk) -> None:
    with pytest.raises(RefusedError, match="no way that was chosen") as caught:
        started(desk, "gemini")
    assert "mini-llm setup gemini" in caught.value.hint
    desk.file("gemini").write_text('{"security": {"auth": {"selectedType": "oauth-personal"}}}')
    with pytest.raises(RefusedError, match="signs in by oauth-personal"):
        started(desk, "gemini")


def test_continue_is_started_only_if_it_knows_a_model_of_ours(desk: Desk) -> None:
    with pytest.raises(RefusedError, match="lists no model of the gateway"):
        started(desk, "continue")
    desk.set_up("continue")
    assert started(desk, "continue").environ == {"MINI_LLM": desk.offer("continue").token()}


def test_sdks_see_one_credential_each(desk: Desk) -> None:
    told = whole(desk.offer("env"))
    token = desk.offer("env").token()
    assert [name for name, value in told.items() if value == token] == [
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
    ]
    assert [name for name, value in told.items() if value is None] == [
        "ANTHROPIC_AUTH_TOKEN",
        "GOOGLE_API_KEY",
        "GOOGLE_GENAI_USE_VERTEXAI",
    ]
    for name, base in (("openai", f"{URL}/v1"), ("anthropic", URL), ("google-genai", URL), ("langchain", f"{URL}/v1")):
        assert base in started(desk, name).environ.values()


def test_the_helper_command_names_the_home_only_where_it_is_not_the_usual_one() -> None:
    usual = offer.helper("claude", Path("/h/.mini-llm"), {"HOME": "/h", "MINI_LLM_HOME": "/h/.mini-llm"})
    assert usual[-4:] == ("auth", "token", "--for", "claude")
    assert Path(usual[0]).is_absolute()
    moved = offer.helper("claude", Path("/o"), {"HOME": "/h", "MINI_LLM_HOME": "/o"})
    assert moved[-2:] == ("--home", "/o")
    profile = offer.helper("claude", Path("/h/.mini-llm/profiles/work"), {"HOME": "/h", "MINI_LLM_PROFILE": "work"})
    assert profile[-2:] == ("--home", "/h/.mini-llm/profiles/work")


def test_a_helper_command_is_one_line_for_the_shell_that_will_run_it(desk: Desk) -> None:
    words = ("/opt/my tools/mini-llm", "auth", "token", "--home", "/o'x")
    assert shlex.split(offer.quoted(words, "linux")) == list(words)
    windows = (r"C:\Program Files\mini-llm.exe", "auth", "token")
    assert offer.quoted(windows, "win32") == r'"C:\Program Files\mini-llm.exe" auth token'
    place = Place(desk.place.environ, "win32")
    changes = find("claude").changes
    assert changes is not None
    [change] = changes(replace(desk.offer("claude"), helper=windows), place)
    assert change.pieces[0].value == r'"C:\Program Files\mini-llm.exe" auth token'
