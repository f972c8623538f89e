"""Read the layers, later wins: built-in < user file < project file < environment < flags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from mini_llm.config import address, build, checks, environment, files, jsonc, project
from mini_llm.config.checks import Problem
from mini_llm.config.fields import KEYS
from mini_llm.config.jsonc import Path
from mini_llm.config.keys import join, split
from mini_llm.config.paths import Paths
from mini_llm.config.settings import Config
from mini_llm.config.tree import has, leaves, merge, place
from mini_llm.errors import ConfigError, MiniLLMError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Layer:
    """Values from one place. `names` tells the variable each environment value came from."""

    __slots__ = ("file", "name", "names", "root", "starts", "text", "values")

    def __init__(self, name: str, values: Mapping[str, Any], names: Mapping[Path, str] | None = None) -> None:
        self.name = name
        self.values = values
        self.names = names or {}
        self.text = ""
        self.starts: list[int] = []
        self.root: jsonc.Node | None = None
        self.file: File | None = None

    def source(self, path: Path) -> str:
        """Say where a value was set: `file:line`, a variable, or a flag."""
        return self.place(path).rpartition(":")[0] if self.root else self.place(path)

    def place(self, path: Path, *, key: bool = False) -> str:
        """Say exactly where a value or key stands, `file:line:column` for a file."""
        if self.root is None:
            return self.names.get(path, self.name)
        self.starts = self.starts or jsonc.line_starts(self.text)
        line, column = jsonc.position(self.starts, jsonc.locate(self.root, path, key=key))
        return f"{self.name}:{line}:{column}"

    def tell(self, problem: Problem) -> str:
        """Write a problem with its place."""
        return f"{self.place(problem.path, key=problem.key)}: {problem.what}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Loaded:
    """The config and how it came about. `notices` are single lines for stderr."""

    config: Config
    paths: Paths
    notices: tuple[str, ...]
    values: Mapping[str, Any]
    layers: tuple[Layer, ...]
    project: File | None = None

    @property
    def sources(self) -> Mapping[str, str]:
        """Say where each value came from, by dotted key. Worked out when asked: lines cost time."""
        return dict(self._sources())

    def source(self, path: Path) -> str:
        """Say where one value came from."""
        for layer in reversed(self.layers):
            if has(layer.values, path):
                return layer.source(path)
        return "built-in"

    def _sources(self) -> Iterator[tuple[str, str]]:
        for path, _ in leaves(self.values):
            yield join(path), self.source(path)
        for key in defaults(self.values):
            if not has(self.values, tuple(key.split("."))):
                yield key, "built-in"


def load(
    paths: Paths, *, environ: Mapping[str, str], cwd: File | None, overrides: Mapping[str, object] | None = None
) -> Loaded:
    """Read every layer; ConfigError holds all problems at once. Without `cwd` no project file is looked for."""
    problems: list[str] = []
    notices: list[str] = []
    layers = [_file(paths.config, problems)]
    found = project.find(cwd, paths) if cwd else None
    if found:
        layers.append(_project(found, paths, layers[0].values, problems, notices))
    layers.append(_environment(environ, notices, problems))
    layers.append(_flags(overrides or {}, problems))
    merged: dict[str, Any] = {}
    for layer in layers:
        reviewed = checks.review(layer.values)
        problems.extend(map(layer.tell, reviewed.problems))
        notices.extend(_unknown_in(layer, reviewed.unknown))
        notices.extend(_secrets_in(layer))
        if not reviewed.problems:
            merge(merged, layer.values)
    loaded = Loaded(_EMPTY, paths, (), merged, tuple(layers), found)
    if not problems:
        later = (*checks.loops(merged.get("aliases")), *checks.strangers(merged))
        problems.extend(f"{loaded.source(at.path)}: {at.what}" for at in later)
        _fill(merged, environ, loaded, problems, notices)
    if problems:
        raise _error(problems)
    return Loaded(build.config(merged), paths, tuple(notices), merged, tuple(layers), found)


def parse(data: bytes, file: File) -> Layer:
    """Read one config file's text; ConfigError with the place if it is not one."""
    text = files.decode(data, file)
    layer = Layer(str(file), {})
    try:
        root = jsonc.parse(text)
    except jsonc.SyntaxProblem as problem:
        line, column = jsonc.position(jsonc.line_starts(text), problem.offset)
        raise _error([f"{file}:{line}:{column}: {problem.what}"]) from None
    if root.members is None:
        raise _error([f"{file}: must be an object {{ … }}"])
    layer.file, layer.text, layer.root, layer.values = file, text, root, root.plain()
    return layer


