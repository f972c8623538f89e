"""Which models a key may ask for, what each costs its team, and who has it now."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from mini_llm import pricing
from mini_llm.dialects import model_list
from mini_llm.errors import MiniLLMError, UnknownModelError
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway, Room
from mini_llm.routing import Target
from mini_llm.runtime import Runtime
from mini_llm.team.api import answers
from mini_llm.team.api.callers import KeyHolders
from mini_llm.team.rights import Rights, allows
from mini_llm.team.state import Team
from mini_llm.types import Model, Price

PATH = "/v1/models"
FRESH_SECONDS = 2.0  # how old what is told of health may be
MOST_KEPT = 64
SHOWN = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")

Json = dict[str, Any]


class Offer(NamedTuple):
    """A model at one provider; `price` is what the provider asks."""

    target: Target
    price: Price | None
    healthy: bool


class Listed(NamedTuple):
    """A name that can be asked for, and who answers to it: the cheapest healthy one first."""

    name: str
    model: Model
    offers: tuple[Offer, ...]


def rooms(team: Team, holders: KeyHolders) -> Mapping[str, Mapping[str, Room]]:
    """Return the rooms by path; what stands behind the last one's slash is a model's name."""
    shop, tell = Shop(holders), answers.tell_in("openai_chat")
    return {
        PATH: {"GET": Room(shop.many, "caller", tell=tell)},
        f"{PATH}/": {"GET": Room(shop.one, "caller", tell=tell)},
    }


class Shop:
    """The list, worked out anew every few seconds."""

    def __init__(self, holders: KeyHolders) -> None:
        self._holders = holders
        self._kept: dict[tuple[int, int, tuple[str, ...] | None], tuple[float, bytes, str]] = {}

    async def many(self, gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        """Answer the list; 304 where the caller has it already."""
        exchange.dialect = ""
        holder = self._holders.holder(exchange.caller)
        body, tag = self._told(gateway.runtime, holder.key.rights, holder.terms.discount_percent)
        fields = [("etag", tag), ("cache-control", "private, no-cache"), ("x-passy-request-id", exchange.id)]
        if tag in (one.strip() for one in request.headers.get("if-none-match", "").split(",")):
            responder.send(304, fields, b"")
        else:
            responder.send(200, [answers.JSON, *fields], body)

    async def one(self, gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        """Answer what is known of one model that the key may ask for."""
        holder, name = self._holders.holder(exchange.caller), unquote(request.path.removeprefix(f"{PATH}/"))
        found = [one for one in listed(gateway.runtime) if one.name == name and allows(holder.key.rights, name)]
        if not found:
            raise UnknownModelError(
                f"there is no model {name[:200]} here", hint="`mini-llm models` lists what there is"
            )
        answers.send(responder, exchange, described(found[0], holder.terms.discount_percent))

    def _told(self, runtime: Runtime, rights: Rights, discount: int) -> tuple[bytes, str]:
        now = time.monotonic()
        name = (id(runtime), discount, rights.models)
        made, body, tag = self._kept.get(name, (0.0, b"", ""))
        if not tag or now - made > FRESH_SECONDS:
            rows = [described(one, discount) for one in listed(runtime) if allows(rights, one.name)]
            body = orjson.dumps({"object": "list", "data": rows, "has_more": False})
            tag = f'"{sha256(body).hexdigest()[:32]}"'
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[name] = (now, body, tag)
        return body, tag


def listed(runtime: Runtime) -> Iterator[Listed]:
    """Yield the aliases, then every model of every provider, once for all who have it."""
    aliases = runtime.loaded.config.aliases
    for alias in aliases:
        try:
            targets = [choice.target for choice in runtime.decide(alias).choices]
        except MiniLLMError:  # nobody who has it can be asked
            continue
        yield _listed(runtime, alias, targets)
    found: dict[str, list[Target]] = {}
    for provider in runtime.registry.configured():
        known = [model.id for model in runtime.catalogue.models(provider.name)]
        for id in dict.fromkeys([*provider.models, *known]):
            found.setdefault(id, []).append(Target(provider.name, id))
    for name, targets in found.items():
        if name not in aliases:
            yield _listed(runtime, name, targets)


def described(one: Listed, discount: int) -> Json:
    """Return *one* as OpenAI lists a model, with what a wallet tells beside."""
    body = model_list.encode_one(one.model)
    providers = [
        {"id": offer.target.provider, "pricing": _pricing(offer.price, discount), "healthy": offer.healthy}
        for offer in one.offers
    ]
    return body | {
        "capabilities": sorted(one.model.capabilities),
        "pricing": providers[0]["pricing"] if providers else None,
        "providers": providers,
    }


def _listed(runtime: Runtime, name: str, targets: Sequence[Target]) -> Listed:
    offers = sorted((_offer(runtime, target) for target in targets), key=_rank)
    models = [runtime.catalogue.get(*offer.target) for offer in offers]
    model = next((model for model in models if model is not None), None) or Model(targets[0].provider, name)
    owner = offers[0].target.provider if len(offers) == 1 else "team"
    return Listed(name, model._replace(id=name, provider=owner), tuple(offers))


def _offer(runtime: Runtime, target: Target) -> Offer:
    try:
        keys = runtime.router.credentials(target)
        local = runtime.registry.get(target.provider).local
    except MiniLLMError:
        return Offer(target, None, False)
    now = time.monotonic()
    model = runtime.catalogue.get(*target)
    price = Price(input=0, output=0) if local else model.price if model else None
    return Offer(target, price, any(runtime.health.well(key.key, key.name, now) for key in keys))


def _rank(offer: Offer) -> tuple[bool, bool, int]:
    price = offer.price
    known = price is not None and price.input is not None and price.output is not None
    return not offer.healthy, not known, (price.input or 0) + (price.output or 0) if price else 0


def _pricing(price: Price | None, discount: int) -> dict[str, str] | None:
    """Return what a million tokens cost, in US dollars; None where nobody knows."""
    if price is None:
        return None
    asked = pricing.discounted(price, discount)
    rates = {name: getattr(asked, name) for name in SHOWN}
    return {name: pricing.decimal(rate) for name, rate in rates.items() if rate is not None}
