"""Prompts to use again: files in the user's own `templates` folder, never in the one we work in.

NAME.toml has `prompt`, `system`, `model`, `schema`, and the tables `options` and `defaults`; NAME.md is the prompt, the
rest may stand before it between two lines `+++`. `$input` is what is asked, other `$names` are given with `-p`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template as Dollars
from typing import Any, NamedTuple

from mini_llm.errors import MiniLLMError, UsageError
from mini_llm.types import NOTHING

FOLDER = "templates"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
HEAD = re.compile(r"\A\+\+\+[ \t]*\r?\n(.*?)^\+\+\+[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
LARGEST = 1 << 20
TEXTS = ("prompt", "system", "model", "schema")
TABLES = ("options", "defaults")
INPUT = "input"


class NoTemplateError(MiniLLMError):
    """There is no template of this name."""

    exit_code = 2
    code = "template_not_found"


class Template(NamedTuple):
    """What a file says. `options` are as `-o` takes them: KEY=VALUE."""

    file: Path
    prompt: str = ""
    system: str = ""
    model: str = ""
    schema: str = ""
    options: tuple[str, ...] = ()
    defaults: Mapping[str, str] = NOTHING

    @property
    def names(self) -> set[str]:
        """The variables in it."""
        return {name for text in (self.prompt, self.system) for name in Dollars(text).get_identifiers()}

    @property
    def wants_input(self) -> bool:
        """Whether it has a place for what is asked."""
        return INPUT in self.names


def load(home: Path, name: str) -> Template:
    """Read the template called *name* below *home*."""
    folder = home / FOLDER
    if not NAME.fullmatch(name):
        raise NoTemplateError(f"{name[:64]!r} is no name of a template", hint=f"templates are files in {folder}")
    for suffix in (".toml", ".md"):
        file = folder / f"{name}{suffix}"
        try:
            with file.open("rb") as opened:
                content = opened.read(LARGEST + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise NoTemplateError(f"cannot read {file}: {error.strerror or error}") from error
        if len(content) > LARGEST:
            raise NoTemplateError(f"{file} is too large for a template: at most 1 MB")
        return _read(file, content)
    raise NoTemplateError(f"no template called {name}", hint=_hint(folder))


def fill(template: Template, asked: str, pairs: Sequence[str]) -> tuple[str, str]:
    """Return the prompt and the system prompt, with what was *asked* and the KEY=VALUE *pairs* in their places.

    What is asked is put at the end where there is no `$input`.
    """
    values = {**template.defaults, **_values(pairs)}
    if INPUT in values:
        raise UsageError("`input` is what is asked, not a variable", hint="leave `-p input=…` out")
    named = template.names
    missing = sorted(named - {*values, INPUT})
    if missing:
        raise UsageError(f"the template needs {', '.join(missing)}", hint=f"say it with `-p {missing[0]}=VALUE`")
    if INPUT in named and not asked:
        raise UsageError("the template needs something to be asked about", hint="give it as an argument, or pipe it in")
    unused = sorted(set(_values(pairs)) - named)
    if unused:
        raise UsageError(f"the template has no ${unused[0]}", hint=f"it is {template.file}")
    values[INPUT] = asked
    prompt = Dollars(template.prompt).safe_substitute(values)
    if asked and INPUT not in named:
        prompt = f"{prompt.rstrip()}\n\n{asked}" if prompt.strip() else asked
    return prompt, Dollars(template.system).safe_substitute(values)


def _read(file: Path, content: bytes) -> Template:
    try:
        text = content.decode("utf-8-sig")
        head = HEAD.match(text) if file.suffix == ".md" else None
        told = tomllib.loads(text if file.suffix == ".toml" else head[1] if head else "")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file}: {error}") from error
    if file.suffix == ".md":
        told = {"prompt": text[head.end() :] if head else text, **told}
    unknown = sorted(set(told) - {*TEXTS, *TABLES})
    if unknown:
        raise UsageError(f"{file}: unknown key {unknown[0]}", hint=f"known: {', '.join((*TEXTS, *TABLES))}")
    for name, value in told.items():
        if not isinstance(value, str if name in TEXTS else dict):
            raise UsageError(f"{file}: {name} must be {'text' if name in TEXTS else 'a table'}")
    options = tuple(pair for name, value in told.get("options", {}).items() for pair in _pairs(name, value))
    defaults = {name: str(value) for name, value in told.get("defaults", {}).items()}
    texts = {name: told[name] for name in TEXTS if name in told}
    return Template(file, **texts, options=options, defaults=defaults)


def _pairs(name: str, value: Any) -> list[str]:
    return [f"{name}={one}" for one in (value if isinstance(value, list) else [value])]


def _values(pairs: Sequence[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name.strip().isidentifier():
            raise UsageError(f"cannot read the variable {pair[:60]}", hint="write `-p KEY=VALUE`")
        found[name.strip()] = value
    return found


def _hint(folder: Path) -> str:
    try:
        names = sorted({file.stem for file in folder.iterdir() if file.suffix in (".toml", ".md")})
    except OSError:
        names = []
    return f"there are {', '.join(names[:20])}" if names else f"write one: {folder / 'NAME.md'}"