def _file(file: File, problems: list[str], *, data: bytes | None = None) -> Layer:
    try:
        data = files.read(file) if data is None else data
        if data is not None:
            return parse(data, file)
    except ConfigError as error:
        problems.extend(error.problems or [error.message])
    return Layer(str(file), {})


def _project(found: File, paths: Paths, usual: Mapping[str, Any], problems: list[str], notices: list[str]) -> Layer:
    try:
        data = files.read(found) or b"{}"
        trusted = project.is_trusted(found, data, paths)
    except ConfigError as error:
        problems.append(error.message)
        return Layer(str(found), {})
    layer = _file(found, problems, data=data)
    if trusted:
        problems.extend(map(layer.tell, (*project.commands_in(layer.values), *project.plugins_in(layer.values))))
        return layer
    values, ignored = project.harmless(layer.values)
    if "budgets" in values:
        values["budgets"], raised = project.lowering(values["budgets"], usual.get("budgets"))
        ignored |= raised
    layer.values = values
    if ignored:
        told = ", ".join(sorted(ignored)[: checks.TOLD]) + (" and more" if len(ignored) > checks.TOLD else "")
        notices.append(f"{found}: ignored {told}; to allow this file to set them: mini-llm config trust")
    return layer


def _environment(environ: Mapping[str, str], notices: list[str], problems: list[str]) -> Layer:
    found = environment.read(environ)
    notices.extend(found.unknown)
    problems.extend(found.problems)
    return Layer("environment", found.values, found.names)


def _flags(overrides: Mapping[str, object], problems: list[str]) -> Layer:
    layer = Layer("flag", {})
    values: dict[str, Any] = {}
    for key, value in overrides.items():
        try:
            place(values, split(key), value)
        except MiniLLMError as error:
            problems.append(f"flag: {error.message}")
    layer.values = values
    return layer


def _unknown_in(layer: Layer, unknown: list[Problem]) -> list[str]:
    told = [layer.tell(problem) for problem in unknown[: checks.TOLD]]
    return [*told, f"{layer.name}: {len(unknown) - len(told)} more unknown keys"] if len(unknown) > len(told) else told


def _secrets_in(layer: Layer) -> list[str]:
    """Tell of plain keys in a file, and of a file with keys that others can read."""
    if layer.file is None:
        return []
    plain = [path for path, value in leaves(layer.values) if _is_plain_key(path, value)]
    notices = [
        f"{layer.source(path)}: {join(path)} is a plain key; the keyring is safer" for path in plain[: checks.TOLD]
    ]
    if plain and files.exposed(layer.file):
        notices.append(f"{layer.file} holds a key and others can read it: chmod 600 {layer.file}")
    return notices


def _is_plain_key(path: Path, value: object) -> bool:
    if path[-1] == "apiKeys" and isinstance(value, list):
        return any(_is_plain_key((*path[:-1], "apiKey"), one) for one in value)
    return path[-1] == "apiKey" and isinstance(value, str) and bool(value) and not is_reference(value)


def is_reference(value: str) -> bool:
    """Say whether a secret's text only names where the secret is."""
    return value.startswith(("keyring:", "env:", "file:", "cmd:", "wallet:")) or "${" in value


def _fill(
    merged: dict[str, Any], environ: Mapping[str, str], loaded: Loaded, problems: list[str], notices: list[str]
) -> None:
    """Fill ${VARIABLE} in addresses, and check what comes out."""
    for path, value in list(leaves(merged)):
        if path[-1] not in ("baseUrl", "endpoint") or not isinstance(value, str) or "${" not in value:
            continue
        missing = [name for name in _VARIABLE.findall(value) if not environ.get(name)]
        if missing:
            notices.append(f"{loaded.source(path)}: {join(path)} needs {missing[0]}, which is not set")
            continue
        told = _VARIABLE.sub(lambda found: environ[found[1]], value)
        if problem := address.problem_with(told):
            problems.append(f"{loaded.source(path)}: {join(path)} is {address.shown(told)}: {problem}")
        place(merged, path, told)


def defaults(values: Mapping[str, Any]) -> dict[str, object]:
    """Return the built-in values of the settings that have a fixed name."""
    return {
        key.path: key.default
        for key in KEYS
        if key.default is not None and "*" not in key.path and ("wallet" in values or not key.path.startswith("wallet"))
    }


def _error(problems: list[str]) -> ConfigError:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ConfigError(f"{problems[0]}{more}", hint="all of them: mini-llm config check", problems=problems)


_EMPTY = Config()
