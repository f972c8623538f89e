"""Change the user's config file: locked, checked before it is written, replaced in one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as File
from typing import Any

from mini_llm.config import checks, edits, environment, files, jsonc
from mini_llm.config.fields import find
from mini_llm.config.keys import join
from mini_llm.config.layers import parse
from mini_llm.config.paths import Paths
from mini_llm.config.show import known
from mini_llm.errors import ConfigError, UsageError


def set_value(paths: Paths, key: str, value: object) -> None:
    """Set one value in the user's file; the file is made if there is none."""
    path = known(key)
    value = edits.plain(value)
    if problems := checks.value(path, value):
        raise ConfigError(problems[0].what, problems=[problem.what for problem in problems])
    _edit(paths.config, lambda text: edits.put(text, path, value))


def change_values(paths: Paths, values: Mapping[tuple[str, ...], object]) -> None:
    """Set values at several places of the user's file in one step; None takes one out. Unknown names are refused."""
    check_values(values)

    def change(text: str) -> str:
        for path, given in values.items():
            text = (edits.remove(text, path) or text) if given is None else edits.put(text, path, edits.plain(given))
        return text

    _edit(paths.config, change)


def check_values(values: Mapping[tuple[str, ...], object]) -> None:
    """Raise ConfigError with all that is wrong with *values* by their places, unknown names included."""
    told: list[str] = []
    for path, given in values.items():
        tree: Any = edits.plain(given)
        for name in reversed(path):
            tree = {name: tree}
        reviewed = checks.review(tree)
        known = reviewed.problems if given is not None else []
        told += [f"{join(problem.path)}: {problem.what}" for problem in (*known, *reviewed.unknown)]
    if told:
        raise ConfigError(told[0], problems=told)


def remove_value(paths: Paths, key: str) -> bool:
    """Take one value out of the user's file; say whether it was there."""
    path = known(key)
    return _edit(paths.config, lambda text: edits.remove(text, path))


def parse_value(key: str, text: str) -> object:
    """Turn what was typed on a command line into a value for the setting: JSON for lists and objects."""
    setting = find(known(key))
    assert setting is not None
    if text.lstrip()[:1] in ("{", "["):
        try:
            return jsonc.parse(text).plain()
        except jsonc.SyntaxProblem as problem:
            raise UsageError(f"the value for {key} is not JSON: {problem.what}") from None
    if setting.kind in ("targets", "texts", "secrets"):
        return [part.strip() for part in text.split(",")]
    return environment.typed(setting, text)


def read_text(paths: Paths) -> str:
    """Return the user's file as it is, "" if there is none. Raises ConfigError if it is no text."""
    return files.decode(files.read(paths.config) or b"", paths.config)


def replace_text(paths: Paths, text: str, *, before: str | None = None) -> None:
    """Put a whole new text in place of the user's file, if it is a config without problems; its mode stays.

    With *before*, what the text was made from, a file that is another by now is left alone: ConfigError.
    """
    layer = parse(text.encode("utf-8", "surrogatepass"), paths.config)
    reviewed = checks.review(layer.values)
    told = [layer.tell(problem) for problem in (*reviewed.problems, *_later(layer.values))]
    if told:
        raise ConfigError(told[0], problems=told)
    with files.locked(paths.config) as target:
        if before is not None and (files.read(target) or b"") != before.encode():
            raise ConfigError(f"{target} was changed by another program meanwhile", hint="nothing was written")
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
        files.write(target, text.encode(), mode=mode)


def _edit(file: File, change: Callable[[str], str | None]) -> bool:
    with files.locked(file) as target:
        data = files.read(target)
        if data is None:
            before, text = Counter[str](), "{}\n"
        else:
            before, text = _problems(data, target), data.decode()
        changed = change(text)
        if changed is None:
            return False
        written = changed.encode()
        if added := _problems(written, target) - before:
            raise ConfigError(next(iter(added)), hint="nothing was changed", problems=list(added))
        files.write(target, written)
    return True


def _problems(data: bytes, file: File) -> Counter[str]:
    """Return what is wrong with a file's values, without places: an edit must not add to it."""
    if len(data) > files.LIMIT:
        raise ConfigError(f"{file} would be too large: more than {files.LIMIT // 1024} KiB")
    values = parse(data, file).values
    found = (*checks.review(values).problems, *_later(values))
    return Counter(f"{join(problem.path)}: {problem.what}" for problem in found)


def _later(values: Mapping[str, Any]) -> Iterator[checks.Problem]:
    """Yield what is wrong with values that are right each by itself."""
    yield from checks.loops(values.get("aliases"))
    yield from checks.strangers(values)
