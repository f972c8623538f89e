"""Which models can be asked for: what is configured and known, told without asking any provider."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote

import orjson

from mini_llm.dialects import model_list
from mini_llm.errors import UnknownModelError, UsageError
from mini_llm.gateway import heads, names
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway
from mini_llm.runtime import Runtime
from mini_llm.types import Json, Model

HERE = "mini-llm"  # who owns an alias


async def many(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer the list: one body for OpenAI's clients, Anthropic's and Codex, Google's for those that speak Gemini."""
    google = _speak(request)
    found = tuple(listed(gateway.runtime))
    body = _page_of_google(found, request.query) if google else _page(found, request.query)
    _send(responder, exchange, body)


async def one(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer what is known of one model: anything that could be asked for."""
    google = _speak(request)
    model = known(gateway.runtime, unquote(request.path.partition("/models/")[2]))
    _send(responder, exchange, model_list.encode_gemini_one(model) if google else model_list.encode_one(model))


def listed(runtime: Runtime) -> Iterator[Model]:
    """Yield the aliases, each under its name and under one that Claude Code lists, then every provider's models."""
    aliases = [_alias(runtime, alias) for alias in runtime.loaded.config.aliases]
    yield from aliases
    for model in aliases:
        shown = names.shown(model.id)
        if shown not in runtime.loaded.config.aliases:
            yield model._replace(id=shown, name=model.id)
    for provider in runtime.registry.usable():
        models = {model.id: model for model in runtime.catalogue.models(provider.name)}
        for id in dict.fromkeys([*provider.models, *models]):
            model = models.get(id) or runtime.catalogue.get(provider.name, id) or Model(provider.name, id)
            yield model._replace(id=f"{provider.name}/{id}", provider=provider.name)


def known(runtime: Runtime, id: str) -> Model:
    """Return the model that *id* stands for. Raises UnknownModelError."""
    name = names.asked(id, runtime.loaded.config)
    if not name:
        raise UnknownModelError("no model was named")
    if name in runtime.loaded.config.aliases:
        return _alias(runtime, name)._replace(id=id)
    target = runtime.decide(name).choices[0].target
    model = runtime.catalogue.get(*target) or Model(*target)
    return model._replace(id=id, provider=target.provider)


def _alias(runtime: Runtime, alias: str) -> Model:
    """Return *alias* as a model, with the window of its first target."""
    first = runtime.loaded.config.aliases[alias].targets[0]
    provider, _, id = first.partition("/")
    model = runtime.catalogue.get(provider, id)
    return (model or Model(HERE, alias))._replace(provider=HERE, id=alias, name=alias)


def _speak(request: Request) -> bool:
    """Tell whether Google's form is wanted. Errors are told in the same words as the answer."""
    headers = request.headers
    google = "x-goog-api-key" in headers or request.path.startswith("/v1beta/")
    dialect = "gemini" if google else "anthropic_messages" if "anthropic-version" in headers else "openai_chat"
    if request.room is not None:
        request.room = request.room._replace(dialect=dialect)
    return google


def _page(found: tuple[Model, ...], query: str) -> Json:
    """Return the page that *query* asks for, all if it names no `limit`."""
    asked = dict(parse_qsl(query))
    ids = [model.id for model in found]
    after, before = asked.get("after_id", ""), asked.get("before_id", "")
    start = _place(ids, after, "after_id") + 1 if after else 0
    end = _place(ids, before, "before_id") if before else len(found)
    limit = _number(asked, "limit") or len(found)
    if before and not after:
        start = max(start, end - limit)
    page = found[start : min(end, start + limit)]
    return model_list.encode(page, more=start > 0 if before else start + len(page) < end)


def _page_of_google(found: tuple[Model, ...], query: str) -> Json:
    """Return the page that *query* asks for in Google's words; a page's token is where it begins."""
    asked = dict(parse_qsl(query))
    start = _number(asked, "pageToken")
    size = _number(asked, "pageSize") or len(found)
    body = model_list.encode_gemini(found[start : start + size])
    return body | {"nextPageToken": str(start + size)} if start + size < len(found) else body


def _place(ids: list[str], id: str, parameter: str) -> int:
    if id not in ids:
        raise UsageError(f"{parameter}: no model {id[:200]!r} in the list")
    return ids.index(id)


def _number(asked: dict[str, str], parameter: str) -> int:
    """Return a whole number, 0 if it is not given."""
    text = asked.get(parameter, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"{parameter}: must be a whole number")
    return int(text)


def _send(responder: Responder, exchange: Exchange, body: Json) -> None:
    responder.send(200, [heads.JSON, *heads.named(exchange)], orjson.dumps(body))
