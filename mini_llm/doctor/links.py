"""What needs the network: each provider's answer to a key, its certificate, and the clock. Nothing here costs money."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from mini_llm.client.asynchronous import AsyncClient
from mini_llm.doctor.finding import Finding
from mini_llm.errors import AuthError, CredentialError, MiniLLMError, NetworkError, RejectedError, TLSError
from mini_llm.transport import Timeouts

if TYPE_CHECKING:
    from mini_llm.providers import Provider
    from mini_llm.runtime import Runtime

PATIENCE = Timeouts(connect=5.0, first_byte=8.0, silence=8.0, total=12.0)
LOOSE_SECONDS = 30.0  # a clock that is off by more makes tokens and signatures fail
WRONG_SECONDS = 300.0


class Heard(NamedTuple):
    """What one provider did. `ahead` is how many seconds our clock is before its, None where it did not say."""

    provider: Provider
    seconds: float
    models: int
    error: MiniLLMError | None
    ahead: float | None


def look(runtime: Runtime, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Ask every configured provider for its models; then judge certificates and clock by what came back."""
    heard = asyncio.run(_ask_all(runtime, now))
    if not heard:
        yield Finding("providers", "warning", "none is configured", "mini-llm login, or mini-llm providers add NAME")
    for notice in runtime.registry.notices:
        yield Finding("providers", "problem", notice, "mini-llm providers list")
    yield from map(told, heard)
    yield from certificates(heard)
    yield from clock(heard)


def told(one: Heard) -> Finding:
    """Return what is to be said of one provider."""
    name, error = one.provider.name, one.error
    took = f"in {one.seconds * 1000:.0f} ms"
    if error is None:
        key = "key accepted" if one.provider.auth != "none" else "no key needed"
        models = f"{one.models:,} model{'' if one.models == 1 else 's'}"
        return Finding(name, "ok", f"{key}, {models}, {took}")
    if isinstance(error, AuthError):
        return Finding(name, "problem", f"it refuses the key: {error.message}", f"mini-llm providers add {name} --key")
    if isinstance(error, CredentialError):
        return Finding(name, "problem", error.message, error.hint)
    if isinstance(error, RejectedError):
        what = f"reached {took}; it has no list of models, so its key was not tried"
        return Finding(name, "ok", what, f"mini-llm providers test {name}")
    if isinstance(error, NetworkError):  # its own hint sends people here
        mend = f"is its address right? mini-llm providers show {name}"
        return Finding(
            name, "problem", error.message, f"{mend}\nis a proxy needed? export HTTPS_PROXY=http://HOST:PORT"
        )
    return Finding(name, "problem", error.message, error.hint or f"mini-llm providers test {name}")


def certificates(heard: list[Heard]) -> Iterator[Finding]:
    """Tell whether the certificates of those that were asked by https are trusted here."""
    asked = [one for one in heard if one.provider.base_url.startswith("https:")]
    refused = [one for one in asked if isinstance(one.error, TLSError)]
    good = [one for one in asked if one.ahead is not None]
    if refused:
        names = ", ".join(one.provider.name for one in refused)
        why = "a proxy that opens TLS needs its own: export SSL_CERT_FILE=/path/to/ca.pem"
        yield Finding("tls", "problem", f"the certificates of {names} are not trusted here", why)
    elif good:
        yield Finding("tls", "ok", f"certificate and host name are right at {len(good)} of {len(asked)}")


def clock(heard: list[Heard]) -> Iterator[Finding]:
    """Compare our clock with theirs."""
    said = [one.ahead for one in heard if one.ahead is not None and not one.provider.local]
    if not said:
        return
    off = median(said)
    way = "ahead of" if off > 0 else "behind"
    if abs(off) <= LOOSE_SECONDS:
        yield Finding("clock", "ok", f"within {max(1, round(abs(off)))} s of the providers'")
        return
    what = f"it is {abs(off):,.0f} s {way} the providers': sign-in and signed requests fail with that"
    yield Finding(
        "clock", "problem" if abs(off) > WRONG_SECONDS else "warning", what, "turn on the system's time service"
    )


async def _ask_all(runtime: Runtime, now: Callable[[], float]) -> list[Heard]:
    try:
        return await asyncio.gather(*(_ask(runtime, one, now) for one in runtime.registry.configured()))
    finally:
        await runtime.transport.close()


async def _ask(runtime: Runtime, provider: Provider, now: Callable[[], float]) -> Heard:
    """Ask for the list of models, with the key; and for the time, without."""
    begun = time.monotonic()
    models, error = 0, None
    try:
        async with asyncio.timeout(PATIENCE.total):
            models = len(await AsyncClient(runtime=runtime).listed(provider.name))
    except TimeoutError:
        error = MiniLLMError(f"no answer within {PATIENCE.total:g} s")
    except MiniLLMError as failed:
        error = failed
    seconds = time.monotonic() - begun
    ahead = None
    with suppress(MiniLLMError, ValueError, TypeError, OSError):
        ahead = await _ahead(runtime, provider, now)
    return Heard(provider, seconds, models, error, ahead)


async def _ahead(runtime: Runtime, provider: Provider, now: Callable[[], float]) -> float | None:
    """Return how far our clock is ahead, by the date that any answer of theirs bears."""
    async with runtime.transport.send("GET", provider.base_url, timeouts=PATIENCE) as response:
        dated = response.headers.get("date")
    return now() - parsedate_to_datetime(dated).timestamp() if dated else None
