"""What a key may do, and the rule that it is never more than its maker may. Pure."""

from __future__ import annotations

from typing import NamedTuple

import orjson

from mini_llm.ledger.entries import Period
from mini_llm.team import entered

SCOPES = frozenset({"inference", "usage"})
# How many windows of the first period may touch one of the second; where a pair is missing, one does.
TOUCHING = {
    ("daily", "weekly"): 7,
    ("daily", "monthly"): 31,
    ("weekly", "monthly"): 6,
    ("monthly", "weekly"): 2,
}


class Allowance(NamedTuple):
    """The most that may be spent in a period, in nano-dollars."""

    nanos: int
    period: Period = "monthly"


class Rights(NamedTuple):
    """What may be used. `models` are names or beginnings ("openai/*"), None for all; None elsewhere: without limit."""

    models: tuple[str, ...] | None = None
    budget: Allowance | None = None
    expires_at: float | None = None
    scopes: frozenset[str] = SCOPES


def within(child: Rights, parent: Rights) -> bool:
    """Tell whether *child* allows nothing that *parent* does not."""
    return not excess(child, parent)


def excess(child: Rights, parent: Rights) -> tuple[str, ...]:
    """Return in what *child* goes beyond *parent*: models, budget, expiry, scopes."""
    beyond = {
        "models": not _models_within(child.models, parent.models),
        "budget": not _budget_within(child.budget, parent.budget),
        "expiry": parent.expires_at is not None and (child.expires_at is None or child.expires_at > parent.expires_at),
        "scopes": not child.scopes <= parent.scopes,
    }
    return tuple(part for part, goes in beyond.items() if goes)


def narrowed(wanted: Rights, ceiling: Rights) -> Rights:
    """Return of *wanted* what *ceiling* allows: it is within both. Where one sets no limit, the other's holds."""
    times = [each for each in (wanted.expires_at, ceiling.expires_at) if each is not None]
    return Rights(
        models=_common(wanted.models, ceiling.models),
        budget=_lesser(wanted.budget, ceiling.budget),
        expires_at=min(times) if times else None,
        scopes=wanted.scopes & ceiling.scopes,
    )


def allows(rights: Rights, model: str) -> bool:
    """Tell whether *model* may be used."""
    return rights.models is None or any(_covers(pattern, model) for pattern in rights.models)


def _models_within(child: tuple[str, ...] | None, parent: tuple[str, ...] | None) -> bool:
    if parent is None:
        return True
    return child is not None and all(any(_covers(wide, name) for wide in parent) for name in child)


def _common(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None or other is None:
        return other if one is None else one
    kept = [name for name in one if any(_covers(wide, name) for wide in other)]
    kept += [name for name in other if any(_covers(wide, name) for wide in one)]
    return tuple(dict.fromkeys(kept))


def _covers(pattern: str, name: str) -> bool:
    """Tell whether every model that *name* (itself a name or a beginning) stands for is one of *pattern*'s."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _budget_within(child: Allowance | None, parent: Allowance | None) -> bool:
    """Tell whether no spending that *child* allows could pass *parent*, wherever their windows begin."""
    if parent is None:
        return True
    most = None if child is None else _most(child.period, parent)
    return child is not None and most is not None and child.nanos <= most


def _lesser(wanted: Allowance | None, ceiling: Allowance | None) -> Allowance | None:
    """Return the largest budget within both, in the wanted period if there is one."""
    if wanted is None or ceiling is None:
        return ceiling if wanted is None else wanted
    most = _most(wanted.period, ceiling)
    if most is not None:
        return Allowance(min(wanted.nanos, most), wanted.period)
    return Allowance(min(wanted.nanos, ceiling.nanos), ceiling.period)  # the ceiling is for ever


def _most(period: Period, parent: Allowance) -> int | None:
    """Return the largest budget of *period* within *parent*; None where each is too large: it would start anew."""
    if parent.period == "total" and period != "total":
        return None
    return parent.nanos // TOUCHING.get((period, parent.period), 1)


def written_models(models: tuple[str, ...] | None) -> str | None:
    """Return a list of models as the file keeps it."""
    return None if models is None else orjson.dumps([entered.storable(model) for model in models]).decode()


def read_models(text: str | None) -> tuple[str, ...] | None:
    """Return a list of models as the file kept it."""
    return None if text is None else tuple(orjson.loads(text))
