"""Templates → HTML. Everything is escaped, what can't be shown is replaced, and a name that is missing is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mini_llm.team.pages.words import sentence

if TYPE_CHECKING:  # loaded where pages are served, not where they are named
    from jinja2 import Environment

HERE = Path(__file__).parent
STATIC: Mapping[str, str] = {"style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
NANOS = 10**9
CENT = NANOS // 100
NEAR_DOLLAR = NANOS - 50_000  # from here on four digits would round to one
# What turns, hides or ends a line without being seen: a name could look like another one.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


def rendered(template: str, facts: Mapping[str, Any]) -> bytes:
    """Return the page as bytes."""
    return _environment().get_template(template).render(facts).encode("utf-8", "replace")


@cache
def static(name: str) -> bytes:
    """Return a file that pages link to."""
    return (HERE / "static" / name).read_bytes()


def address_of(name: str) -> str:
    """Return where a static file is; another content has another address, so that browsers may keep it."""
    return f"/static/{name}?v={sha256(static(name)).hexdigest()[:12]}"


def money(nanos: int | None) -> str:
    """Return an amount as people read it: to the cent, and finer where it is less than a dollar."""
    if nanos is None:
        return "unknown"
    sign, nanos = ("−" if nanos < 0 else ""), abs(nanos)
    if nanos >= NEAR_DOLLAR or nanos % CENT == 0:
        cents = (nanos + CENT // 2) // CENT
        return f"{sign}${cents // 100:,}.{cents % 100:02}"
    places = min(9, max(4, 11 - len(str(nanos))))  # four, or two digits that are not zero
    unit = 10 ** (9 - places)
    fine = (nanos + unit // 2) // unit
    return f"{sign}$0.{fine:0{places}}"


def signed(nanos: int) -> str:
    """Return an amount that was added or taken away."""
    return f"+{money(nanos)}" if nanos > 0 else money(nanos)


def moment(unix: float) -> str:
    """Return a time as people read it."""
    at = _utc(unix)
    return f"{at.day} {at:%b %Y, %H:%M}"


def iso(unix: float) -> str:
    """Return a time as machines read it."""
    return _utc(unix).strftime("%Y-%m-%dT%H:%M:%SZ")


def seen(value: object) -> object:
    """Return *value* without characters that nobody sees."""
    return _UNSEEN.sub("�", value) if type(value) is str else value


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=seen,
    )
    filters: dict[str, Callable[..., str]] = {
        "money": money,
        "moment": moment,
        "iso": iso,
        "count": lambda number: f"{number:,}",
        "signed": signed,
        "sentence": sentence,
    }
    environment.filters |= filters
    environment.globals |= {"static": address_of}
    return environment


def _utc(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)
