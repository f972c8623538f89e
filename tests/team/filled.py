"""A house in which a team has worked for some weeks: something to see on every page."""

from __future__ import annotations

from mini_llm.team import audit, budgets, credits, devices, invites, journal, keys
from mini_llm.team.credits import Ask, Charge
from mini_llm.team.rights import Allowance, Rights
from mini_llm.team.roles import Operator
from mini_llm.team.store import Db
from tests.team.browsing import House

DAY = 86400
DOLLAR = 10**9
MODELS = (("openai", "gpt-5.5"), ("anthropic", "claude-opus-4-8"), ("groq", "llama-3.3-70b-versatile"))


def fill(house: House) -> str:
    """Let the team work, and return the code of a device that waits."""
    return house.write(lambda db: _fill(db, house))


def _fill(db: Db, house: House) -> str:
    ada, ben, cleo, now = house.owner, house.admin, house.member, house.clock.now
    journal.top_up(db, Operator(ada.team), 250 * DOLLAR, "invoice 2025-114", now - 28 * DAY, note="Invoice 2025-114")
    rights = Rights(models=("openai/*", "claude-opus-4-8"), budget=Allowance(20 * DOLLAR, "monthly"))
    laptops = [keys.mint(db, who, "laptop", Rights(), who, now - 29 * DAY)[0] for who in (ada, ben, cleo)]
    builder, _ = keys.mint(db, ada, "build server", rights._replace(expires_at=now + 30 * DAY), ada, now - 20 * DAY)
    old, _ = keys.mint(db, ada, "old phone", Rights(), ada, now - 29 * DAY)
    keys.revoke(db, ada, old.id, now - DAY)
    for number in range(28):
        for index, (who, key) in enumerate(zip((ada, ben, cleo), laptops, strict=True)):
            if (number + index) % 7 < 5:
                _use(db, who.team, who.id, key.id, number * 3 + index, now - number * DAY)
    keys.touch(db, ada.team, laptops[0].id, now - 120)
    keys.touch(db, ada.team, builder.id, now - 4000)
    budgets.set(db, ada, ada.team, Allowance(150 * DOLLAR, "monthly"), now)
    budgets.set(db, ada, cleo.id, Allowance(DOLLAR // 10, "daily"), now)
    invites.invite(db, ada, "member", "dora@example.com", now - DAY)
    invites.invite(db, ada, "admin", None, now)
    for what, about in (
        ("team.create", ada.team),
        ("member.role", ben.id),
        ("key.mint", builder.id),
        ("budget.set", cleo.id),
    ):
        audit.note(db, ada.team, ada.id, what, about, "192.0.2.7", now - DAY, name="build server")
    return devices.begin(db, "mini-llm-cli", "ada-laptop", "192.0.2.7", "", now).user_code


def _use(db: Db, team: str, member: str, key: str, number: int, when: float) -> None:
    provider, model = MODELS[number % len(MODELS)]
    ask = Ask(team, member, key, f"r{number}-{member}", DOLLAR, 60.0, tool=("claude", "codex", "")[number % 3])
    held = credits.reserve(db, ask, when)
    assert isinstance(held, credits.Held)
    cost = (number * 7919 % 97) * DOLLAR // 100
    credits.settle(db, held, Charge(provider, model, cost, 1200 + number * 31, 400 + number * 7, 300))
