"""What was spent: an overview, usage with a chart, and the credits with their journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from mini_llm.team import journal, people, usage
from mini_llm.team.journal import Transfer
from mini_llm.team.pages import chart
from mini_llm.team.pages.answers import Answer
from mini_llm.team.pages.chart import Bar
from mini_llm.team.pages.forms import Form
from mini_llm.team.pages.visit import Visit
from mini_llm.team.store import Db
from mini_llm.team.usage import Grouping, Usage

TIMES = (("7", "7 days"), ("30", "30 days"), ("90", "90 days"))
GROUPS: tuple[tuple[Grouping, str], ...] = (
    ("model", "Model"),
    ("provider", "Provider"),
    ("key", "Key"),
    ("tool", "Tool"),
    ("day", "Day"),
)
OF_ADMINS: tuple[tuple[Grouping, str], ...] = (*GROUPS, ("member", "Member"))
WHOSE = (("team", "The whole team"), ("me", "Only me"))
SOURCES: Mapping[str, str] = {
    "grant": "Granted",
    "top_up": "Added",
    "refund": "Refunded",
    "wallet": "Charged",
    "revenue": "Given back",
}
ROWS = 50


class Move(NamedTuple):
    """One row of the journal, as the wallet sees it."""

    time: float
    what: str
    note: str
    nanos: int


async def overview(visit: Visit) -> Answer:
    """Show how things stand, and how to connect a computer."""
    me, now = visit.me, visit.now
    balance, mine, teams = await visit.read(
        lambda db: (
            journal.balance(db, me.team),
            usage.spending(db, me.team, me.id, now),
            people.memberships(db, me.account),
        )
    )
    low = balance.available < visit.site.team.settings.low_nanos
    return visit.page("dashboard.html", balance=balance.available, low=low, mine=mine, teams=teams)


async def used(visit: Visit) -> Answer:
    """Show what was used, by day as a chart and by something else as a table."""
    me = visit.me
    groups = OF_ADMINS if me.is_admin else GROUPS
    form = visit.form = Form(visit.query.items())
    days = int(form.choice("days", [value for value, _ in TIMES], default="30"))
    chosen = form.choice("by", [value for value, _ in groups], default="model")
    by, group = next((each for each in groups if each[0] == chosen), GROUPS[0])
    everybody = me.is_admin and form.choice("of", dict(WHOSE), default="team") == "team"
    until = datetime.fromtimestamp(visit.now, UTC).date()
    since, member = until - timedelta(days=days - 1), None if everybody else me.id

    def work(db: Db) -> tuple[Usage, Usage]:
        daily = usage.usage(db, me, since, until, "day", member=member)
        return daily, usage.usage(db, me, since, until, by, member=member)

    daily, grouped = await visit.read(work)
    bars = _bars(daily, since, until)
    return visit.page(
        "usage.html", rows=grouped.rows, total=grouped.total, everybody=everybody, bars=bars, group=group,
        most=max(bar.value for bar in bars), times=TIMES, groups=groups, whose=WHOSE, chart=chart,
    )  # fmt: skip


async def credits(visit: Visit) -> Answer:
    """Show the balance and the journal, newest first."""
    me, settings = visit.me, visit.site.team.settings
    before = visit.query.get("before", "")
    last = int(before) if before.isdecimal() and len(before) < 16 else None
    balance, found = await visit.read(
        lambda db: (
            journal.balance(db, me.team),
            journal.transfers(db, me.team, before=last, charges=False, most=ROWS + 1),
        )
    )
    older = found[ROWS - 1].id if len(found) > ROWS else None
    return visit.page(
        "credits.html", balance=balance, low=balance.available < settings.low_nanos, top_up_url=settings.top_up_url,
        rows=[_move(row) for row in found[:ROWS]], older=older, newest=last is None,
    )  # fmt: skip


def _bars(daily: Usage, since: date, until: date) -> list[Bar]:
    """Return a bar for each day, also for those on which nothing was used."""
    paid = {row.name: row.paid for row in daily.rows}
    days = [since + timedelta(days=number) for number in range((until - since).days + 1)]
    return chart.bars([(f"{day.day} {day:%b}", paid.get(day.isoformat(), 0)) for day in days])


def _move(row: Transfer) -> Move:
    nanos = row.nanos if row.target == "wallet" else -row.nanos
    return Move(row.time, SOURCES[row.source], row.note, nanos)
