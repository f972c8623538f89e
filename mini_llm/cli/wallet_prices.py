"""Ask the wallet what it sells and for how much, where that is not known or a day old."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mini_llm.errors import MiniLLMError

if TYPE_CHECKING:
    from mini_llm.credentials import Secret
    from mini_llm.runtime import Runtime
    from mini_llm.wallet.models import Offers
    from mini_llm.wallet.service import Service

OLD = 86_400.0  # seconds


async def freshen(runtime: Runtime, service: Service, api: str, key: Secret) -> None:
    """Fetch what is sold, if what is known of it is old. That it can't be had harms nothing."""
    from mini_llm.wallet import models

    cache = runtime.loaded.paths.cache
    kept = models.kept(cache, api)
    if kept is None or time.time() - kept.seen_at > OLD:
        with suppress(MiniLLMError):
            await models.fetch(service, api, key, cache)


def update(runtime: Runtime) -> Offers | None:
    """Fetch what is sold now, None if there is no wallet. Raises MiniLLMError."""
    provider = runtime.registry.wallet()
    if provider is None:
        return None
    import asyncio  # only where there is a wallet to ask

    from mini_llm.credentials import origin_of
    from mini_llm.wallet import models
    from mini_llm.wallet.service import Service

    reference = runtime.registry.key_reference(provider)
    key = runtime.credentials.find(reference, origin=origin_of(provider.base_url))

    async def ask() -> Offers:
        async with Service.open(runtime.environ) as service:
            return await models.fetch(service, provider.base_url, key, runtime.loaded.paths.cache)

    return asyncio.run(ask())
