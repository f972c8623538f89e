"""From tokens to a login that is kept: whose are they, where do they lie, what does the config say."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from mini_llm.config import Loaded, origin_of
from mini_llm.credentials import Credentials, Secret, Stored
from mini_llm.errors import ConfigError, DeadlineError, MiniLLMError, NetworkError, ServerError
from mini_llm.providers import WALLET
from mini_llm.wallet import account as accounts
from mini_llm.wallet.account import Account
from mini_llm.wallet.discovery import Endpoints
from mini_llm.wallet.lastly import Lastly
from mini_llm.wallet.logins import Login, Logins, name_of
from mini_llm.wallet.renewal import renewing, times
from mini_llm.wallet.service import Service
from mini_llm.wallet.tokens import Tokens

PAUSES = (1.0, 3.0)  # before the account is asked for again


class Storage(NamedTuple):
    """Where a key may be kept."""

    insecure: bool = False
    require_keyring: bool = False


class Joined(NamedTuple):
    """A login that is kept. `before` are the tokens it took the place of; `again`: the same account was signed in."""

    login: Login
    account: Account
    stored: Stored
    again: bool
    before: Tokens | None


async def verify(
    service: Service, endpoints: Endpoints, tokens: Tokens, *, sleep: Callable[[float], Awaitable[None]]
) -> Account:
    """Return whose tokens they are; asks again while the service can't be reached. Nothing is kept yet."""
    key = Secret(tokens.access, origin=origin_of(endpoints.api), reference="the new key")
    for pause in PAUSES:
        try:
            return await accounts.fetch(service, endpoints.api, key)
        except (NetworkError, DeadlineError, ServerError):
            await sleep(pause)
    return await accounts.fetch(service, endpoints.api, key)


def check(loaded: Loaded) -> None:
    """Raise ConfigError if the config can't take a login, before anybody has gone to a browser for it."""
    wallet = loaded.config.wallet
    if wallet is not None and wallet.type == "custom" and written(loaded).get("providers"):
        raise ConfigError(
            "the config's wallet lists providers of your own, so it can't also be a service's",
            hint="move `wallet.providers` to `providers` first: mini-llm config edit",
        )


def join(
    loaded: Loaded,
    credentials: Credentials,
    endpoints: Endpoints,
    tokens: Tokens,
    account: Account,
    *,
    storage: Storage,
    by_device: bool,
    default: str = "",
    now: Callable[[], float] = time.time,
) -> Joined:
    """Keep the key, then the record, then the config; what was there before stays until then. Waits for nothing.

    *default* is the model to use when none is named, "" to leave that as it is.
    """
    logins = Logins(loaded.paths.home)
    name = name_of(endpoints.issuer, account.id)
    old = logins.get(name)
    before = held(credentials, old) if old else None
    stored, refresh = _keep(credentials, name, endpoints, tokens, storage)
    if old and old.refresh and not refresh:
        credentials.forget(old.refresh)
    expires_at, renew_at = times(tokens, now())
    login = Login(
        name,
        endpoints.issuer,
        endpoints.api,
        endpoints.token,
        endpoints.revocation,
        endpoints.dashboard,
        account.id,
        account.label,
        now(),
        stored.reference,
        refresh,
        expires_at,
        renew_at if refresh else 0.0,
        by_device,
        default=default or (old.default if old else ""),
    )
    logins.put(login)
    activate(loaded, login, features=_features(loaded, account), default=default)
    Lastly(loaded.paths.cache).keep(login.api, login.reference, account, now())
    replaced = before if before and old and old.by_device and before.access != tokens.access else None
    return Joined(login, account, stored, old is not None, replaced)


def _keep(
    credentials: Credentials, name: str, endpoints: Endpoints, tokens: Tokens, storage: Storage
) -> tuple[Stored, str]:
    """Store the tokens, what renews them first; return where the key lies, and the reference of what renews it."""
    options: dict[str, Any] = {"insecure": storage.insecure, "require_keyring": storage.require_keyring}
    refresh = ""
    if tokens.refresh:
        origin = origin_of(endpoints.token)
        refresh = credentials.store(renewing(name), tokens.refresh, origin=origin, **options).reference
    return credentials.store(name, tokens.access, origin=origin_of(endpoints.api), **options), refresh


def activate(loaded: Loaded, login: Login, *, features: Mapping[str, bool] | None = None, default: str = "") -> None:
    """Write into the config that this login is the wallet."""
    from mini_llm.config import change_values  # the editor, which a chat does not need

    values: dict[tuple[str, ...], object] = {
        ("wallet", "type"): WALLET,
        ("wallet", "apiKey"): login.reference,
        ("wallet", "endpoint"): login.api,
    }
    if features:
        values["wallet", "features"] = dict(features)
    if default:
        values["default",] = default
    change_values(loaded.paths, values)


def point_to(loaded: Loaded, api: str) -> None:
    """Write into the config whose wallet it is, where the key comes from the environment."""
    from mini_llm.config import change_values  # the editor, which a chat does not need

    change_values(loaded.paths, {("wallet", "type"): WALLET, ("wallet", "endpoint"): api})


def held(credentials: Credentials, login: Login) -> Tokens | None:
    """Return the tokens of a login as they are kept, None if they can't be read."""
    with suppress(MiniLLMError):
        origin, place = origin_of(login.api), origin_of(login.token)
        access = credentials.find(login.key, origin=origin).reveal(origin)
        refresh = credentials.find(login.refresh, origin=place).reveal(place) if login.refresh else ""
        return Tokens(access, refresh)
    return None


def written(loaded: Loaded) -> Mapping[str, Any]:
    """Return what the user's own file says of the wallet."""
    found = loaded.layers[0].values.get("wallet")
    return found if isinstance(found, Mapping) else {}


def _features(loaded: Loaded, account: Account) -> dict[str, bool]:
    """Return what the wallet may do, where the user has not said so: as the account has it.

    That it may pay for what own keys were to serve is for the user alone to say.
    """
    if written(loaded).get("features"):
        return {}
    told = dict.fromkeys(accounts.FEATURES, True) | dict(account.features)
    return {name: on for name, on in told.items() if name != "fallback" or not on}
