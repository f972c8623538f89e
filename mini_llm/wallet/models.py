"""The wallet's models and prices, kept on disk: asked for again, they cost the service a 304."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from decimal import Decimal
from json import dumps, loads
from pathlib import Path
from typing import Any, NamedTuple

from mini_llm.config import files
from mini_llm.credentials import Secret
from mini_llm.errors import ConfigError, ProtocolError
from mini_llm.pricing import decimal
from mini_llm.providers import WALLET
from mini_llm.types import Json, Price
from mini_llm.wallet.account import money
from mini_llm.wallet.service import Service

FILE = "wallet-models.json"
LIMIT = 8 << 20
MOST = 20_000
NO_DISCOUNT = Decimal(0)
_NAME = re.compile(r"[!-~]{1,256}")
_ETAG = re.compile(r'(?:W/)?"[!#-~]{0,200}"')


class Offer(NamedTuple):
    """One model that the wallet sells; its price has the discount in it."""

    id: str
    context_window: int
    capabilities: tuple[str, ...]
    price: Price | None


class Offers(NamedTuple):
    """All of them, and when (Unix time) the service last said so."""

    api: str
    etag: str
    seen_at: float
    models: tuple[Offer, ...]

    def prices(self, without: Decimal = NO_DISCOUNT) -> dict[str, Price]:
        """Return the prices by the names that the catalogue uses; *without* the discount they have in them, if told."""
        return {f"{WALLET}/{model.id}": _before(model.price, without) for model in self.models if model.price}

    @property
    def first(self) -> str:
        """Return what answers when no model is named: the first that writes text, "" if there is none."""
        usual = (model.id for model in self.models if model.price is not None and "embed" not in model.id.lower())
        return next((f"{WALLET}/{name}" for name in usual), "")


async def fetch(
    service: Service, api: str, key: Secret, cache: Path, *, now: Callable[[], float] = time.time
) -> Offers:
    """Return what the wallet sells now, and keep it. Raises UpstreamError; what was kept stays then."""
    known = kept(cache, api)
    answer = await service.get(f"{api}/models", key, etag=known.etag if known else "", limit=LIMIT)
    if answer.status == 304 and known is not None:
        offers = known._replace(seen_at=now())
    else:
        answer.refuse()
        told = answer.headers.get("etag")
        offers = Offers(api, told if _ETAG.fullmatch(told) else "", now(), read(answer.object(), answer.host))
    with files.locked(cache / FILE) as target:
        files.write(target, dumps(_written(offers)).encode())
    return offers


def kept(cache: Path, api: str) -> Offers | None:
    """Return what was kept of this service, None if there is nothing that can be read."""
    try:
        data = files.read(cache / FILE, limit=2 * LIMIT)
        told = loads(data) if data else None
        if not isinstance(told, dict) or told["api"] != api:
            return None
        return Offers(api, str(told["etag"]), float(told["seen_at"]), read(told, "the cache"))
    except (ConfigError, ProtocolError, ValueError, KeyError, TypeError, RecursionError):
        return None


def read(found: Json, host: str) -> tuple[Offer, ...]:
    """Return the models in a list as OpenAI writes it; entries that make no sense are left out."""
    listed = found.get("data")
    if not isinstance(listed, list) or len(listed) > MOST:
        raise ProtocolError(f"{host} sent no list of models")
    offers = (_offer(entry) for entry in listed if isinstance(entry, dict))
    return tuple(offer for offer in offers if offer is not None)


def _offer(entry: Json) -> Offer | None:
    name, window, can = entry.get("id"), entry.get("context_window"), entry.get("capabilities")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    size = window if isinstance(window, int) and not isinstance(window, bool) and 0 < window < 10**9 else 0
    words = tuple(word for word in can if isinstance(word, str)) if isinstance(can, list) else ()
    return Offer(name, size, words, _price(entry.get("pricing")))


def _price(told: object) -> Price | None:
    if not isinstance(told, dict):
        return None
    price = Price(money(told.get("input")), money(told.get("output")), money(told.get("cache_read")))
    known = [part for part in price[:3] if part is not None]
    return price if known and min(known) >= 0 else None


def _before(price: Price, discount: Decimal) -> Price:
    if not 0 < discount < 1:
        return price
    asked, answered, cached = (None if part is None else int(part / (1 - discount)) for part in price[:3])
    return Price(asked, answered, cached)


def _written(offers: Offers) -> dict[str, Any]:
    return {
        "api": offers.api,
        "etag": offers.etag,
        "seen_at": offers.seen_at,
        "data": [
            {
                "id": model.id,
                "context_window": model.context_window,
                "capabilities": model.capabilities,
                "pricing": _decimals(model.price) if model.price else None,
            }
            for model in offers.models
        ],
    }


def _decimals(price: Price) -> dict[str, str]:
    told = {"input": price.input, "output": price.output, "cache_read": price.cache_read}
    return {name: decimal(part) for name, part in told.items() if part is not None}
