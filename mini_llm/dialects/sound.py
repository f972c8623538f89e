"""Do words hold what they say they hold? Our own dialects are checked before they run; those of plugins are not."""

from __future__ import annotations

from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def check(word: Any, wanted: type) -> None:
    """Raise TypeError where *word*, or one within it, is not what its class says."""
    if not isinstance(word, wanted):
        raise TypeError(f"a {type(word).__name__} where a {wanted.__name__} is due")
    left = [word]
    while left:
        one = left.pop()
        cls: Any = type(one)
        if hasattr(one, "_fields"):
            for name, kinds in _kinds(cls):
                given = getattr(one, name)
                if not isinstance(given, kinds):
                    raise TypeError(f"{cls.__name__}.{name} can't be a {type(given).__name__}")
        if isinstance(one, tuple):
            left += one


@lru_cache(maxsize=64)
def _kinds(cls: type) -> tuple[tuple[str, tuple[type, ...]], ...]:
    """Return the fields of *cls*, each with what it may hold."""
    return tuple((name, _of(hint)) for name, hint in get_type_hints(cls).items())


def _of(hint: Any) -> tuple[type, ...]:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return tuple(kind for each in get_args(hint) for kind in _of(each))
    if origin is Literal:
        return tuple({type(value) for value in get_args(hint)})
    kind = origin or (NoneType if hint is None else hint)
    if kind is float:
        return (float, int)
    return (kind,) if isinstance(kind, type) else (object,)
