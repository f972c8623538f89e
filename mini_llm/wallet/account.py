"""The account behind a key, as its service tells it. Money is nano-dollars; what is missing or odd is left out."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import urlencode

from mini_llm.credentials import Secret
from mini_llm.errors import ProtocolError
from mini_llm.types import Json
from mini_llm.wallet import addresses
from mini_llm.wallet.service import Service

FEATURES = ("fallback", "costOptimization", "discounts")
USAGE_LIMIT = 4 << 20
LONGEST_TEXT = 200
_MONEY = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,30}))?")


class Budget(NamedTuple):
    """What this key may spend, and has spent, in a period."""

    limit: int | None
    spent: int | None
    period: str
    resets_at: str


class Account(NamedTuple):
    """Who pays, and how it stands. None and "" are unknown."""

    id: str
    email: str = ""
    name: str = ""
    plan: str = ""
    team: str = ""
    role: str = ""
    key: str = ""
    balance: int | None = None
    low: bool = False
    top_up_url: str = ""
    today: int | None = None
    month: int | None = None
    requests_today: int | None = None
    budget: Budget | None = None
    discount: str = ""
    features: tuple[tuple[str, bool], ...] = ()

    @property
    def label(self) -> str:
        """How people know it."""
        return self.email or self.name or self.id

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; the keys are stable."""
        budget = None
        if self.budget:
            budget = {
                "limit_nanos": self.budget.limit,
                "spent_nanos": self.budget.spent,
                "period": self.budget.period,
                "resets_at": self.budget.resets_at,
            }
        return {
            "account": {"id": self.id, "email": self.email, "name": self.name},
            "plan": self.plan,
            "team": {"name": self.team, "role": self.role} if self.team else None,
            "key": self.key,
            "credits": {"balance_nanos": self.balance, "low": self.low, "top_up_url": self.top_up_url},
            "usage": {
                "today_nanos": self.today,
                "month_nanos": self.month,
                "requests_today": self.requests_today,
            },
            "budget": budget,
            "discount": self.discount,
            "features": dict(self.features),
        }


async def fetch(service: Service, api: str, key: Secret) -> Account:
    """Return the account behind *key*. Raises AuthError if the key is refused, ProtocolError for nonsense."""
    answer = await service.get(f"{api}/account", key)
    answer.refuse()
    return read(answer.object(), api)


def read(found: Json, api: str) -> Account:
    """Return the account in an answer; only its id must be there."""
    identity = _text(found, "id")
    if not identity:
        raise ProtocolError(f"{addresses.host_of(api)} does not say whose account it is")
    team, key = _below(found, "team"), _below(found, "key")
    credits, usage = _below(found, "credits"), _below(found, "usage")
    requests = usage.get("requests_today")
    features = _below(found, "features")
    return Account(
        identity,
        _text(found, "email"),
        _text(found, "name"),
        _text(found, "plan"),
        _text(team, "name"),
        _text(team, "role"),
        _text(key, "name"),
        money(credits.get("balance")),
        credits.get("low") is True,
        _link(credits.get("top_up_url")),
        money(usage.get("today")),
        money(usage.get("month")),
        requests if isinstance(requests, int) and not isinstance(requests, bool) and requests >= 0 else None,
        _budget(_below(found, "budget")),
        _text(found, "discount"),
        tuple((name, bool(features[name])) for name in FEATURES if isinstance(features.get(name), bool)),
    )


async def usage(service: Service, api: str, key: Secret, *, since: str, until: str, by: str) -> list[Json]:
    """Return what was used, in rows, as the service sums it."""
    question = urlencode({"from": since, "to": until, "group_by": by})
    answer = await service.get(f"{api}/usage?{question}", key, limit=USAGE_LIMIT)
    answer.refuse()
    rows = answer.object().get("rows")
    if not isinstance(rows, list):
        raise ProtocolError(f"{answer.host} sent no rows of usage")
    return [row for row in rows if isinstance(row, dict)]


def money(told: object) -> int | None:
    """Return a decimal string as nano-dollars, None for what is none; beyond the ninth place it is cut off."""
    found = _MONEY.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        return None
    nanos = int(found[2]) * 10**9 + int((found[3] or "")[:9].ljust(9, "0"))
    return -nanos if found[1] else nanos


def _budget(found: Json) -> Budget | None:
    limit = money(found.get("limit"))
    if limit is None:
        return None
    return Budget(limit, money(found.get("spent")), _text(found, "period"), _text(found, "resets_at"))


def _below(found: Json, name: str) -> Json:
    below = found.get(name)
    return below if isinstance(below, dict) else {}


def _text(found: Json, name: str) -> str:
    """Return a text that may be printed, "" for anything else."""
    told = found.get(name)
    return "".join(filter(str.isprintable, told))[:LONGEST_TEXT] if isinstance(told, str) else ""


def _link(told: object) -> str:
    """Return a web address that may be shown."""
    fits = isinstance(told, str) and len(told) <= LONGEST_TEXT and re.fullmatch(r"https?://[!-~]+", told)
    return str(told) if fits else ""
