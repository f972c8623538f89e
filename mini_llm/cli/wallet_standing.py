"""How the wallet stands, for `mini-llm status`: asked now, or as last known where it can't be asked."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mini_llm.cli import output, wallet_prices
from mini_llm.errors import AuthError, CredentialError, MiniLLMError, UpstreamError
from mini_llm.providers import WALLET

if TYPE_CHECKING:
    from mini_llm.providers import Provider
    from mini_llm.runtime import Runtime
    from mini_llm.wallet.account import Account
    from mini_llm.wallet.logins import Login

SECONDS = 2.0
LOGIN = "mini-llm login"
Problems = list[dict[str, str]]


def standing(runtime: Runtime, problems: Problems) -> dict[str, Any] | None:
    """Return what is known of the wallet as plain JSON values, None if there is none; add what is wrong with it."""
    settings = runtime.loaded.config.wallet
    provider = runtime.registry.wallet()
    if provider is None:
        if settings is None or settings.type == "none":
            return None
        return {"type": settings.type, "endpoint": settings.endpoint, "connected": False}
    from mini_llm.wallet.addresses import host_of, label_of  # asks over the network: only where there is a wallet

    reference = runtime.registry.key_reference(provider)
    login, others = _logins(runtime, reference, problems)
    host = label_of(login.issuer) if login else host_of(provider.base_url).removeprefix("api.")
    told = {
        "type": WALLET,
        "endpoint": provider.base_url,
        "service": host,
        "connected": False,
        "refused": False,
        "key_from": runtime.credentials.describe(reference),
        "as_of": None,
        "dashboard": login.dashboard if login else "",
        "logins": others,
    }
    return told | _asked(runtime, provider, reference, host, problems)


def _asked(runtime: Runtime, provider: Provider, reference: str, host: str, problems: Problems) -> dict[str, Any]:
    """Return the account as its service tells it now, else as it was last known."""
    import asyncio  # only where there is a wallet to ask

    from mini_llm.wallet.lastly import Lastly

    lastly = Lastly(runtime.loaded.paths.cache)
    try:
        account = asyncio.run(_account(runtime, provider, reference))
    except (AuthError, CredentialError) as error:
        problems.append({"what": error.message, "mend": LOGIN})
        return {"refused": True}
    except MiniLLMError as error:
        why = error.hint if isinstance(error, UpstreamError) else ""
        problems.append({"what": f"the wallet can't be asked: {error.message}", "mend": why})
        seen = lastly.get(provider.base_url, reference)
        return {**seen.told, "as_of": seen.seen_at} if seen else {}
    now = time.time()
    lastly.keep(provider.base_url, reference, account, now)
    problems += _short(account, host)
    return {"connected": True, "as_of": now, **account.to_json()}


async def _account(runtime: Runtime, provider: Provider, reference: str) -> Account:
    """Ask for the account; the answer must be here within two seconds."""
    import asyncio

    from mini_llm.credentials import origin_of
    from mini_llm.wallet import account
    from mini_llm.wallet.service import Service

    credentials, origin = runtime.credentials, origin_of(provider.base_url)
    key = await asyncio.to_thread(credentials.find, reference, origin=origin)
    async with Service.open(runtime.environ, seconds=SECONDS) as service:
        try:
            prices = wallet_prices.freshen(runtime, service, provider.base_url, key)
            return (await asyncio.gather(account.fetch(service, provider.base_url, key), prices))[0]
        except AuthError:
            credentials.refresh(reference)
            again = await asyncio.to_thread(credentials.find, reference, origin=origin)
            if again.reveal(origin) == key.reveal(origin):
                raise
            return await account.fetch(service, provider.base_url, again)


def _short(account: Account, host: str) -> Problems:
    """Return what keeps a working wallet from paying."""
    found = []
    if account.balance is not None and account.balance <= 0:
        found.append({"what": f"no credits are left at {host}", "mend": f"top up: {account.top_up_url}"})
    budget = account.budget
    if budget and budget.limit is not None and budget.spent is not None and budget.spent >= budget.limit:
        until = f"it begins anew at {budget.resets_at}" if budget.resets_at else ""
        found.append({"what": f"the budget of your key at {host} is spent", "mend": until})
    return found


def _logins(runtime: Runtime, reference: str, problems: Problems) -> tuple[Login | None, list[dict[str, Any]]]:
    """Return the login in use, if it is one, and all that are kept, the one in use marked."""
    from mini_llm.wallet.addresses import label_of
    from mini_llm.wallet.logins import Logins

    try:
        found = Logins(runtime.loaded.paths.home).all().values()
    except MiniLLMError as error:
        problems.append({"what": error.message, "mend": error.hint})
        return None, []
    active = next((login for login in found if reference in (login.reference, login.key)), None)
    rows = [
        {"account": login.label, "id": login.account, "service": label_of(login.issuer), "active": login is active}
        for login in found
    ]
    return active, rows


def lines(wallet: dict[str, Any] | None) -> str:
    """Return the same for people."""
    if wallet is None:
        return "no wallet; your own providers are used"
    if "service" not in wallet:
        return "your own providers, listed in it" if wallet["type"] == "custom" else "not signed in; `mini-llm login`"
    told = [_headline(wallet), _standing(wallet), _means(wallet)]
    told += [f"also {one['account']} ({one['service']})" for one in wallet["logins"] if not one["active"]]
    return "\n".join(line for line in told if line)


def _headline(wallet: dict[str, Any]) -> str:
    account = wallet.get("account") or {}
    who = account.get("email") or account.get("name") or account.get("id") or ""
    who = f" as {who}" if who else ""
    if wallet["connected"]:
        return f"Connected to {wallet['service']}{who}"
    if wallet["refused"]:
        return f"signed out of {wallet['service']}; `{LOGIN}`"
    since = ""
    if wallet["as_of"] is not None:
        with suppress(ValueError, OverflowError, OSError):
            since = time.strftime("; this was known at %Y-%m-%d %H:%M", time.localtime(wallet["as_of"]))
    return f"can't reach {wallet['service']}{who}{since}"


def _standing(wallet: dict[str, Any]) -> str:
    """Return the money, each part only if it is known."""
    from mini_llm.pricing import dollars

    credits, usage, budget = wallet.get("credits") or {}, wallet.get("usage") or {}, wallet.get("budget") or {}
    parts = []
    if credits.get("balance_nanos") is not None:
        low = f", running low: {credits['top_up_url']}" if credits.get("low") else ""
        parts.append(f"credits {dollars(credits['balance_nanos'])}{low}")
    if usage.get("today_nanos") is not None:
        count = usage.get("requests_today")
        asked = f" in {output.count(count, 'request')}" if count else ""
        parts.append(f"today {dollars(usage['today_nanos'])}{asked}")
    if budget.get("limit_nanos") is not None:
        spent, limit = dollars(budget.get("spent_nanos")), dollars(budget["limit_nanos"])
        parts.append(f"budget {spent} of {limit} a {budget['period'] or 'period'}")
    return " · ".join(parts)


def _means(wallet: dict[str, Any]) -> str:
    """Return plan, team and where the key lies."""
    parts = [f"plan {wallet['plan']}"] if wallet.get("plan") else []
    if team := wallet.get("team"):
        parts.append(f"team {team['name']}" + (f" ({team['role']})" if team.get("role") else ""))
    means = " · ".join(parts)
    return f"{means}\nkey from {wallet['key_from']}".strip()
