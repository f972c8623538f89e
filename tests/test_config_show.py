"""Showing settings: every value with its source, no secret with more than its end; and the schema for editors."""

from __future__ import annotations

import json
import string
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.config import Loaded, Paths, flatten, get_value, load, masked, schema
from mini_llm.config.fields import KEYS
from mini_llm.config.keys import join, split
from mini_llm.config.show import mask
from mini_llm.errors import UsageError

TEXT = """{
  "wallet": {"apiKey": "sk-live-0123456789abcd"},
  "providers": {
    "openai": {"apiKey": "${OPENAI_API_KEY}"},
    "lab": {
      "apiKey": "short-key",
      "baseUrl": "http://lab/v1?key=0123456789",
      "headers": {"Authorization": "Bearer sk-live-0123456789wxyz", "X-Team": "blue", "x-api-key": "${LAB_KEY}"}
    }
  },
  "aliases": {"gpt-4.1": "openai/gpt-4.1"},
  "unheard-of": "sk-live-unheard-of-secret"
}"""


def loaded(folder: Path, text: str = TEXT) -> Loaded:
    paths = Paths.find({"MINI_LLM_HOME": str(folder)})
    paths.config.write_text(text)
    return load(paths, environ={}, cwd=None)


def test_every_effective_value_is_shown_with_its_source(tmp_path: Path) -> None:
    rows = {key: (value, source) for key, value, source in flatten(loaded(tmp_path))}
    file = tmp_path / "config.json"
    assert rows["wallet.apiKey"] == ("sk-…abcd", f"{file}:2")
    assert rows["wallet.features.costOptimization"] == (True, "built-in")
    assert rows["providers.openai.apiKey"] == ("${OPENAI_API_KEY}", f"{file}:4")
    assert rows["providers.lab.apiKey"] == ("…", f"{file}:6")
    assert rows["providers.lab.baseUrl"] == ("http://lab/v1?…", f"{file}:7")
    assert rows["providers.lab.headers.Authorization"] == ("Bearer sk-…wxyz", f"{file}:8")
    assert rows["providers.lab.headers.x-api-key"] == ("${LAB_KEY}", f"{file}:8")
    assert rows["providers.lab.headers.X-Team"] == ("blue", f"{file}:8")
    assert rows['aliases."gpt-4.1"'] == ("openai/gpt-4.1", f"{file}:11")
    assert rows["gateway.port"] == (6464, "built-in")
    assert "unheard-of" not in rows


def test_what_is_shown_holds_no_more_of_a_secret_than_its_end(tmp_path: Path) -> None:
    result = loaded(tmp_path)
    shown = json.dumps([flatten(result), masked("providers", get_value(result, "providers"))])
    for part in ("0123456789", "short-key", "unheard", "live"):
        assert part not in shown


@given(st.text(string.ascii_letters + string.digits + "-_", max_size=80))
def test_a_mask_shows_at_most_a_kind_and_four_characters(secret: str) -> None:
    shown = mask(secret)
    assert len(shown.replace("…", "")) <= 8
    if len(secret) < 12:
        assert shown == "…"


def test_a_value_is_got_by_its_dotted_key(tmp_path: Path) -> None:
    result = loaded(tmp_path)
    assert get_value(result, 'aliases."gpt-4.1"') == "openai/gpt-4.1"
    assert get_value(result, "gateway") == {"host": "127.0.0.1", "port": 6464}
    assert get_value(result, "providers.groq.apiKey") is None
    assert get_value(result, "budgets.daily") is None
    with pytest.raises(UsageError, match='did you mean "gateway"'):
        get_value(result, "gatway")


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4))
def test_a_dotted_key_names_any_path(names: list[str]) -> None:
    assert split(join(tuple(names))) == tuple(names)


@given(st.text(max_size=12))
def test_any_key_is_understood_or_refused(key: str) -> None:
    with suppress(UsageError):
        assert split(key)


def test_the_schema_describes_every_setting() -> None:
    told = schema()
    assert told["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for key in KEYS:
        place = at(told, key.path.split("."))
        assert place["description"] == key.about
        if key.choices:
            assert place.get("anyOf", [place])[0]["enum"] == list(key.choices)
    json.dumps(told, allow_nan=False)


def at(place: Any, names: list[str]) -> Any:
    """Go down the schema to a setting."""
    for name in names:
        if "anyOf" in place:
            place = place["anyOf"][-1]
        if place.get("type") == "array":
            place = place["items"]
        elif name == "*":
            place = place["additionalProperties"]
        else:
            place = place["properties"][name]
    return place
