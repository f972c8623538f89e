"""What a wallet's token endpoint answers, how a token is renewed, and how it is made worthless."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mini_llm.errors import CredentialError, ProtocolError, ServerError
from mini_llm.wallet.discovery import Endpoints
from mini_llm.wallet.service import LOGIN, Answer, Service

CLIENT = "mini-llm-cli"
LONGEST_LIFE = 10 * 366 * 86_400
_TOKEN = re.compile(r"[!-~]{8,1000}")
_WORDS = re.compile(r"[^ -~]+")


class LoginError(CredentialError):
    """Nobody is signed in: the login did not come about, or is over."""

    code = "login_failed"


class SignedOutError(LoginError):
    """The service takes the login no more; only a new one helps."""

    code = "signed_out"


@dataclass(frozen=True, slots=True)
class Tokens:
    """An access token, which is the API key; with `refresh` it is renewed before `expires_in` seconds are over."""

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    expires_in: int | None = None


def read(answer: Answer) -> Tokens:
    """Return the tokens of a successful answer. Raises ProtocolError for anything else in their place."""
    found = answer.object()
    access, refresh = found.get("access_token"), found.get("refresh_token") or ""
    if not isinstance(access, str) or not _TOKEN.fullmatch(access):
        raise ProtocolError(f"{answer.host} sent no access token that can be used")
    if not isinstance(refresh, str) or (refresh and not _TOKEN.fullmatch(refresh)):
        raise ProtocolError(f"{answer.host} sent a refresh token that cannot be used")
    if str(found.get("token_type", "")).lower() != "bearer":
        raise ProtocolError(f"{answer.host} sent a kind of token that is not known here")
    life = found.get("expires_in")
    if life is not None and (isinstance(life, bool) or not isinstance(life, int) or not 0 < life <= LONGEST_LIFE):
        raise ProtocolError(f"{answer.host} sent a token whose life cannot be read")
    return Tokens(access, refresh, life)


def refusal(answer: Answer) -> tuple[str, str]:
    """Return the `error` and what is said about it (RFC 6749 §5.2). Raises ProtocolError for what is no such answer."""
    found = answer.object()
    name = found.get("error")
    if not isinstance(name, str) or not name:
        raise ProtocolError(f"{answer.host} answered {answer.status} without saying why")
    about = found.get("error_description")
    told = about if isinstance(about, str) and about else name.replace("_", " ")
    return name, _WORDS.sub(" ", told)[:200].strip()


async def renew(service: Service, endpoint: str, refresh: str) -> Tokens:
    """Exchange a refresh token for new tokens. Raises SignedOutError where it is worth nothing any more."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": CLIENT}
    answer = await service.post(endpoint, form)
    if answer.status == 200:
        return read(answer)
    if answer.status == 429 or answer.status >= 500 or 300 <= answer.status < 400:
        answer.refuse()
    name, told = refusal(answer)
    if name == "invalid_grant":
        raise SignedOutError(f"the login at {answer.host} is over", hint=LOGIN)
    raise LoginError(f"{answer.host} renews no token: {told}", hint=LOGIN)


async def revoke(service: Service, endpoint: str, token: str) -> None:
    """Make a token worthless (RFC 7009). Raises UpstreamError if that is not certain."""
    answer = await service.post(endpoint, {"token": token, "client_id": CLIENT})
    answer.refuse()
    if answer.status != 200:
        raise ServerError(f"{answer.host} answered {answer.status}")


async def revoke_all(service: Service, endpoints: Endpoints, tokens: Tokens) -> None:
    """Make what a login gave worthless: with a refresh token goes its whole family."""
    for token in (tokens.refresh, tokens.access):
        if token and endpoints.revocation:
            await revoke(service, endpoints.revocation, token)
