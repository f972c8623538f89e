"""What admins do: members, invitations, roles, budgets, and the audit that tells of it all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mini_llm.team import audit, budgets, invites, keys, people
from mini_llm.team.budgets import Standing
from mini_llm.team.errors import MissingError
from mini_llm.team.pages import granting
from mini_llm.team.pages.answers import Answer, go
from mini_llm.team.pages.visit import Visit
from mini_llm.team.pages.words import ACTS
from mini_llm.team.rights import Allowance
from mini_llm.team.roles import RANK, Member, Role
from mini_llm.team.store import Db

ROLES: tuple[tuple[Role, str], ...] = (("member", "Member"), ("admin", "Admin"), ("owner", "Owner"))
KINDS: Mapping[str, str] = {"inv": "An invitation", "grant": "A device", "mem": "A former member", "key": "A key"}
SECONDS_A_DAY = 86400
ROWS = 50


class Budget(NamedTuple):
    """A budget as its row shows it. `settable`: by this page, and by who looks."""

    scope: str
    name: str
    limit: int
    period: str
    spent: int
    left: int
    resets_at: float | None
    settable: bool


class Act(NamedTuple):
    """A row of the audit, with names where ids are known."""

    time: float
    who: str
    what: str
    about: str
    detail: str
    address: str


async def members(visit: Visit) -> Answer:
    """Show who is in the team, and the open invitations."""
    return await _members(visit)


async def invited(visit: Visit) -> Answer:
    """Make an invitation and show its link, this once."""
    form, me, now = visit.form, visit.me, visit.now
    role, email = _role(visit), form.email("email")
    if form.problems:
        return await _members(visit, 422)

    def work(db: Db) -> tuple[invites.Invite, str]:
        invite, token = invites.invite(db, me, role, email or None, now)
        _note(db, visit, "invite.make", invite.id, role=role, email=email)
        return invite, token

    invite, token = await visit.write(work)
    return visit.page("invited.html", invite=invite, link=f"{visit.origin}/invite?token={token}")


async def withdrawn(visit: Visit) -> Answer:
    """Take an invitation back."""
    id = visit.form.raw("invite")

    def work(db: Db) -> None:
        if not invites.withdraw(db, visit.me, id, visit.now):
            raise MissingError("there is no such invitation any more")
        _note(db, visit, "invite.withdraw", id)

    await visit.write(work)
    return go("/members?done=withdrawn")


async def role_set(visit: Visit) -> Answer:
    """Give a member another role."""
    id, role = visit.form.raw("member"), _role(visit)
    if visit.form.problems:
        return await _members(visit, 422)

    def work(db: Db) -> None:
        member = people.set_role(db, visit.me, id, role)
        _note(db, visit, "member.role", id, role=role, email=member.email)

    await visit.write(work)
    return go("/members?done=role")


async def models_shown(visit: Visit) -> Answer:
    """Show which models a member may use, to change them."""
    return await _models(visit, visit.query.get("member", ""))


async def models_set(visit: Visit) -> Answer:
    """Say which models a member may use."""
    id, models = visit.form.raw("member"), visit.form.names("models") or None
    if visit.form.problems:
        return await _models(visit, id, 422)

    def work(db: Db) -> None:
        member = people.set_models(db, visit.me, id, models)
        _note(db, visit, "member.models", id, models=", ".join(models or ("all",)), email=member.email)

    await visit.write(work)
    return go("/members?done=models")


async def asked_to_remove(visit: Visit) -> Answer:
    """Ask whether to remove a member."""
    id = visit.query.get("member", "")
    member = await visit.read(lambda db: people.managed(db, visit.me, id))
    return visit.page("remove.html", member=member, here="/members")


async def removed(visit: Visit) -> Answer:
    """Remove a member, and their keys with them."""
    id = visit.form.raw("member")

    def work(db: Db) -> None:
        people.managed(db, visit.me, id)
        member = people.remove(db, visit.me, id, visit.now)
        _note(db, visit, "member.remove", id, email=member.email)

    await visit.write(work)
    return go("/members?done=removed" if id != visit.me.id else "/signin")


async def limits(visit: Visit) -> Answer:
    """Show the budgets: all of them to admins, to others those that hold for them."""
    return await _budgets(visit)


async def limited(visit: Visit) -> Answer:
    """Set the budget of the team or of a member."""
    form, me = visit.form, visit.me
    amount, period, scope = form.money("amount", needed="how much?"), granting.period_of(form), form.raw("scope")
    if form.problems or amount is None:
        return await _budgets(visit, 422)
    return await _set(visit, scope or me.team, Allowance(amount, period))


async def unlimited(visit: Visit) -> Answer:
    """Take the budget of the team or of a member away."""
    return await _set(visit, visit.form.raw("scope"), None)


async def audited(visit: Visit) -> Answer:
    """Show who did what."""
    before = visit.query.get("before", "")
    last = int(before) if before.isdecimal() and len(before) < 16 else None
    search = visit.query.get("search", "")[:100]
    found, names = await visit.read(
        lambda db: (audit.rows(db, visit.me, search=search, before=last, most=ROWS + 1), _names(db, visit.me))
    )
    rows = [
        Act(
            row.time,
            names.get(row.who, row.who),
            ACTS.get(row.what, row.what),
            _about(row.about, names),
            _told(row.detail),
            row.address,
        )
        for row in found[:ROWS]
    ]
    older = found[ROWS - 1].id if len(found) > ROWS else None
    return visit.page("audit.html", rows=rows, older=older, newest=last is None, search=search)


async def _models(visit: Visit, id: str, status: int = 200) -> Answer:
    member = await visit.read(lambda db: people.managed(db, visit.me, id))
    told = ", ".join(member.models or ())
    return visit.page("member_models.html", status, member=member, models=told, here="/members")


async def _members(visit: Visit, status: int = 200) -> Answer:
    me, now = visit.me, visit.now
    found, open_invites = await visit.read(lambda db: (people.members(db, me.team), invites.list_of(db, me, now)))
    managed = {member.id for member in found if RANK[member.role] <= RANK[me.role] and member.id != me.id}
    return visit.page(
        "members.html", status, members=found, managed=managed, invites=open_invites, roles=_roles_of(me),
        days=int(invites.LASTS_SECONDS // SECONDS_A_DAY),
    )  # fmt: skip


async def _budgets(visit: Visit, status: int = 200) -> Answer:
    me, now = visit.me, visit.now

    def work(db: Db) -> tuple[list[Standing], dict[str, str], list[Member]]:
        names = _names(db, me)
        if me.is_admin:
            return budgets.standings(db, me.team, now), names, people.members(db, me.team)
        mine = (me.team, me.id, *(key.id for key in keys.list_of(db, me)))
        return [each for scope in mine if (each := budgets.standing(db, me.team, scope, now))], names, []

    found, names, others = await visit.read(work)
    managed = {me.team, *(each.id for each in others if RANK[each.role] <= RANK[me.role])} if me.is_admin else set()
    rows = [_row(each, names, managed) for each in found if each.scope in names]
    scopes = [
        (me.team, "The whole team"),
        *((each.id, _called(each)) for each in others if each.id in managed),
    ]
    return visit.page("budgets.html", status, budgets=rows, scopes=scopes, periods=granting.PERIODS)


async def _set(visit: Visit, scope: str, allowance: Allowance | None) -> Answer:
    me, now = visit.me, visit.now

    def work(db: Db) -> None:
        budgets.set(db, me, scope, allowance, now)
        _note(db, visit, "budget.set" if allowance else "budget.remove", scope, budget=granting.budget_told(allowance))

    await visit.write(work)
    return go("/budgets?done=budget" if allowance else "/budgets?done=no-budget")


def _row(standing: Standing, names: Mapping[str, str], managed: set[str]) -> Budget:
    told = (standing.limit, granting.EACH[standing.period], standing.spent, standing.left, standing.resets_at)
    return Budget(standing.scope, names[standing.scope], *told, standing.scope in managed)


def _names(db: Db, me: Member) -> dict[str, str]:
    """Return what people call the team, its members and its keys: as far as *me* may know them."""
    names = {me.team: "The whole team", me.id: _called(me)}
    if me.is_admin:
        names |= {each.id: _called(each) for each in people.members(db, me.team)}
        names |= {"operator": "Operator of the server", "server": "The server"}
    return names | {key.id: f"Key “{key.name}”" for key in keys.list_of(db, me, revoked=True)}


def _role(visit: Visit) -> Role:
    """Return the role that was chosen, of those that the visitor may give."""
    chosen = visit.form.choice("role", dict(_roles_of(visit.me)))
    return next((role for role, _ in ROLES if role == chosen), "member")


def _roles_of(me: Member) -> tuple[tuple[Role, str], ...]:
    return tuple((role, name) for role, name in ROLES if RANK[role] <= RANK[me.role])


def _called(member: Member) -> str:
    """Return a name that tells members apart."""
    return member.email if member.name == member.email else f"{member.name} ({member.email})"


def _about(about: str, names: Mapping[str, str]) -> str:
    """Return what an act was about, in words where it is an id of something that has no name."""
    return names.get(about) or KINDS.get(about.partition("_")[0], about)


def _told(detail: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in detail.items() if value)


def _note(db: Db, visit: Visit, what: str, about: str, **detail: str) -> None:
    audit.note(db, visit.me.team, visit.me.id, what, about, visit.address, visit.now, **detail)
