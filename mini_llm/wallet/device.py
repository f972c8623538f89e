"""Device authorization (RFC 8628): ask for a code, then ask whether somebody has said yes to it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mini_llm.errors import ProtocolError, TruncatedError, UpstreamError
from mini_llm.types import Json
from mini_llm.wallet import addresses, tokens
from mini_llm.wallet.discovery import DEVICE_GRANT, Endpoints
from mini_llm.wallet.service import LOGIN, Answer, Service
from mini_llm.wallet.tokens import CLIENT, LoginError, Tokens

SCOPE = "inference usage"
USUAL_INTERVAL = 5
LONGEST_INTERVAL = 60
LONGEST_LIFE = 1800
SLOWER = 5  # seconds that `slow_down` adds, for good (RFC 8628 §3.5)
# How much longer than asked we wait: clocks differ. As `gh` has it (cli/oauth, device_flow.go, 2025).
MARGIN, WIDE_MARGIN = 1.2, 1.4
LONGEST_PAUSE = 60.0
_USER_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{2,30}[A-Za-z0-9]")
_DEVICE_CODE = re.compile(r"[!-~]{8,600}")


class DeclinedError(LoginError):
    """Somebody said no in the browser."""

    code = "access_denied"


class ExpiredError(LoginError):
    """Nobody said yes in time."""

    code = "expired_token"


@dataclass(frozen=True, slots=True)
class Grant:
    """A code that waits for somebody's yes. `complete` is the address with the code in it, "" if there is none."""

    device_code: str = field(repr=False)
    user_code: str
    uri: str
    complete: str
    expires_in: int
    interval: int


class Event(NamedTuple):
    """How the waiting goes; `why` says what is wrong while the service can't be reached."""

    state: Literal["waiting", "slow_down", "unreachable"]
    why: str = ""


class Pace:
    """How long to wait before each poll."""

    def __init__(self, interval: int) -> None:
        self.interval = interval
        self._margin = MARGIN
        self._lost = 0
        self._asked_for = 0.0

    def wait(self) -> float:
        """Return the seconds until the next poll: longer each time that no answer came."""
        return max(self._asked_for, min(LONGEST_PAUSE, self.interval * self._margin * 2.0**self._lost))

    def answered(self) -> None:
        """Note that an answer came."""
        self._lost, self._asked_for = 0, 0.0

    def lost(self, retry_after: float | None = None) -> None:
        """Note that none came (RFC 8628 §3.5: then ask less often)."""
        self._lost = min(self._lost + 1, 8)
        self._asked_for = min(retry_after or 0.0, LONGEST_PAUSE)

    def slow_down(self, interval: int | None) -> None:
        """Ask less often from now on. Raises LoginError for the second time: the clocks do not agree."""
        self.answered()
        if self._margin == WIDE_MARGIN:
            percent = round((WIDE_MARGIN - 1) * 100)
            raise LoginError(
                f"this machine's clock drifts by {percent} % or more: polls that wait long enough come too early",
                hint="make sure that the system clock is right, then run `mini-llm login` again",
            )
        self._margin = WIDE_MARGIN
        self.interval = min(LONGEST_INTERVAL, max(self.interval, interval or self.interval + SLOWER))


async def begin(service: Service, endpoints: Endpoints, *, device: str) -> Grant:
    """Ask for a code. *device* is what the page that asks for consent calls this machine."""
    form = {"client_id": CLIENT, "scope": SCOPE, "device": device[:100]}
    answer = await service.post(endpoints.device, form)
    if answer.status != 200:
        if answer.status == 429 or answer.status >= 500 or 300 <= answer.status < 400:
            answer.refuse()
        raise LoginError(f"{answer.host} starts no login: {tokens.refusal(answer)[1]}")
    return read(answer.object(), endpoints.issuer)


def read(found: Json, issuer: str) -> Grant:
    """Return the grant that was answered. Raises ProtocolError for what is none, or leads to another place."""
    host = addresses.label_of(issuer)
    device_code, user_code = found.get("device_code"), found.get("user_code")
    if not isinstance(device_code, str) or not _DEVICE_CODE.fullmatch(device_code):
        raise ProtocolError(f"{host} sent no device code that can be used")
    if not isinstance(user_code, str) or not _USER_CODE.fullmatch(user_code):
        raise ProtocolError(f"{host} sent no code that can be shown")
    uri = found.get("verification_uri") or found.get("verification_url")  # Google's name for it
    complete = found.get("verification_uri_complete")
    life = _whole(found.get("expires_in"))
    if life is None or life < 1:
        raise ProtocolError(f"{host} does not say how long its code holds")
    interval = _whole(found.get("interval"))
    return Grant(
        device_code,
        user_code,
        addresses.to_open(uri, issuer, "address to sign in at"),
        addresses.to_open(complete, issuer, "address to sign in at") if complete else "",
        min(life, LONGEST_LIFE),
        min(max(USUAL_INTERVAL if interval is None else interval, 1), LONGEST_INTERVAL),
    )


async def poll(
    service: Service,
    endpoints: Endpoints,
    grant: Grant,
    *,
    until: float,
    now: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    tell: Callable[[Event], None],
) -> Tokens:
    """Ask until somebody has said yes. Raises DeclinedError, ExpiredError, or what kept us from asking to the end."""
    pace = Pace(grant.interval)
    form = {"grant_type": DEVICE_GRANT, "device_code": grant.device_code, "client_id": CLIENT}
    while True:
        await sleep(max(0.0, min(pace.wait(), until - now())))
        trouble: UpstreamError | None = None
        try:
            answer = await service.post(endpoints.token, form)
            if answer.status == 429 or answer.status >= 500:
                answer.refuse()
        except UpstreamError as error:
            if isinstance(error, ProtocolError) and not isinstance(error, TruncatedError):
                raise
            trouble = error
            pace.lost(error.retry_after)
            tell(Event("unreachable", error.message))
        else:
            if found := _judge(answer, pace, tell):
                return found
        if now() >= until:
            raise trouble or ExpiredError("nobody said yes in time", hint="run `mini-llm login` for a new code")


def _judge(answer: Answer, pace: Pace, tell: Callable[[Event], None]) -> Tokens | None:
    """Return the tokens if they came; None to go on asking."""
    if answer.status == 200:
        return tokens.read(answer)
    if 300 <= answer.status < 400:
        answer.refuse()
    name, told = tokens.refusal(answer)
    if name == "authorization_pending":
        pace.answered()
        tell(Event("waiting"))
        return None
    if name == "slow_down":
        pace.slow_down(_whole(answer.object().get("interval")))
        tell(Event("slow_down"))
        return None
    if name == "access_denied":
        raise DeclinedError("you declined the request in the browser", hint=f"{LOGIN} to try again")
    if name in ("expired_token", "invalid_grant"):
        raise ExpiredError("the code has expired", hint=f"{LOGIN} for a new one")
    raise LoginError(f"{answer.host} ended the login: {told}", hint=f"{LOGIN} to try again")


def _whole(told: object) -> int | None:
    """Return a whole number, also one that came as text."""
    if isinstance(told, str) and told.isascii() and told.isdecimal() and len(told) < 10:
        return int(told)
    return told if isinstance(told, int) and not isinstance(told, bool) and abs(told) < 10**9 else None
