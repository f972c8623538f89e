"""Keys of providers that lie about on this machine: the environment, a `.env`, the settings of other tools.

Read as data: nothing is expanded, no program is run, and a file that can't be read holds no key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from mini_llm.config import files
from mini_llm.errors import MiniLLMError
from mini_llm.providers import Provider, Registry
from mini_llm.setup import formats
from mini_llm.setup.tool import Place

KEY = re.compile(r"[!-~]{16,4096}")
OURS = "ml-"  # how a token of our own gateway begins: it is nobody's key
_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$", re.MULTILINE)
_NAMES = {"google": "gemini", "google-generative-ai": "gemini", "togetherai": "together", "together-ai": "together"}


class Found(NamedTuple):
    """One key: whose it is, where it lies, in words. `repr` does not show it.

    `loose`: it lies in the working folder, which may be anybody's, as the key may be.
    """

    provider: str
    where: str
    value: str
    loose: bool = False

    def __repr__(self) -> str:
        return f"Found({self.provider!r}, {self.where!r}, {self.masked!r})"

    @property
    def masked(self) -> str:
        """Return enough of the key to know it again."""
        return f"…{self.value[-4:]}" if len(self.value) >= 20 else "…"


def search(registry: Registry, place: Place, folder: Path | None) -> list[Found]:
    """Return every key, each once, in the order in which the places are looked at; *folder* is the working folder."""
    known = _Known(registry)
    found: dict[tuple[str, str], Found] = {}
    for where, told, loose in _places(place, folder):
        for name, value in told():
            provider = known.of(name)
            if provider and isinstance(value, str) and KEY.fullmatch(value) and not value.startswith(OURS):
                found.setdefault((provider, value), Found(provider, where.format(name), value, loose))
    return list(found.values())


class _Known:
    """Providers by the variables that hold their keys, and by their names in other tools."""

    def __init__(self, registry: Registry) -> None:
        self._names: dict[str, str] = {}
        for name in registry.names():
            with suppress(MiniLLMError):
                self._learn(registry.get(name))
        self._names |= {other: ours for other, ours in _NAMES.items() if ours in self._names}

    def of(self, name: str) -> str:
        """Return the provider that *name*, a variable or a provider's name, stands for; "" for none."""
        return self._names.get(name) or self._names.get(name.lower().removesuffix("-api-key")) or ""

    def _learn(self, provider: Provider) -> None:
        if provider.by_name or provider.local or provider.auth == "none":
            return  # what people have that key for is something else
        self._names[provider.name] = provider.name
        for variable in provider.key_env:
            self._names.setdefault(variable, provider.name)


Pairs = Iterator[tuple[str, Any]]


def _places(place: Place, folder: Path | None) -> list[tuple[str, Callable[[], Pairs], bool]]:
    """Return where keys lie, each place in words, what reads it, and whether it may be anybody's; {} stands for the
    variable. The user's own places come first."""
    home, data = place.home, Path(place.environ.get("XDG_DATA_HOME") or place.home / ".local" / "share")
    llm = Path(place.environ.get("LLM_USER_PATH") or place.applications / "io.datasette.llm")
    tools: list[tuple[str, Path, Callable[[Path], Pairs]]] = [
        ("opencode", data / "opencode" / "auth.json", _opencode),
        ("codex", Path(place.environ.get("CODEX_HOME") or home / ".codex") / "auth.json", _flat_json),
        ("llm", llm / "keys.json", _flat_json),
        ("aider", home / ".aider.conf.yml", _aider),
        ("continue", home / ".continue" / "config.yaml", _continue),
        ("continue", home / ".continue" / ".env", variables),
        ("gemini", home / ".gemini" / ".env", variables),
        ("gemini", home / ".env", variables),
    ]
    found: list[tuple[str, Callable[[], Pairs], bool]] = [
        ("environment {}", lambda: iter(place.environ.items()), False)
    ]
    for tool, file, read in tools:
        found.append((f"{_words(file)} ({tool})", _reading(read, file), False))
    if folder is not None and folder != home:
        file = folder / ".env"
        found.append((f"{_words(file)} (the folder you are in)", _reading(variables, file), True))
    return found


def _words(file: Path) -> str:
    return str(file).replace("{", "{{").replace("}", "}}")


def _reading(read: Callable[[Path], Pairs], file: Path) -> Callable[[], Pairs]:
    def told() -> Pairs:
        with suppress(MiniLLMError, OSError, AttributeError, TypeError):  # another's file: of whatever shape
            yield from read(file)

    return told


def variables(file: Path) -> Pairs:
    """Yield the assignments in a `.env`: quotes are taken off, nothing is expanded."""
    for name, told in _LINE.findall(files.decode(files.read(file) or b"", file)):
        value = told
        if told[:1] in ("'", '"') and told.find(told[0], 1) > 0:
            value = told[1 : told.find(told[0], 1)]
        else:
            value = re.split(r"\s+#", told)[0]
        yield name, value


def _opencode(file: Path) -> Pairs:
    for name, entry in _mapping(formats.said("json", file)).items():
        if _mapping(entry).get("type") == "api":
            yield name, entry.get("key")


def _flat_json(file: Path) -> Pairs:
    yield from _mapping(formats.said("json", file)).items()


def _aider(file: Path) -> Pairs:
    told = _mapping(formats.said("yaml", file))
    several = told.pop("api-key", None) or []
    yield from told.items()
    for pair in [several] if isinstance(several, str) else several:
        name, _, value = str(pair).partition("=")
        yield name, value


def _continue(file: Path) -> Pairs:
    for model in _mapping(formats.said("yaml", file)).get("models") or []:
        if not _mapping(model).get("apiBase"):  # with one, its key is for another place
            yield model.get("provider", ""), model.get("apiKey")


def _mapping(told: Any) -> dict[str, Any]:
    return told if isinstance(told, dict) else {}
