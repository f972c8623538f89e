"""Read one provider's TOML file: small, plain, and every mistake named with its place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mini_llm.errors import ConfigError
from mini_llm.providers import continuing

# How a key travels: header and form. A key never stands in a URL.
AUTH: Mapping[str, tuple[str, str]] = {
    "bearer": ("authorization", "Bearer {}"),
    "x-api-key": ("x-api-key", "{}"),
    "x-goog-api-key": ("x-goog-api-key", "{}"),
    "api-key": ("api-key", "{}"),
    "none": ("", ""),
}
# Ways to sign each request, which need no key in the configuration.
SIGNED = ("aws_sigv4", "google_adc")
# What people write, and the module of `dialects/` that is meant.
DIALECTS: Mapping[str, str] = {
    "openai": "openai_chat",
    "responses": "openai_responses",
    "anthropic": "anthropic_messages",
    "gemini": "gemini",
    "bedrock": "bedrock_converse",
    "cohere": "cohere",
    "mistral": "mistral",
    "ollama": "ollama",
}
OF_PLUGIN = r"[\w.-]+:[\w.-]+"
LIMIT = 64 * 1024
TEXT, FLAG, TEXTS, PAIRS, TABLE = "a string", "true or false", "a list of strings", "a table of strings", "a table"
KEYS: Mapping[str, str] = {
    "base_url": TEXT,
    "dialect": TEXT,
    "auth": TEXT,
    "key_env": TEXTS,
    "docs": TEXT,
    "local": FLAG,
    "by_name": FLAG,
    "host_env": TEXT,
    "default": TEXT,
    "headers": PAIRS,
    "drop": TEXTS,
    "rename": PAIRS,
    "defaults": TABLE,
    "models": TEXTS,
    "paths": PAIRS,
    "continues": TABLE,
}
PLACEHOLDER = r"\{([A-Z][A-Z0-9_]*(?:\|[A-Z][A-Z0-9_]*)*)\}"  # of several variables the first that is set
SCHEMES = ("https", "http", "http+unix")


def read(path: Path) -> dict[str, Any]:
    """Return what the file at *path* says, checked. Raises ConfigError that names file, line and key."""
    text = _text(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        where = f"{path}:{place[1]}:{place[2]}" if place else str(path)
        said = re.sub(r" \(at .*\)$", "", str(error))
        raise _broken(where, f"not TOML: {said}") from error
    except RecursionError as error:
        raise _broken(str(path), "not TOML: nested too deeply") from error
    for key, value in table.items():
        problem = _problem(key, value)
        if problem:
            raise _broken(f"{path}:{_line(text, key)}", problem)
    if "base_url" not in table:
        raise _broken(str(path), "`base_url` is missing")
    if isinstance(table.get("key_env"), str):
        table["key_env"] = [table["key_env"]]
    return table


def check_url(url: str) -> str:
    """Return what is wrong with *url* as the address of a provider, "" if nothing is."""
    if not url.isprintable() or " " in url:
        return "has a space or a control character in it"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"is no URL: {error}"
    if parts.scheme not in SCHEMES:
        return "must begin with https:// or http://"
    if not parts.hostname or port == 0:
        return "has no host" if not parts.hostname else "has port 0"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password"
    if parts.query or parts.fragment:
        return "must end before `?` and `#`"
    return ""


def _text(path: Path) -> str:
    """Return the file's text, never more than a provider can need."""
    if not path.is_file():
        raise _broken(str(path), "is not a file")
    try:
        with path.open("rb") as file:
            raw = file.read(LIMIT + 1)
    except OSError as error:
        raise _broken(str(path), f"can't be read: {error.strerror or error}") from error
    if len(raw) > LIMIT:
        raise _broken(str(path), f"is larger than {LIMIT // 1024} KiB: this is no provider file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _broken(str(path), f"is not UTF-8 text (byte {error.start})") from error


def _problem(key: str, value: object) -> str:
    """Return what is wrong with one entry, "" if nothing is."""
    wanted = KEYS.get(key)
    if wanted is None:
        return f"unknown key `{key}`{_meant(key, KEYS)}"
    if not _fits(value, wanted) and not (key == "key_env" and isinstance(value, str)):
        return f"`{key}` must be {wanted}"
    if key == "auth" and value not in (ways := (*AUTH, *SIGNED)):
        return f"`auth` can't be {value!r}{_meant(str(value), ways)}; known: {', '.join(ways)}"
    if key == "dialect" and value not in DIALECTS.values() and not re.fullmatch(OF_PLUGIN, str(value)):
        names = tuple(DIALECTS.values())
        return f"`dialect` can't be {value!r}{_meant(str(value), names)}; known: {', '.join(names)}"
    if key == "base_url":
        return _url_problem(str(value))
    if key == "continues" and isinstance(value, dict):
        return continuing.problem(value)
    return ""


def _url_problem(url: str) -> str:
    if "{" in url:
        # A placeholder may stand for a host or for a whole beginning; what fills it is checked when it is known.
        url = re.sub(PLACEHOLDER, "x", re.sub(f"^{PLACEHOLDER}", "https://host", url))
    problem = check_url(url)
    return f"`base_url` {problem}" if problem else ""


def _fits(value: object, wanted: str) -> bool:
    if wanted == TEXT:
        return isinstance(value, str)
    if wanted == FLAG:
        return isinstance(value, bool)
    if wanted == TEXTS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if wanted == PAIRS:
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    return isinstance(value, dict)


def _meant(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    from difflib import get_close_matches  # only for a message

    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""


def _line(text: str, key: str) -> int:
    """Return the line on which *key* stands (tomllib does not tell)."""
    pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _broken(where: str, what: str) -> ConfigError:
    return ConfigError(f"{where}: {what}", problems=[f"{where}: {what}"])
