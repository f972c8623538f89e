"""What the control API changes: providers and aliases, written by the same code as `mini-llm config set` uses.

A key is never shown, and never stands in the config: it is stored as `mini-llm providers add --key` does, or a
reference to it is given. What would run a program or read a file of the caller's choice is left to the command line.
"""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import orjson

from mini_llm.config import (
    Loaded,
    ProviderSettings,
    change_values,
    check_values,
    masked,
    origin_of,
    remove_value,
)
from mini_llm.config.keys import join
from mini_llm.errors import MiniLLMError, UnknownModelError, UsageError
from mini_llm.gateway.control import views
from mini_llm.gateway.control.problems import problem
from mini_llm.gateway.request import Request
from mini_llm.gateway.state import Gateway
from mini_llm.providers import Provider, Registry
from mini_llm.runtime import Runtime

Json = dict[str, Any]

APPLY_SECONDS = 3.0
REFERENCE = re.compile(r"keyring:\S+|env:\w+|\$\{\w+\}")
METADATA_HOSTS = ("metadata", "metadata.google.internal", "metadata.goog")


async def reload(gateway: Gateway, request: Request, name: str) -> Json:
    """Read the configuration anew."""
    applied = await _applied(gateway)
    return {"applied": applied, "problems": [problem(one) for one in gateway.stale]}


async def put_provider(gateway: Gateway, request: Request, name: str) -> Json:
    """Set what the body names of a provider; null takes a setting out, what is not named stays."""
    wanted = _object(request)
    announced = await asyncio.to_thread(_write_provider, gateway.runtime, name, wanted)
    applied = await _applied(gateway)
    row = await asyncio.to_thread(views.provider_row, gateway.runtime, name)
    return {"provider": row, "applied": applied, "announced": announced}


async def delete_provider(gateway: Gateway, request: Request, name: str) -> Json:
    """Take a provider out of the user's file, and forget its stored keys."""
    forgotten = await asyncio.to_thread(_remove_provider, gateway.runtime, name)
    pointing = [
        alias
        for alias, route in gateway.runtime.loaded.config.aliases.items()
        if any(target.startswith(f"{name}/") for target in route.targets)
    ]
    return {"removed": name, "forgotten": forgotten, "aliases": pointing, "applied": await _applied(gateway)}


async def put_alias(gateway: Gateway, request: Request, name: str) -> Json:
    """Set an alias: a model, a list, or a route."""
    wanted = _json(request)
    if wanted is None:
        raise UsageError("an alias needs a model, a list of models, or an object with targets")
    await asyncio.to_thread(change_values, gateway.runtime.loaded.paths, {("aliases", name): wanted})
    applied = await _applied(gateway)
    known = name in gateway.runtime.loaded.config.aliases
    return {"alias": views.alias_row(gateway.runtime, name) if known else {"name": name}, "applied": applied}


async def delete_alias(gateway: Gateway, request: Request, name: str) -> Json:
    """Take an alias out of the user's file."""
    if not await asyncio.to_thread(remove_value, gateway.runtime.loaded.paths, join(("aliases", name))):
        raise UnknownModelError(f"there is no alias {name} in the config")
    return {"removed": name, "applied": await _applied(gateway)}


def _write_provider(runtime: Runtime, name: str, wanted: Json) -> str:
    """Check, keep the key, write; return what the user must be told of where the key went."""
    key = wanted.pop("key", None)
    settings: dict[tuple[str, ...], object] = {("providers", name, field): given for field, given in wanted.items()}
    check_values(settings)
    _check_wanted(runtime.loaded, name, wanted, key)
    if not wanted and name not in runtime.loaded.config.providers:
        settings[("providers", name)] = {}
    if key is None:
        change_values(runtime.loaded.paths, settings)
        return ""
    stored = runtime.credentials.store(name, key, origin=_provider(runtime, name, wanted).base_url)
    try:
        change_values(runtime.loaded.paths, {**settings, ("providers", name, "apiKey"): stored.reference})
    except MiniLLMError:
        runtime.credentials.forget(stored.reference)
        raise
    return stored.announced


