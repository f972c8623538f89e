"""Prometheus' text format, version 0.0.4: families of samples become lines.

https://prometheus.io/docs/instrumenting/exposition_formats/ (2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf, isnan
from typing import Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_VALUE = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Sample(NamedTuple):
    """One number. `suffix` is what follows the family's name, `labels` are as `labelled` writes them."""

    suffix: str
    labels: str
    value: float


class Family(NamedTuple):
    """Samples of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    samples: Sequence[Sample]


def labelled(**labels: str) -> str:
    """Write labels."""
    return ",".join([f'{name}="{value.translate(_VALUE)}"' for name, value in labels.items()])


def gauge(name: str, about: str, value: float, **labels: str) -> Family:
    """Return a family of one number that goes up and down."""
    return Family(name, "gauge", about, [Sample("", labelled(**labels), value)])


def histogram(bounds: Sequence[float], counts: Sequence[int], total: float, labels: str = "") -> Iterator[Sample]:
    """Yield the samples of one histogram; *counts* has one place more than there are *bounds*."""
    before = f"{labels}," if labels else ""
    below = 0
    for bound, count in zip((*bounds, inf), counts, strict=True):
        below += count
        yield Sample("_bucket", f'{before}le="{_number(bound)}"', below)
    yield Sample("_sum", labels, total)
    yield Sample("_count", labels, below)


def written(families: Iterable[Family], constant: str = "") -> str:
    """Write *families*; each sample carries the labels *constant* too. A family without samples is left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        # In this version of the format a counter's family bears the whole name of its samples.
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        lines += [f"# HELP {name} {family.about.translate(_HELP)}", f"# TYPE {name} {family.kind}"]
        for suffix, labels, value in family.samples:
            told = f"{constant},{labels}" if constant and labels else constant or labels
            lines.append(
                f"{family.name}{suffix}{{{told}}} {_number(value)}"
                if told
                else f"{family.name}{suffix} {_number(value)}"
            )
    return "\n".join([*lines, ""])


def _number(value: float) -> str:
    if type(value) is int:
        return str(value)
    if isnan(value):
        return "NaN"
    if value in (inf, -inf):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
