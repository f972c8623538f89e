"""The logins of this home, by service and account: `wallets.json`. It holds no secret, only where each one is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from json import dumps, loads
from pathlib import Path
from typing import Any

from mini_llm.config import files
from mini_llm.errors import ConfigError, UsageError
from mini_llm.providers import WALLET
from mini_llm.wallet import addresses
from mini_llm.wallet.discovery import Endpoints

FILE = "wallets.json"
REFERENCE = "wallet:"


@dataclass(frozen=True, slots=True)
class Login:
    """One login. `key` and `refresh` are references to secrets, `refresh` is "" where the key holds until revoked.

    `expires_at` and `renew_at` are Unix times, 0 for never. `over`: the service renews it no more. `default` is
    the model that the login made the default, "" for none.
    """

    name: str
    issuer: str
    api: str
    token: str
    revocation: str
    dashboard: str
    account: str
    label: str
    since: float
    key: str
    refresh: str = ""
    expires_at: float = 0.0
    renew_at: float = 0.0
    by_device: bool = True
    over: bool = False
    default: str = ""

    @property
    def reference(self) -> str:
        """What the config says of its key: where that is, or that it is renewed."""
        return f"{REFERENCE}{self.name}" if self.refresh else self.key

    @property
    def endpoints(self) -> Endpoints:
        """Where its service wants to be asked."""
        return Endpoints(self.issuer, "", self.token, self.revocation, self.api, self.dashboard)


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that was begun and is to be resumed. `code` is the reference to its device code."""

    endpoints: Endpoints
    code: str
    user_code: str
    uri: str
    complete: str
    interval: int
    expires_at: float


class Logins:
    """The record of one home folder."""

    def __init__(self, home: Path) -> None:
        self.file = home / FILE

    def all(self) -> dict[str, Login]:
        """Return every login by its name. Raises ConfigError if the file is damaged."""
        told = self._read().get("logins", {})
        try:
            return {name: Login(**{**_known(entry), "name": name}) for name, entry in told.items()}
        except (TypeError, AttributeError):
            raise self._damaged() from None

    def get(self, name: str) -> Login | None:
        """Return one login."""
        return self.all().get(name)

    def of(self, reference: str) -> Login | None:
        """Return the login whose key *reference* is."""
        return next((login for login in self.all().values() if reference in (login.reference, login.key)), None)

    def put(self, login: Login) -> None:
        """Keep a login in place of the one that had its name."""
        entry = {key: value for key, value in asdict(login).items() if key != "name"}
        self._change(lambda told: {**told, "logins": {**told.get("logins", {}), login.name: entry}})

    def drop(self, name: str) -> None:
        """Forget a login."""
        self._change(
            lambda told: {**told, "logins": {key: one for key, one in told.get("logins", {}).items() if key != name}}
        )

    def pending(self) -> Pending | None:
        """Return the login that was begun."""
        told = self._read().get("pending")
        if told is None:
            return None
        try:
            return Pending(**{**told, "endpoints": Endpoints(*told["endpoints"])})
        except (TypeError, KeyError):
            raise self._damaged() from None

    def begin(self, pending: Pending) -> None:
        """Keep a login that was begun."""
        entry = {one.name: getattr(pending, one.name) for one in fields(pending)}
        self._change(lambda told: {**told, "pending": entry})

    def end(self) -> None:
        """Forget the login that was begun."""
        if "pending" in self._read():
            self._change(lambda told: {key: value for key, value in told.items() if key != "pending"})

    def _change(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        with files.locked(self.file) as target:
            files.write(target, (dumps(change(self._read()), indent=2) + "\n").encode())

    def _read(self) -> dict[str, Any]:
        data = files.read(self.file)
        if data is None:
            return {}
        try:
            told = loads(files.decode(data, self.file))
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict) or not isinstance(told.get("logins", {}), dict):
            raise self._damaged()
        return told

    def _damaged(self) -> ConfigError:
        return ConfigError(f"{self.file} is damaged", hint="move it away, then run `mini-llm login`")


def _known(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this version knows of an entry: a newer one may have written more."""
    return {one.name: entry[one.name] for one in fields(Login) if one.name in entry}


def name_of(issuer: str, account: str) -> str:
    """Return the name of a login: the same for the same account of the same service, and for no other."""
    return "/".join((WALLET, _word(addresses.label_of(issuer)), _word(account)))


def named(found: Mapping[str, Login], account: str) -> Login:
    """Return the login that people call *account*: by its e-mail, its id or its service. Raises UsageError."""
    fits = [
        login
        for login in found.values()
        if account in (login.label, login.account, login.name, addresses.label_of(login.issuer), login.issuer)
    ]
    if len(fits) == 1:
        return fits[0]
    names = ", ".join(f"{login.label} ({addresses.label_of(login.issuer)})" for login in found.values())
    what = f"more than one login is called {account}" if fits else f"no login is called {account}"
    raise UsageError(what, hint=f"there are: {names}; an id works too" if names else "mini-llm login")


def _word(text: str) -> str:
    """Return *text* as a part of a name; one that does not fit is shortened, and told apart by its hash."""
    word = re.sub(r"[^A-Za-z0-9._:@+-]", "-", text)[:50]
    if word == text:
        return word
    from hashlib import sha256  # few names need it

    return f"{word[:33]}-{sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"
