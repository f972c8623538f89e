"""What the pages say in more than one place: their names, what was done, and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping

_MINE = (
    ("/dashboard", "Overview"),
    ("/keys", "Keys"),
    ("/usage", "Usage"),
    ("/budgets", "Budgets"),
    ("/credits", "Credits"),
)
PLACES = (_MINE, (*_MINE, ("/members", "Members"), ("/audit", "Audit")))  # for members, and for admins

# What a page says after an act, by a word in its address: nothing else can be put there.
DONE: Mapping[str, str] = {
    "signed-out": "You are signed out.",
    "welcome": "Welcome. Your account is ready.",
    "joined": "You have joined the team.",
    "switched": "You are looking at another team now.",
    "revoked": "The key is revoked. Programs that use it are refused within a few seconds.",
    "role": "The role is changed.",
    "models": "The models are set.",
    "removed": "The member is removed, and their keys are revoked.",
    "withdrawn": "The invitation is withdrawn.",
    "budget": "The budget is set.",
    "no-budget": "The budget is taken away.",
    "topped-up": "The credits are added.",
    "password": "Your password is changed. Your other browsers are signed out.",
    "session-ended": "That browser is signed out.",
    "sessions-ended": "Your other browsers are signed out.",
}

# The acts that the audit tells of.
ACTS: Mapping[str, str] = {
    "account.password": "Changed the password",
    "budget.remove": "Took a budget away",
    "budget.set": "Set a budget",
    "device.approve": "Connected a device",
    "device.deny": "Refused a device",
    "invite.make": "Invited somebody",
    "invite.withdraw": "Withdrew an invitation",
    "key.mint": "Made a key",
    "key.revoke": "Revoked a key",
    "member.join": "Joined the team",
    "member.remove": "Removed a member",
    "member.role": "Changed a role",
    "session.begin": "Signed in",
    "session.end": "Signed out a browser",
    "session.end_all": "Signed out all other browsers",
    "team.create": "Made the team",
    "credits.add": "Added credits",
    "member.models": "Changed which models a member may use",
    "team.terms": "Changed the team's terms",
}

HEADINGS: Mapping[int, str] = {
    400: "This was not understood",
    403: "You may not do this",
    404: "There is nothing here",
    405: "This does not go here",
    409: "This can't be done now",
    413: "This is too large",
    415: "This was not understood",
    429: "Too many tries",
    502: "The company's sign-in did not work",
    503: "Not available just now",
    500: "Something went wrong",
}


def sentence(text: str) -> str:
    """Return an error's words as a sentence: elsewhere they begin small and end without a stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
