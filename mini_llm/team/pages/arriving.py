"""What happens when somebody comes in: a session begins, an invitation is used up."""

from __future__ import annotations

from mini_llm.team import audit, invites, people, sessions
from mini_llm.team.accounts import Account
from mini_llm.team.errors import ForbiddenError
from mini_llm.team.pages.answers import Answer, go
from mini_llm.team.pages.visit import Visit
from mini_llm.team.sessions import Session
from mini_llm.team.store import Db

INVITE = "invite"  # the cookie with the invitation that this browser was shown


async def begun(visit: Visit, account: Account, place: str) -> Answer:
    """Begin a session of *account* and lead to *place*. A session that this browser had before ends.

    Who signed in to accept an invitation has accepted it: its page said so.
    """
    agent = visit.request.headers.get("user-agent", "")
    token = visit.cookie(INVITE) if place == "/invite" else ""

    def work(db: Db) -> str:
        if visit.session is not None:
            sessions.end(db, visit.session.account, visit.session.id)
        if token:
            join(db, token, account, visit)
        teams = people.memberships(db, account.id)
        if not teams:
            raise ForbiddenError("you are in no team here", hint="ask an admin for an invitation link")
        at = teams[-1] if token else teams[0]
        audit.note(db, at.team, at.id, "session.begin", account.email, visit.address, visit.now)
        return sessions.begin(db, account.id, at.team, visit.now, address=visit.address, agent=agent)

    begun = await visit.write(work)
    answer = visit.signed_in(begun, go("/dashboard?done=joined" if token else place))
    return answer.with_fields(visit.cookies.forgotten(INVITE)) if token else answer


def join(db: Db, token: str, account: Account, visit: Visit, session: Session | None = None) -> None:
    """Use up the invitation, and have *session* look at the team that was joined."""
    member = invites.accept(db, token, account, visit.now)
    audit.note(db, member.team, member.id, "member.join", member.id, visit.address, visit.now, role=member.role)
    if session is not None:
        sessions.look_at(db, session, member.team)
