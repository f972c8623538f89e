"""Accounts: people who can sign in, by a password or by somebody who vouches for them."""

from __future__ import annotations

from typing import Any, NamedTuple

from mini_llm.team import entered, ids, passwords
from mini_llm.team.errors import ConflictError, InvalidError
from mini_llm.team.store import Db

ACCOUNT = "SELECT id, email, name, created_at, password IS NOT NULL FROM account WHERE id = ?"
ACCOUNT_OF = "SELECT id, email, name, created_at, password IS NOT NULL FROM account WHERE email = ?"
PASSWORD = "SELECT id, password FROM account WHERE email = ?"  # noqa: S105  # a statement
SET_PASSWORD = "UPDATE account SET password = ? WHERE id = ?"  # noqa: S105  # a statement
ADD_ACCOUNT = "INSERT INTO account (id, email, name, password, created_at) VALUES (?, ?, ?, ?, ?)"
IDENTITY = "SELECT account FROM identity WHERE issuer = ? AND subject = ?"
ADD_IDENTITY = "INSERT INTO identity (issuer, subject, account, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"


class Account(NamedTuple):
    """A person who can sign in."""

    id: str
    email: str
    name: str
    created_at: float
    has_password: bool


def create(
    db: Db,
    email: str,
    name: str,
    now: float,
    *,
    password_hash: str | None = None,
    identity: tuple[str, str] | None = None,
) -> Account:
    """Make an account that signs in by a password (from `passwords.hashed`, made before) or by (issuer, subject).

    ConflictError if somebody has this address, or the identity is another account's.
    """
    if (password_hash is None) == (identity is None):
        raise InvalidError("an account has a password, or somebody who vouches for it")
    address = entered.email(email)
    if db.row(ACCOUNT_OF, (address,)):
        raise ConflictError(f"there is an account for {address} already", hint="sign in instead")
    made = Account(ids.new("acc"), address, entered.name(name or address, "a person"), now, password_hash is not None)
    db.execute(ADD_ACCOUNT, (made.id, address, made.name, password_hash, now))
    if identity is not None:
        link(db, made.id, *identity, now)
    return made


def find(db: Db, id: str) -> Account | None:
    """Return the account of that id."""
    return _account(db.row(ACCOUNT, (id,)))


def by_email(db: Db, email: str) -> Account | None:
    """Return the account with that address."""
    return _account(db.row(ACCOUNT_OF, (entered.folded(email),)))


def password_of(db: Db, email: str) -> str | None:
    """Return what `passwords.matches` compares with; None for an unknown address, too."""
    found = db.row(PASSWORD, (entered.folded(email),))
    return found[1] if found else None


def sign_in(db: Db, email: str, password: str) -> Account | None:
    """Return the account that has this password. Takes a tenth of a second by intent: call it in `store.read`."""
    found = db.row(PASSWORD, (entered.folded(email),))
    right = passwords.matches(found[1] if found else None, password)
    return find(db, found[0]) if found and right else None


def set_password(db: Db, account: str, password_hash: str) -> None:
    """Give the account a new password (from `passwords.hashed`). The caller ends its other sessions."""
    db.execute(SET_PASSWORD, (password_hash, account))


def by_identity(db: Db, issuer: str, subject: str) -> Account | None:
    """Return the account that this issuer vouches for."""
    found = db.row(IDENTITY, (issuer, subject))
    return find(db, found[0]) if found else None


def link(db: Db, account: str, issuer: str, subject: str, now: float) -> None:
    """Let an account sign in by this identity too. ConflictError if it is another account's."""
    db.execute(ADD_IDENTITY, (issuer, subject, account, now))
    if db.row(IDENTITY, (issuer, subject))[0] != account:
        raise ConflictError("this identity belongs to another account")


def _account(row: Any) -> Account | None:
    return None if row is None else Account(row[0], row[1], row[2], row[3], bool(row[4]))
