"""Say everything that is wrong with a set of values. Pure: no files, no environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any, NamedTuple

from mini_llm.config import address
from mini_llm.config.fields import OF_PLUGIN, TREE, Branch, Key, find
from mini_llm.config.jsonc import Path
from mini_llm.config.keys import join
from mini_llm.config.tree import leaves

_MONEY = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_PLUGINS = re.compile(OF_PLUGIN)
_PLACEHOLDER = re.compile(r"\$?\{[A-Za-z_][A-Za-z0-9_]*\}")


TOLD = 20  # unknown keys told one by one; a hostile file may hold a hundred thousand
MOST = 100  # problems, then we stop looking


class Problem(NamedTuple):
    """What is wrong at `path`. `key`: it is the key itself, not its value."""

    path: Path
    what: str
    key: bool = False


class Review(NamedTuple):
    """`problems` stop us; `unknown` keys are kept and told."""

    problems: list[Problem]
    unknown: list[Problem]


def review(values: Mapping[str, Any]) -> Review:
    """Check values against the table. `loops` is apart: only all layers together can have them."""
    found = Review([], [])
    _object(TREE, (), values, found)
    return found


def value(path: Path, given: object) -> list[Problem]:
    """Check one value for the setting at *path*, and the names on the way there."""
    found = Review([], [])
    branch: Branch | None = TREE
    for at, name in enumerate(path):
        if problem := _name(path[:at], str(name)):
            found.problems.append(Problem(path[: at + 1], problem, key=True))
        branch = branch.step(name) if branch else None
    if branch:
        _value(branch, path, given, found)
    return found.problems


def loops(aliases: object) -> list[Problem]:
    """Find aliases that lead back to themselves; each loop is told once."""
    if not isinstance(aliases, Mapping):
        return []
    ahead = {name: [to for to in targets_of(given) if to in aliases] for name, given in aliases.items()}
    done: set[str] = set()
    problems: list[Problem] = []
    for start in ahead:
        trail: dict[str, int] = {}  # in order: the way we came, and how many of its targets we have followed
        name: str | None = start if start not in done else None
        while name is not None:
            step = trail.setdefault(name, 0)
            if step == len(ahead[name]):
                done.add(name)
                trail.popitem()
                name = next(reversed(trail), None)
                continue
            trail[name], after = step + 1, ahead[name][step]
            if len(problems) >= MOST:
                return problems
            if after in trail:
                way = list(trail)[list(trail).index(after) :]
                told = " → ".join(map(_short, (*way[:8], after)))
                problems.append(Problem(("aliases", after), f"this alias leads back to itself: {told}"))
            elif after not in done:
                name = after
    return problems


def strangers(values: Mapping[str, Any]) -> list[Problem]:
    """Find choices of plugins that are not named in `plugins`."""
    given_names = values.get("plugins")
    named = given_names if isinstance(given_names, list) else ()
    found = []
    for path, given in leaves(values):
        plugin = given.partition(":")[0] if isinstance(given, str) and ":" in given else ""
        if plugin and plugin not in named and (key := find(path)) and key.plugins:
            found.append(Problem(path, f'{join(path)} is {given}, and "plugins" does not name {_short(plugin)}'))
    return found


def targets_of(given: object) -> tuple[str, ...]:
    """Return the targets an alias names, in whichever form it is written."""
    if isinstance(given, Mapping):
        given = given.get("targets")
    if isinstance(given, str):
        return (given,)
    return tuple(name for name in given if isinstance(name, str)) if isinstance(given, list) else ()


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean …?)`, or "" if nothing is near."""
    if len(word) > 64:
        return ""
    import difflib  # 1 ms, and only for mistakes

    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, 1, 0.6)
    return f' (did you mean "{names[near[0]]}"?)' if near else ""


def _object(branch: Branch, path: Path, given: Mapping[str, Any], found: Review) -> None:
    for name, below in given.items():
        here = (*path, name)
        if len(found.problems) >= MOST:
            return
        if problem := _name(path, name):
            found.problems.append(Problem(here, problem, key=True))
        elif next_branch := branch.step(name):
            _value(next_branch, here, below, found)
        else:
            hint = suggestion(name, branch.below) if len(found.unknown) < TOLD else ""
            found.unknown.append(Problem(here, f'unknown key "{_short(name)}"{hint}', key=True))


def _value(branch: Branch, path: Path, given: object, found: Review) -> None:
    kind = branch.key.kind
    if isinstance(given, Mapping) and kind in ("object", "route", "switch"):
        _object(branch, path, given, found)
        if kind == "route" and not given.get("targets"):
            found.problems.append(Problem(path, f"{join(path)} needs targets"))
        if path == ("wallet",) and "providers" in given and given.get("type") != "custom":
            found.problems.append(
                Problem((*path, "providers"), 'providers in a wallet need "type": "custom"', key=True)
            )
    elif isinstance(given, list) and kind == "list" and len(given) <= MOST:
        for index, item in enumerate(given):
            _value(branch.below["*"], (*path, index), item, found)
            if isinstance(item, Mapping) and not item.get("id"):
                found.problems.append(Problem((*path, index), f"{join((*path, index))} needs an id"))
    elif problem := _KINDS[kind](branch.key, given):
        found.problems.append(Problem(path, f"{join(path)} {problem}"))


def _name(path: Path, name: str) -> str:
    if path == ("providers",) and not _PROVIDER.fullmatch(name):
        return f'"{_short(name)}" can\'t name a provider: use small letters, digits, ".", "_" and "-"'
    if path and path[-1] == "headers" and not _HEADER.fullmatch(name):
        return f'"{_short(name)}" is no header name'
    if path == ("aliases",) and (not name.strip() or re.search(r"\s", name) or _CONTROL.search(name)):
        return f'"{_short(name)}" can\'t name an alias: it is empty or holds a blank'
    return ""


