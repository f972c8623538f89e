"""catalogue.traits: what a name tells of a model; nothing where nothing is known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mini_llm.catalogue.traits import FAMILIES, Traits, traits_of


@pytest.mark.parametrize(
    ("model", "trait"),
    [
        ("gpt-5.5", "reasoning"),
        ("o3-2025-04-16", "reasoning"),
        ("openai/gpt-oss-120b", "reasoning"),
        ("deepseek-ai/DeepSeek-R1", "reasoning"),
        ("claude-opus-4-8", "images"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "images"),
        ("gemini-2.5-flash", "audio"),
        ("Qwen/Qwen2.5-VL-72B-Instruct", "images"),
    ],
)
def test_a_family_is_known_under_any_vendors_prefix(model: str, trait: str) -> None:
    assert trait in traits_of(model).has


@pytest.mark.parametrize(
    ("model", "trait"),
    [("gpt-3.5-turbo", "images"), ("deepseek-chat", "images"), ("meta-llama/Llama-3.3-70B-Instruct", "images")],
)
def test_what_a_family_lacks_is_known_too(model: str, trait: str) -> None:
    assert trait in traits_of(model).lacks


@pytest.mark.parametrize("model", ["", "my-own-model", "gpt-5-chat-latest", "llama-70b"])
def test_an_unknown_name_tells_nothing_that_could_mislead(model: str) -> None:
    assert traits_of(model) == Traits() or "reasoning" not in traits_of(model).has


def test_no_family_has_what_it_lacks() -> None:
    for pattern, has, lacks in FAMILIES:
        re.compile(pattern)
        assert not set(has.split()) & set(lacks.split())


RECORDINGS = Path(__file__).parent.parent.parent / "shared" / "wire" / "index.jsonl"
SHOWN = {
    "vision": "images",
    "document": "documents",
    "audio": "audio",
    "tool_call": "tools",
    "json_schema": "json_schema",
}


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recordings are not beside this checkout")
def test_no_recorded_answer_shows_what_its_model_is_said_to_lack() -> None:
    wrong = []
    for line in RECORDINGS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["status"] == 200 and isinstance(row["model"], str):
            shown = {SHOWN[feature] for feature in row["features"] if feature in SHOWN}
            wrong += [(row["model"], trait, row["id"]) for trait in shown & traits_of(row["model"]).lacks]
    assert not wrong