def _check_wanted(loaded: Loaded, name: str, wanted: Json, key: object) -> None:
    """Refuse keys in the clear, references that would run or read something, and addresses no provider has."""
    if key is not None and not isinstance(key, str):
        raise UsageError("key must be text")
    if key is not None and ("apiKey" in wanted or "apiKeys" in wanted):
        raise UsageError("key and apiKey exclude each other")
    references = wanted.get("apiKeys") or []
    references = references if isinstance(references, list) else [references]
    for reference in (wanted.get("apiKey"), *references):
        if reference is not None:
            _check_reference(reference)
    for header, value in (wanted.get("headers") or {}).items():
        if masked(join(("providers", name, "headers", header)), value) != value:
            raise UsageError(f"the header {header} may hold a secret: put it into a variable and write ${{NAME}}")
    url = wanted.get("baseUrl")
    if isinstance(url, str):
        _check_address(url)
        _check_origin(loaded, name, url, given=key is not None or "apiKey" in wanted or "apiKeys" in wanted)


def _check_reference(reference: object) -> None:
    if str(reference).startswith(("cmd:", "file:")):
        kind = str(reference).partition(":")[0]
        raise UsageError(f"{kind}: is not taken here", hint="`mini-llm config set` takes it")
    if not REFERENCE.fullmatch(str(reference)):
        raise UsageError("apiKey takes a reference, such as keyring:NAME or ${NAME}", hint='send the key as "key"')


def _check_address(url: str) -> None:
    """Refuse addresses that lead to the machine's own services."""
    if url.startswith("http+unix:"):
        raise UsageError("a socket's path is not taken here", hint="`mini-llm providers add` takes it")
    try:
        host = (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return  # config says what is wrong with it
    if host in METADATA_HOSTS or _is_link_local(host):
        raise UsageError("link-local addresses are no providers: they lead to the machine's own metadata")


def _is_link_local(host: str) -> bool:
    try:  # inet_aton reads every way to write an IPv4 address, as those who connect do
        address = ip_address(host if ":" in host else socket.inet_ntoa(socket.inet_aton(host)))
    except (OSError, ValueError):  # a name
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_link_local


def _check_origin(loaded: Loaded, name: str, url: str, *, given: bool) -> None:
    """A key that is not bound to an address must be given anew when the address changes."""
    settings = loaded.config.providers.get(name)
    if settings is None or given or not settings.base_url:
        return
    kept = [one for one in (settings.api_key, *settings.api_keys) if one]
    loose = [one for one in kept if not one.startswith(("keyring:", "file:"))]
    if (loose or settings.headers) and origin_of(url) != origin_of(settings.base_url):
        raise UsageError(
            f"the key of {name} was meant for {origin_of(settings.base_url)}",
            hint="name the key for the new address too: `apiKey`, or `key`",
        )


def _provider(runtime: Runtime, name: str, wanted: Json) -> Provider:
    """Return the provider as it would be."""
    config = runtime.loaded.config
    known = config.providers.get(name, ProviderSettings())
    told = replace(
        known,
        enabled=True,
        base_url=wanted.get("baseUrl", known.base_url) or "",
        dialect=wanted.get("dialect", known.dialect) or "",
    )
    changed = replace(config, providers={**config.providers, name: told})
    return Registry(changed, environ=runtime.environ, folder=runtime.loaded.paths.home / "providers").get(name)


def _remove_provider(runtime: Runtime, name: str) -> bool:
    settings = runtime.loaded.config.providers.get(name)
    if settings is None or not remove_value(runtime.loaded.paths, join(("providers", name))):
        raise UnknownModelError(f"{name} is not in the config")
    kept = [one for one in (settings.api_key, *settings.api_keys) if one]
    return any([runtime.credentials.forget(one) for one in kept])


async def _applied(gateway: Gateway) -> bool:
    """Have the configuration read anew; say whether what was written is in use now."""
    if gateway.reload is None:
        return False
    before = gateway.runtime
    gateway.reload()
    end = asyncio.get_running_loop().time() + APPLY_SECONDS
    while gateway.runtime is before and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 -- others swap it
        await asyncio.sleep(0.02)
    return gateway.runtime is not before


def _object(request: Request) -> Json:
    wanted = _json(request)
    if not isinstance(wanted, dict):
        raise UsageError("the body must be an object")
    return wanted


def _json(request: Request) -> Any:
    try:
        return orjson.loads(request.body)
    except ValueError:
        raise UsageError("the body is not JSON") from None
