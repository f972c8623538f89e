"""The page about the settings, written from the one table of them. Pure: text out."""

from __future__ import annotations

from itertools import groupby
from json import dumps

from mini_llm.config.fields import KEYS, Key

INTRODUCTION = """\
# Settings

Every setting of `~/.mini-llm/config.json`. Made by `python scripts/reference.py` from the table that also checks the
file; do not edit this page by hand.

The file is JSON with comments and trailing commas. `mini-llm config path` tells where it is, `config edit` opens it,
`config set KEY VALUE` changes one value and keeps your comments, `config check` tells every mistake with its place,
`config schema` prints the JSON Schema for your editor, and `config show` every value with where it comes from.

Later wins: built-in values, your file, a project's `mini-llm.config.json`, the environment, flags. In the environment
a setting is `MINI_LLM_` and its name in capitals: `MINI_LLM_GATEWAY_PORT=7000` is `gateway.port`. A project's file may
set aliases, `default`, routing and budgets; for the rest it must be trusted: `mini-llm config trust`.

A secret is a reference: `keyring:NAME`, `${VARIABLE}`, `env:NAME`, `file:PATH` or `cmd:PROGRAM ARGUMENT ...`. A plain
key works, and warns. `*` stands for a name of your own.

```jsonc
{
  "providers": {
    "openai": { "apiKey": "keyring:openai" },
    "lab": { "baseUrl": "http://localhost:8080/v1", "models": ["llama-70b"] }
  },
  "aliases": {
    "fast": "groq/llama-3.3-70b-versatile",
    "smart": ["anthropic/claude-opus-4-8", "openai/gpt-5.5"] // first choice, then the fallback
  },
  "default": "smart",
  "budgets": { "daily": "5.00" }
}
```
"""
WORDS = {
    "boolean": "true or false",
    "integer": "whole number",
    "money": "US dollars",
    "switch": "true, false or an object",
    "targets": "list of targets",
    "texts": "list of texts",
    "route": "target, list or object",
    "secrets": "list of secrets",
    "zone": "time zone",
}


def markdown() -> str:
    """Return the page."""
    lines = [INTRODUCTION]
    for section, found in groupby(KEYS, key=lambda key: key.path.partition(".")[0]):
        keys = list(found)
        lines += [f"## {section}\n", "| setting | what it is | value | built in |", "| --- | --- | --- | --- |"]
        lines += [*map(_row, keys), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(key: Key) -> str:
    built_in = "" if key.default in (None, "") else f"`{_json(key.default)}`"
    return f"| `{key.path}` | {key.about.replace('|', chr(92) + '|')} | {_value(key)} | {built_in} |"


def _value(key: Key) -> str:
    """Say what a value looks like."""
    if key.choices:
        return ", ".join(f"`{choice}`" for choice in (*key.choices, *(("PLUGIN:NAME",) if key.plugins else ())))
    word = WORDS.get(key.kind, key.kind)
    if key.most and key.kind in ("integer", "seconds"):
        return f"{word}, {key.least:g} to {key.most:,.0f}"
    return word


def _json(value: object) -> str:
    return value if isinstance(value, str) else dumps(value)
