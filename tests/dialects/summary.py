"""The tables at the end of a test run: what came of every recording."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.dialects.matrix import Cell, table


def lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Return the lines to print of what tests recorded as properties; none where none did."""
    cells: list[Cell] = []
    sdks: list[tuple[str, str, str, int, int]] = []
    for report in reports:
        told = [Cell(*value) for name, value in report.user_properties if name == "matrix"]
        found = {cell[:2]: cell for cell in told}  # the last word counts
        cells += [cell if report.passed else cell._replace(verdict="failed") for cell in found.values()]
        sdks += [value for name, value in report.user_properties if name == "sdk"]
    return [*(table(cells) if cells else []), *_sdks(sdks)]


def _sdks(told: list[tuple[str, str, str, int, int]]) -> list[str]:
    kinds = list(dict.fromkeys(kind for _, _, kind, _, _ in told))
    rows: dict[str, dict[str, str]] = {}
    for sdk, dialect, kind, passed, whole in told:
        rows.setdefault(f"{sdk}, {dialect}", {})[kind] = f"{passed}" if passed == whole else f"{passed} of {whole}"
    head = [f"{'parsed by':40}" + "".join(f"{kind:>16}" for kind in kinds)] if rows else []
    return head + [f"{name:40}" + "".join(f"{row.get(kind, '-'):>16}" for kind in kinds) for name, row in rows.items()]