def _text(_: Key, given: object) -> str:
    if not isinstance(given, str):
        return f"must be a string, not {_told(given)}"
    if len(given) > 4096:
        return "is longer than 4096 characters"
    return "holds a control character" if _CONTROL.search(given) else ""


def _model(given: object) -> str:
    if not isinstance(given, str):
        return f"must name models as strings, not {_told(given)}"
    if not given or len(given) > 512 or re.search(r"\s", given) or _CONTROL.search(given):
        return f"holds {_told(given)}, which names no model"
    return ""


def _texts(_: Key, given: object) -> str:
    if not isinstance(given, list):
        return f"must be a list of strings, not {_told(given)}"
    return next(filter(None, map(_model, given)), "")


def _targets(_: Key, given: object) -> str:
    if isinstance(given, str):
        return _model(given)
    if not isinstance(given, list):
        return f"must be a model or a list of models, not {_told(given)}"
    if not given:
        return "is empty: name at least one model"
    return next(filter(None, map(_model, given)), "")


def _choice(key: Key, given: object) -> str:
    if isinstance(given, str) and (given in key.choices or (key.plugins and _PLUGINS.fullmatch(given))):
        return ""
    hint = suggestion(given, key.choices) if isinstance(given, str) else ""
    return f"must be {', '.join(key.choices[:-1])} or {key.choices[-1]}, not {_told(given)}{hint}"


def _boolean(_: Key, given: object) -> str:
    return "" if isinstance(given, bool) else f"must be true or false, not {_told(given)}"


def _number(key: Key, given: object) -> str:
    if isinstance(given, bool) or not isinstance(given, int if key.kind == "integer" else int | float):
        wanted = "a whole number" if key.kind == "integer" else "a number of seconds"
        return f"must be {wanted}, not {_told(given)}"
    if not key.least <= given <= key.most:
        return f"must be from {key.least:g} to {key.most:g}, not {_short(str(given))}"
    return ""


def _money(_: Key, given: object) -> str:
    if isinstance(given, str):
        return "" if _MONEY.fullmatch(given) else f'must be US dollars like "5.00", not {_told(given)}'
    if isinstance(given, bool) or not isinstance(given, int | float):
        return f'must be US dollars like "5.00", not {_told(given)}'
    return "" if isfinite(given) and 0 <= given < 10**12 else "must be from 0 to a trillion US dollars"


def _zone(key: Key, given: object) -> str:
    if problem := _text(key, given):
        return problem
    from zoneinfo import ZoneInfo  # 4 ms, and few set it

    try:
        ZoneInfo(str(given))
    except (OSError, ValueError, LookupError):
        return f'must be a time zone like "Europe/Berlin", not {_told(given)}'
    return ""


def _address(key: Key, given: object) -> str:
    if problem := _text(key, given):
        return problem
    told = str(given)
    if told.startswith(("${", "{")):
        return ""  # the variable holds its beginning: checked once it is filled in
    problem = address.problem_with(_PLACEHOLDER.sub("x", told))
    return f"{address.shown(told)} is no address: {problem}" if problem else ""


def _secret(key: Key, given: object) -> str:
    if problem := _text(key, given):
        return problem
    assert isinstance(given, str)
    for prefix in ("env:", "keyring:", "file:", "cmd:"):
        if given.startswith(prefix):
            return "" if given[len(prefix) :].strip() else f"{prefix} names nothing"
    if "${" in _REFERENCE.sub("", given):
        return "holds a ${ that is no ${VARIABLE}"
    return "is a key with a blank in it" if re.search(r"\s", given) else ""


def _secrets(key: Key, given: object) -> str:
    if not isinstance(given, list):
        return f"must be a list of keys, not {_told(given)}"
    if len(given) > MOST:
        return f"is longer than {MOST} items"
    return next(filter(None, (_secret(key, one) for one in given)), "")


def _header(key: Key, given: object) -> str:
    if problem := _text(key, given):
        return problem
    return "holds a ${ that is no ${VARIABLE}" if "${" in _REFERENCE.sub("", str(given)) else ""


def _container(key: Key, given: object) -> str:
    if key.kind == "list" and isinstance(given, list):
        return f"is longer than {MOST} items"
    wanted = "a list [ … ]" if key.kind == "list" else "an object { … }"
    return f"must be {wanted}, not {_told(given)}"


_KINDS: Mapping[str, Callable[[Key, object], str]] = {
    "object": _container,
    "list": _container,
    "route": _targets,
    "targets": _targets,
    "texts": _texts,
    "text": _text,
    "choice": _choice,
    "boolean": _boolean,
    "switch": _boolean,
    "integer": _number,
    "seconds": _number,
    "money": _money,
    "zone": _zone,
    "address": _address,
    "secret": _secret,
    "secrets": _secrets,
    "header": _header,
}


def _told(given: object) -> str:
    """Describe a wrong value without repeating what may be a secret."""
    if isinstance(given, str):
        return f'"{_short(given)}"' if len(given) <= 24 else "a long string"
    if given is None or isinstance(given, bool):
        return {None: "null", True: "true", False: "false"}[given]
    if isinstance(given, Mapping):
        return "an object"
    return "a list" if isinstance(given, list | tuple) else _short(str(given))


def _short(word: str) -> str:
    clean = _CONTROL.sub("?", word)
    return clean if len(clean) <= 60 else f"{clean[:57]}…"
