"""Out of a login again: made worthless at the service first, then forgotten here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from mini_llm.config import Loaded
from mini_llm.credentials import Credentials
from mini_llm.errors import CredentialError, DeadlineError
from mini_llm.wallet import tokens
from mini_llm.wallet.joining import written
from mini_llm.wallet.lastly import Lastly
from mini_llm.wallet.logins import Login, Logins
from mini_llm.wallet.models import FILE as MODELS
from mini_llm.wallet.service import Service
from mini_llm.wallet.tokens import Tokens

SECONDS = 3.0


async def revoke(environ: Mapping[str, str], login: Login, held: Tokens, *, seconds: float = SECONDS) -> None:
    """Make a login's tokens worthless at its service. Raises MiniLLMError if that is not certain."""
    if not login.revocation:
        raise CredentialError("the service offers no way to revoke a key")
    try:
        async with asyncio.timeout(seconds), Service.open(environ, seconds=seconds) as service:
            await tokens.revoke_all(service, login.endpoints, held)
    except TimeoutError:
        raise DeadlineError(f"no answer within {seconds:g} s", phase="total") from None


def forget(loaded: Loaded, credentials: Credentials, login: Login) -> None:
    """Forget a login here: its secrets, its record, and what the config says of it."""
    for reference in (login.key, login.refresh):
        if reference:
            credentials.forget(reference)
    Logins(loaded.paths.home).drop(login.name)
    wallet = loaded.config.wallet
    if wallet is not None and wallet.api_key in (login.reference, login.key):
        deactivate(loaded, login)
        Lastly(loaded.paths.cache).forget()
        (loaded.paths.cache / MODELS).unlink(missing_ok=True)


def deactivate(loaded: Loaded, login: Login) -> None:
    """Take out of the config what a login wrote there. What the user wrote stays: features of their own, a comment."""
    from mini_llm.config import change_values, remove_value  # the editor, which a chat does not need

    if login.default and loaded.config.default == login.default:
        remove_value(loaded.paths, "default")
    told = written(loaded)
    chosen = not all(told.get("features", {}).values()) or _has_comment(loaded.paths.config)
    if chosen or not set(told) <= {"type", "apiKey", "endpoint", "features"}:
        change_values(loaded.paths, {("wallet", "apiKey"): None, ("wallet", "endpoint"): None})
    else:
        remove_value(loaded.paths, "wallet")


def _has_comment(config: Path) -> bool:
    """Tell whether somebody wrote a comment between the wallet's settings."""
    from mini_llm.config import files, jsonc
    from mini_llm.config.edits import COMMENT

    text = files.decode(files.read(config) or b"{}", config)
    wallet = (jsonc.parse(text).members or {}).get("wallet")
    return wallet is not None and any(
        found[1] for found in COMMENT.finditer(text, wallet.value.start, wallet.value.end)
    )
