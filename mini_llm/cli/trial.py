"""Try a provider: its list of models, and a call of one token."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from mini_llm.client.asynchronous import AsyncClient
from mini_llm.errors import MiniLLMError, NoProviderError, ProtocolError, RejectedError

if TYPE_CHECKING:
    from mini_llm.providers import Provider
    from mini_llm.runtime import Runtime

TIMEOUT = 30.0
MOST_SHOWN = 3


class Failed(MiniLLMError):
    """Some of the providers tried do not work; each one's error is in the table."""

    exit_code = 5

    def __init__(self, failed: int, tried: int) -> None:
        super().__init__(f"{failed} of {tried} providers failed", hint="`mini-llm providers test NAME` tells more")


class Result(NamedTuple):
    """How one provider did. `seconds` is the time of the one-token call."""

    name: str
    model: str
    seconds: float
    models: tuple[str, ...]
    error: MiniLLMError | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; the keys are stable."""
        return {
            "name": self.name,
            "ok": self.error is None,
            "model": self.model,
            "seconds": round(self.seconds, 3),
            "models": list(self.models),
            "error": self.error.message if self.error else "",
        }


async def run(runtime: Runtime, name: str) -> list[Result]:
    """Try the provider called *name*, or every one that can be used."""
    providers = [runtime.registry.get(name)] if name else list(runtime.registry.configured())
    if not providers:
        raise NoProviderError
    try:
        return [await _try(runtime, provider) for provider in providers]
    finally:
        await runtime.close()


def rows(results: Sequence[Result]) -> list[tuple[str, str, str, str]]:
    """Return the lines of a table."""
    return [
        (
            result.name,
            f"failed: {result.error.message}" if result.error else f"ok ({result.model})",
            "" if result.error else f"{result.seconds * 1000:.0f} ms",
            _shown(result.models),
        )
        for result in results
    ]


async def _try(runtime: Runtime, provider: Provider) -> Result:
    client = AsyncClient(runtime=runtime)
    models: tuple[str, ...] = ()
    model = provider.default
    begun = time.monotonic()
    try:
        with suppress(RejectedError, ProtocolError):  # not every provider has such a list
            models = await client.listed(provider.name)
        model = model or next(iter((*provider.models, *models)), "")
        if not model:
            raise MiniLLMError(
                f"no model of {provider.name} is known",
                hint=f"name one: `mini-llm providers add {provider.name} --model MODEL`",
            )
        begun = time.monotonic()
        await client.chat(
            "Hi", model=f"{provider.name}/{model}", max_tokens=1, timeout=TIMEOUT, caller="providers test"
        )
    except MiniLLMError as error:
        return Result(provider.name, model, time.monotonic() - begun, models, error)
    return Result(provider.name, model, time.monotonic() - begun, models, None)


def _shown(models: tuple[str, ...]) -> str:
    more = len(models) - MOST_SHOWN
    return ", ".join(models[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
