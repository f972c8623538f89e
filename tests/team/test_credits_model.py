"""credits: whatever happens in whatever order, the figures are those of a small model; the journal comes to zero."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mini_llm.ledger.windows import window_at, zone_named
from mini_llm.team import budgets, checking, credits, journal, keys
from mini_llm.team.credits import Ask, Charge, Held, Refused
from mini_llm.team.people import Operator
from mini_llm.team.rights import Allowance, Rights
from mini_llm.team.store import Db
from tests.team.founding import NOON, founded, newcomer, opened, written

UNIT = 300_000_001  # nano-dollars: nothing comes out round
UTC = zone_named("UTC")
PERIODS = ("daily", "weekly", "monthly", "total")
AMOUNTS = st.integers(0, 12).map(lambda units: units * UNIT)


class Open:
    """A reservation in the model."""

    def __init__(self, held: Held, store: int, ends: float, estimate: int) -> None:
        self.held, self.store, self.ends, self.estimate = held, store, ends, estimate


class Wallet(RuleBasedStateMachine):
    """Two servers on one file, a team with two members, and a model beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.file = self.folder / "team.db"
        self.now = NOON
        self.stores: list[Db] = [opened(self.file), opened(self.file)]
        office = founded(self.stores[0], "Acme", grant=20 * UNIT, discount_percent=10)
        other = newcomer(self.stores[0], office.team.id, "member", "other@acme.example")  # brings a grant, too
        self.team = office.team.id
        self.members = (office.owner.id, other.id)
        self.keys = (office.key.id, keys.mint(self.stores[0], other, "other", Rights(), other, NOON)[0].id)
        self.balance = 40 * UNIT
        self.limits: dict[str, Allowance] = {}
        self.open: dict[str, Open] = {}
        self.expired: dict[str, Open] = {}
        self.paid: dict[str, tuple[Held, int]] = {}  # request → what it was charged
        self.count = 0

    def teardown(self) -> None:
        for db in self.stores:
            db.close()
            db.sign.release()
        shutil.rmtree(self.folder)

    @rule(
        store=st.integers(0, 1),
        who=st.integers(0, 1),
        nanos=AMOUNTS,
        least=st.none() | AMOUNTS,
        lasts=st.integers(1, 99999),
    )
    def reserve(self, store: int, who: int, nanos: int, least: int | None, lasts: int) -> None:
        self.count += 1
        estimate = nanos // 2
        member = self.members[who]
        ask = Ask(self.team, member, self.keys[who], f"r{self.count}", nanos, lasts, least=least, estimate=estimate)
        outcome = written(self.stores[store], lambda db: credits.reserve(db, ask, self.now))
        left = [self.available(), *(self.left(scope) for scope in self.scopes(member, ask.key))]
        wanted, needed = less(nanos), less(min(nanos, least if least is not None else nanos))
        granted = min(wanted, *left) if wanted else min(0, *left[1:], 0)
        if granted < needed:
            assert isinstance(outcome, Refused)
            assert (outcome.reason == "credits") == (self.available() < needed and wanted > 0)
        else:
            assert isinstance(outcome, Held)
            assert outcome.nanos == granted
            assert less(outcome.covers) <= granted
            self.open[ask.request] = Open(outcome, store, self.now + lasts + 60, min(estimate, outcome.covers))
            again = written(self.stores[store], lambda db: credits.reserve(db, ask, self.now + 1))
            assert again == outcome._replace(available=0, left=0)  # which only the first is told

    @precondition(lambda self: self.open)
    @rule(store=st.integers(0, 1), cost=st.none() | AMOUNTS, data=st.data())
    def settle(self, store: int, cost: int | None, data: Any) -> None:
        request = data.draw(st.sampled_from(sorted(self.open)))
        promise = self.open.pop(request)
        charge = Charge("lab", "llama", cost, 10, 20, 5)
        paid = less(promise.held.covers if cost is None else cost)
        self.pay(promise.held, paid)
        for _ in range(2):
            settled = written(self.stores[store], lambda db: credits.settle(db, promise.held, charge))
            assert (settled.paid, settled.balance) == (paid, self.balance)

    @precondition(lambda self: self.expired)
    @rule(cost=AMOUNTS, data=st.data())
    def settle_late(self, cost: int, data: Any) -> None:
        request = data.draw(st.sampled_from(sorted(self.expired)))
        promise = self.expired.pop(request)
        charge = Charge("lab", "llama", cost, 10, 20, 5)
        settled = written(self.stores[0], lambda db: credits.settle(db, promise.held, charge))
        guessed = self.paid.pop(request)[1]
        self.balance += guessed
        self.pay(promise.held, less(cost))
        assert (settled.paid, settled.balance) == (less(cost), self.balance)

    @precondition(lambda self: self.open)
    @rule(store=st.integers(0, 1), data=st.data())
    def void(self, store: int, data: Any) -> None:
        promise = self.open.pop(data.draw(st.sampled_from(sorted(self.open))))
        for _ in range(2):
            written(self.stores[store], lambda db: credits.void(db, promise.held))

    @rule(store=st.integers(0, 1))
    def crash(self, store: int) -> None:
        """A server is killed in the middle of a transaction; the other finds what it left."""
        dying = self.stores[store]
        dying.execute("BEGIN IMMEDIATE")
        if self.open:
            credits.void(dying, next(iter(self.open.values())).held)
        dying.close()
        dying.sign.release()
        self.stores[store] = opened(self.file)
        left = [request for request, promise in self.open.items() if promise.store == store]
        self.expire(1 - store, left)

    @rule(store=st.integers(0, 1), hours=st.integers(1, 40))
    def move_clock(self, store: int, hours: int) -> None:
        self.now += hours * 3600.0
        self.expire(store, [request for request, promise in self.open.items() if promise.ends <= self.now])
        for request in [request for request, promise in self.expired.items() if promise.ends <= self.now - 86400]:
            del self.expired[request]  # nobody is believed so late

    @rule(scope=st.integers(0, 3), nanos=st.none() | AMOUNTS, period=st.sampled_from(PERIODS))
    def edit_limit(self, scope: int, nanos: int | None, period: Any) -> None:
        name = (self.team, *self.members, self.keys[1])[scope]
        allowance = None if nanos is None else Allowance(nanos, period)
        written(self.stores[0], lambda db: budgets.put(db, self.team, name, allowance, self.now))
        self.limits.pop(name, None)
        if allowance is not None:
            self.limits[name] = allowance

    @rule(nanos=st.integers(1, 5).map(lambda units: units * UNIT))
    def top_up(self, nanos: int) -> None:
        self.count += 1
        by, reference = Operator(self.team), f"payment-{self.count}"
        for added in (True, False):
            assert added == written(self.stores[1], lambda db: journal.top_up(db, by, nanos, reference, self.now))
        self.balance += nanos

    @invariant()
    def figures_agree(self) -> None:
        assert checking.problems(self.stores[0]) == []
        held = sum(promise.held.nanos for promise in self.open.values())
        assert journal.balance(self.stores[1], self.team) == (self.balance, held)
        for scope, allowance in self.limits.items():
            standing = budgets.standing(self.stores[1], self.team, scope, self.now)
            assert standing is not None
            assert (standing.limit, standing.left) == (allowance.nanos, self.left(scope))

    def expire(self, store: int, requests: list[str]) -> None:
        assert written(self.stores[store], lambda db: credits.sweep(db, self.now)) == len(requests)
        for request in requests:
            promise = self.open.pop(request)
            self.pay(promise.held, less(promise.estimate))
            self.expired[request] = promise

    def pay(self, held: Held, paid: int) -> None:
        self.balance -= paid
        self.paid[held.request] = (held, paid)

    def available(self) -> int:
        return self.balance - sum(promise.held.nanos for promise in self.open.values())

    def scopes(self, member: str, key: str) -> list[str]:
        return [scope for scope in (self.team, member, key) if scope in self.limits]

    def left(self, scope: str) -> int:
        """Return what the model says a budget has left: windows belong to the moment of the reservation."""
        allowance = self.limits[scope]
        starts = window_at(allowance.period, self.now, UTC).starts
        charged = [(held, paid) for held, paid in self.paid.values()]
        charged += [(promise.held, promise.held.nanos) for promise in self.open.values()]
        return allowance.nanos - sum(
            nanos for held, nanos in charged if held.begun >= starts and scope in (self.team, held.member, held.key)
        )


def less(nanos: int) -> int:
    """Return an amount less ten percent, rounded up."""
    return -(-nanos * 90 // 100)


TestWallet = Wallet.TestCase
TestWallet.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
