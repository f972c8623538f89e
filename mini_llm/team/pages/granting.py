"""The fields that limit what a key may do, the same wherever a key is made; and a key's rights in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mini_llm.ledger.entries import Period
from mini_llm.team.pages.forms import Form
from mini_llm.team.pages.rendering import money
from mini_llm.team.rights import Allowance, Rights

DAY = 86400
PERIODS: tuple[tuple[Period, str], ...] = (
    ("daily", "a day"),
    ("weekly", "a week"),
    ("monthly", "a month"),
    ("total", "ever"),
)
EACH: Mapping[str, str] = {"daily": "a day", "weekly": "a week", "monthly": "a month", "total": "in all"}
EXPIRIES = (
    ("never", "Never"),
    ("1", "Tomorrow"),
    ("7", "In 7 days"),
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In a year"),
)
FIELD_OF: Mapping[str, str] = {"models": "models", "budget": "budget", "expiry": "expires"}
FIELDS: Mapping[str, object] = {"periods": PERIODS, "expiries": EXPIRIES}  # what the template offers


def wanted(form: Form, ceiling: Rights, now: float) -> Rights:
    """Return the rights that were asked for; what was left empty is all that *ceiling* allows."""
    models = form.names("models")
    amount = form.money("budget")
    period = period_of(form)
    ends = form.choice("expires", [value for value, _ in EXPIRIES], default="never")
    return Rights(
        models=models or ceiling.models,
        budget=ceiling.budget if amount is None else Allowance(amount, period),
        expires_at=now + int(ends) * DAY if ends.isdecimal() else ceiling.expires_at,
        scopes=ceiling.scopes,
    )


def tell(form: Form, beyond: Collection[str]) -> None:
    """Note in which fields more was asked for than may be given."""
    for part in beyond:
        form.wrong(FIELD_OF.get(part, ""), "this is more than you may have yourself")


def period_of(form: Form) -> Period:
    """Return the time that a budget holds for."""
    chosen = form.choice("period", [value for value, _ in PERIODS], default="monthly")
    return next((value for value, _ in PERIODS if value == chosen), "monthly")


def models_told(rights: Rights) -> str:
    """Return which models may be used, in words."""
    if rights.models is None:
        return "all"
    return ", ".join(rights.models) or "none"


def budget_told(allowance: Allowance | None) -> str:
    """Return a budget in words."""
    return "no limit" if allowance is None else f"{money(allowance.nanos)} {EACH[allowance.period]}"
