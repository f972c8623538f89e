"""Prometheus' text format, version 0.0.4: families of samples become lines.

https://prometheus.io/docs/instrumenting/exposition_formats/ (2026-11)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import isnan
from typing import Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_VALUE = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Sample(NamedTuple):
    """One number. `suffix` is what follows the family's name."""

    suffix: str
    labels: tuple[tuple[str, str], ...]
    value: float


class Family(NamedTuple):
    """Samples of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    samples: Sequence[Sample]


def gauge(name: str, about: str, value: float, **labels: str) -> Family:
    """Return a family of one number that goes up and down."""
    return Family(name, "gauge", about, [Sample("", tuple(labels.items()), value)])


def histogram(
    bounds: Sequence[float], counts: Sequence[int], total: float, labels: tuple[tuple[str, str], ...]
) -> Iterator[Sample]:
    """Yield the samples of one histogram; *counts* has one place more than there are *bounds*."""
    sums = list(accumulate(counts))
    for bound, below in zip((*map(_number, bounds), "+Inf"), sums, strict=True):
        yield Sample("_bucket", (*labels, ("le", bound)), below)
    yield Sample("_sum", labels, total)
    yield Sample("_count", labels, sums[-1])


def written(families: Iterable[Family], constant: tuple[tuple[str, str], ...] = ()) -> str:
    """Write *families*; each sample carries the labels *constant* too. A family without samples is left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        # In this version of the format a counter's family bears the whole name of its samples.
        name = f"{family.name}_total" if family.kind == "counter" else family.name
        lines += [f"# HELP {name} {family.about.translate(_HELP)}", f"# TYPE {name} {family.kind}"]
        lines += [
            f"{family.name}{sample.suffix}{_labels((*constant, *sample.labels))} {_number(sample.value)}"
            for sample in family.samples
        ]
    return "\n".join([*lines, ""])


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    told = ",".join(f'{name}="{value.translate(_VALUE)}"' for name, value in labels)
    return f"{{{told}}}" if told else ""


def _number(value: float) -> str:
    if isnan(value):
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
