"""`mini-llm logout`: make the key worthless at the service, then forget it here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mini_llm.cli.flags import Flags, flags
from mini_llm.cli.frame import Command, new_app
from mini_llm.cli.help import examples
from mini_llm.errors import NetworkError, UsageError

if TYPE_CHECKING:
    from mini_llm.wallet.logins import Login, Logins

app = new_app()


class StillGoodError(NetworkError):
    """A key was forgotten here, but whoever has it can still use it."""

    code = "not_revoked"


@app.command(cls=Command, epilog=examples("logout", "logout b@example.com", "logout --all", "logout --local"))
def logout(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(metavar="[ACCOUNT]", help="Whose login; the one in use if left out")] = "",
    local: Annotated[bool, typer.Option("--local", help="Forget the key here only; do not ask the service")] = False,
    everyone: Annotated[bool, typer.Option("--all", help="End every login of this profile")] = False,
) -> None:
    """Sign out: the wallet's key is revoked at the service, then forgotten here. Your own providers stay."""
    from mini_llm.wallet import logins as record  # what asks over the network; `--help` does not

    known = flags(ctx)
    if account and everyone:
        raise UsageError("name an account or say --all")
    logins = record.Logins(known.paths().home)
    found = logins.all()
    ended = list(found.values()) if everyone else _chosen(known, found, account)
    left = [told for login in ended if (told := _end(known, login, local=local))]
    if everyone:
        _end_begun(known, logins)
    if not ended:
        _nobody(known)
    if left:
        raise StillGoodError("; ".join(left), hint=_where_to_revoke(ended))


def _chosen(known: Flags, found: dict[str, Login], account: str) -> list[Login]:
    """Return the login that is meant, none if there is none."""
    if account:
        from mini_llm.wallet.logins import named

        return [named(found, account)]
    wallet = known.load().config.wallet
    reference = wallet.api_key if wallet else ""
    active = [login for login in found.values() if reference in (login.reference, login.key)]
    return active or (list(found.values()) if len(found) == 1 else [])


def _end(known: Flags, login: Login, *, local: bool) -> str:
    """End one login; return what is left of it at its service, "" if nothing is."""
    import asyncio  # to ask the service

    from mini_llm.errors import MiniLLMError
    from mini_llm.wallet import joining, leaving
    from mini_llm.wallet.addresses import label_of

    credentials = known.credentials()
    who = f"{label_of(login.issuer)} ({login.label})"
    trouble = ""
    if not local:
        held = joining.held(credentials, login)
        try:
            if held is None:
                raise MiniLLMError("its key can't be read")
            asyncio.run(leaving.revoke(known.environ, login, held))
        except MiniLLMError as error:
            trouble = f"the key of {who} could not be revoked: {error.message}"
    leaving.forget(known.load(), credentials, login)
    known.loaded = None  # the config is another now
    how = "forgotten here" if local or trouble else "revoked and forgotten"
    known.say(f"Signed out of {who}: its key is {how}")
    if local:
        known.say(f"warning: the key is still good; revoke it at {login.dashboard or login.issuer}")
    return trouble


def _end_begun(known: Flags, logins: Logins) -> None:
    """Forget a login that was begun and not resumed."""
    begun = logins.pending()
    if begun is not None:
        known.credentials().forget(begun.code)
        logins.end()


def _nobody(known: Flags) -> None:
    """Say that nobody is signed in, and where a key comes from all the same."""
    from mini_llm.providers import WALLET, Registry

    loaded = known.load()
    registry = Registry(loaded.config, environ=known.environ, folder=None)
    wallet = registry.wallet()
    if wallet is None:
        known.say("nobody is signed in")
        return
    where = known.credentials().describe(registry.key_reference(registry.get(WALLET)))
    known.say(f"nobody is signed in; the wallet's key comes from {where}: take it out there")


def _where_to_revoke(ended: list[Login]) -> str:
    """Say where people can do what we could not."""
    pages = dict.fromkeys(login.dashboard or login.issuer for login in ended)
    return f"revoke it there: {' or '.join(pages)}"
