"""What a member sees of themselves: account, credits, budget, usage. Money is decimal text, in US dollars."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qsl

from mini_llm import pricing
from mini_llm.errors import UsageError
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway, Room
from mini_llm.team import budgets, journal, usage
from mini_llm.team.api import answers
from mini_llm.team.api.answers import ScopeError
from mini_llm.team.api.callers import Holder, KeyHolders
from mini_llm.team.budgets import Standing
from mini_llm.team.state import Team
from mini_llm.team.store import Db
from mini_llm.team.usage import Grouping, Row

ACCOUNT, USAGE = "/v1/account", "/v1/usage"
GROUPS = ("day", "model", "provider", "member", "key", "tool")
USUAL_DAYS = 30
LONGEST_DAYS = 3660
PERIODS: Mapping[str, str] = {"daily": "day", "weekly": "week", "monthly": "month", "total": "total"}

Json = dict[str, Any]


def rooms(team: Team, holders: KeyHolders) -> Mapping[str, Mapping[str, Room]]:
    """Return the rooms by path."""
    desk, tell = _Account(team, holders), answers.tell_in("openai_chat")
    return {
        ACCOUNT: {"GET": Room(desk.account, "caller", tell=tell)},
        USAGE: {"GET": Room(desk.usage, "caller", tell=tell)},
    }


class _Account:
    """The two rooms."""

    def __init__(self, team: Team, holders: KeyHolders) -> None:
        self._team = team
        self._holders = holders

    async def account(self, gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        """Answer who asks, and how they stand."""
        holder = self._holder(exchange)
        team, issuer, now = self._team, self._team.issuer(request), self._team.now()
        body = await team.store.read(lambda db: _described(db, team, holder, issuer, now))
        answers.send(responder, exchange, body)

    async def usage(self, gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        """Answer what was used: a member's own, an admin's team's."""
        holder = self._holder(exchange)
        today = datetime.fromtimestamp(self._team.now(), UTC).date()
        since, until, by = _asked(request.query, today)
        found = await self._team.store.read(lambda db: usage.usage(db, holder.member, since, until, by))
        rows = [
            {by: row.name, **({"name": row.label} if row.label != row.name else {}), **_row(row)} for row in found.rows
        ]
        answers.send(responder, exchange, {"rows": rows, "total": _row(found.total), "next": None})

    def _holder(self, exchange: Exchange) -> Holder:
        holder = self._holders.holder(exchange.caller)
        if "usage" not in holder.key.rights.scopes:
            raise ScopeError("this key may not see the account")
        return holder


def _described(db: Db, team: Team, holder: Holder, issuer: str, now: float) -> Json:
    key, member = holder.key, holder.member
    balance = journal.balance(db, key.team)
    spent = usage.spending(db, key.team, key.member, now)
    tightest = budgets.tightest(db, key.team, key.member, key.id, now)
    return {
        "id": member.account,
        "email": member.email,
        "name": member.name,
        "plan": "team",
        "team": {"id": key.team, "name": member.team_name, "role": member.role},
        "key": {
            "id": key.id,
            "name": key.name,
            "created_at": answers.instant(key.created_at),
            "expires_at": answers.instant(key.rights.expires_at),
        },
        "credits": {
            "currency": "USD",
            "balance": pricing.decimal(balance.nanos),
            "low": balance.nanos < team.settings.low_nanos,
            "top_up_url": team.settings.top_up_url or f"{issuer}/credits",
        },
        "usage": {
            "today": pricing.decimal(spent.today),
            "month": pricing.decimal(spent.month),
            "requests_today": spent.requests_today,
            "time_zone": "UTC",
        },
        "budget": _budget(tightest),
        "discount": f"0.{holder.terms.discount_percent:02d}",
        "features": {"fallback": True, "costOptimization": True, "discounts": holder.terms.discount_percent > 0},
    }


def _budget(standing: Standing | None) -> Json | None:
    """Return the budget that will stop a request first."""
    if standing is None:
        return None
    return {
        "limit": pricing.decimal(standing.limit),
        "period": PERIODS[standing.period],
        "spent": pricing.decimal(standing.spent),
        "resets_at": answers.instant(standing.resets_at),
    }


def _row(row: Row) -> Json:
    return {
        "requests": row.requests,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cached_tokens": row.cached_tokens,
        "cost": pricing.decimal(row.paid),
        "saved": pricing.decimal(row.saved),
    }


def _asked(query: str, today: date) -> tuple[date, date, Grouping]:
    """Return the days and the grouping a query names. Raises UsageError."""
    told = dict(parse_qsl(query))
    until = _day("to", told.get("to"), today)
    usual = until - timedelta(days=min(USUAL_DAYS, until.toordinal()) - 1)
    since = _day("from", told.get("from"), usual)
    if not 0 <= (until - since).days <= LONGEST_DAYS:
        raise UsageError("from: must be before `to`, by ten years at most")
    by = told.get("group_by", "day")
    if by not in GROUPS:
        raise UsageError(f"group_by: must be one of {', '.join(GROUPS)}")
    return since, until, cast(Grouping, by)  # it is one of them


def _day(name: str, told: str | None, usual: date) -> date:
    try:
        return date.fromisoformat(told) if told else usual
    except ValueError:
        raise UsageError(f"{name}: must be a day such as 2026-11-22") from None
