"""Send one body to one target: get a Reply, or the UpstreamError that says what went wrong.

The only place where a secret meets a request. Whatever a provider says in an error passes the redactor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote

from mini_llm import dialects
from mini_llm.credentials import Credentials, Secret, origin_of
from mini_llm.dialects import TargetDialect
from mini_llm.errors import ConfigError, UsageError
from mini_llm.providers import AUTH, SIGNED, Provider, Registry
from mini_llm.routing import Target
from mini_llm.signing import Outgoing, Signers
from mini_llm.transport import Heading, Timeouts, Transport
from mini_llm.types import Json
from mini_llm.upstream.reply import BODY_LIMIT, Reply, Tap
from mini_llm.upstream.sending import Sending

__all__ = ["BODY_LIMIT", "Reply", "Request", "Sending", "Tap", "Upstream"]

USER_AGENT = "mini-llm"
SECRET_HEADERS = ("auth", "cookie", "credential", "key", "password", "secret", "session", "token")
SLOW_REFERENCES = ("keyring:", "cmd:", "file:", "wallet:")
# A caller's headers replace what a dialect says by itself, never who asks.
PROOFS = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key", "cookie", "proxy-authorization"})
MOST_HEADINGS = 256  # of a provider: a part of them is the caller's
# What tells requests to a provider apart but for their bodies: model, key, stream, path, headers, type and method.
_Kind = tuple[str, str, bool, str, tuple[tuple[str, str], ...], str, str]
NO_HEADING: tuple[None, None] = (None, None)


class Request(NamedTuple):
    """What goes out: the body in the target's own dialect, and how long each phase may take.

    `headers` are the caller's: each replaces one of the dialect's, none that proves who asks or that the user set.
    `key` is the reference of the key to use, None for the provider's usual one.
    """

    body: bytes
    stream: bool
    timeouts: Timeouts
    headers: tuple[tuple[str, str], ...] = ()
    path: str = ""
    content_type: str = "application/json"
    method: str = "POST"
    key: str | None = None


class _Manner:
    """What every request to a provider has in common.

    `usual` are headers that a caller's may replace, `reserved` the names of those that a caller may not set. `headings`
    are kept while the secret in them is the one that would be sent now.
    """

    __slots__ = ("dialect", "headings", "origin", "provider", "reserved", "usual")

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.dialect = dialects.of_target(provider.dialect)
        self.origin = origin_of(provider.base_url)
        self.usual = {"user-agent": USER_AGENT, **self.dialect.HEADERS}
        self.reserved = PROOFS.union(name.lower() for name in provider.headers)
        self.headings: dict[_Kind, tuple[Secret | None, Heading]] = {}

    def keep(self, kind: _Kind, secret: Secret | None, heading: Heading) -> None:
        """Keep *heading* for the next request of its kind, unless that may have another: a signature, a variable."""
        if self.provider.headers or self.provider.auth in SIGNED:
            return
        if kind in self.headings or len(self.headings) >= MOST_HEADINGS:
            self.headings.clear()  # a secret that is sent no more is not kept either
        self.headings[kind] = secret, heading


class Upstream:
    """Talk to providers."""

    def __init__(self, transport: Transport, registry: Registry, credentials: Credentials, signers: Signers) -> None:
        self._transport = transport
        self._registry = registry
        self._credentials = credentials
        self._signers = signers
        self._manners: dict[str, _Manner] = {}

    async def prepare(self, target: Target, request: Request) -> Sending:
        """Do all that comes before the first byte of *request*.

        Raises CredentialError if there is no key, UsageError or ConfigError for what cannot be sent at all.
        """
        manner = self._manner(self._registry.get(target.provider))
        provider = manner.provider
        key = self._registry.key_reference(provider) if request.key is None else request.key
        kind = (target.model, key, request.stream, request.path, request.headers, request.content_type, request.method)
        secret = self._credentials.known(key, origin=manner.origin) or await self._secret(manner, key)
        held, heading = manner.headings.get(kind, NO_HEADING)
        if heading is None or held is not secret:
            heading = await self._heading(manner, target, request, secret)
            manner.keep(kind, secret, heading)
        exchange = self._transport.send_to(heading, request.body, request.timeouts)
        return Sending(provider, manner.dialect, exchange, self._credentials, key=key)

    @asynccontextmanager
    async def open(self, target: Target, request: Request) -> AsyncIterator[Reply]:
        """Send *request*: prepare it and enter what that gives."""
        async with await self.prepare(target, request) as reply:
            yield reply

    async def get_json(self, provider: Provider, path: str, *, timeouts: Timeouts) -> Json:
        """Return what a GET of *path* at *provider* answers (its list of models, say)."""
        manner = self._manner(provider)
        url = provider.base_url + path
        key = self._registry.key_reference(provider)
        request = Request(b"", False, timeouts, method="GET")
        secret = self._credentials.known(key, origin=manner.origin) or await self._secret(manner, key)
        headers = await self._headers(manner, Outgoing("GET", url, b""), request, secret)
        exchange = self._transport.send("GET", url, headers=headers, timeouts=timeouts)
        async with Sending(provider, manner.dialect, exchange, self._credentials, key=key) as reply:
            return await reply.json()

    def _manner(self, provider: Provider) -> _Manner:
        known = self._manners.get(provider.name)
        if known is not None and known.provider is provider:
            return known
        manner = self._manners[provider.name] = _Manner(provider)
        return manner

    async def _heading(self, manner: _Manner, target: Target, request: Request, secret: Secret | None) -> Heading:
        provider = manner.provider
        path = _path(provider, manner.dialect, target, request)
        if path[:1] != "/":  # else it would go on with the host's name, and the key with it
            raise ConfigError(f"the path {path!r} of {provider.name} must begin with a slash")
        url = provider.base_url + path.replace("{model}", _in_path(target.model))
        headers = await self._headers(manner, Outgoing(request.method, url, request.body), request, secret)
        return self._transport.heading(request.method, url, headers)

    async def _headers(
        self, manner: _Manner, outgoing: Outgoing, request: Request, secret: Secret | None
    ) -> Sequence[tuple[str, str]]:
        """Return the dialect's headers, over them the caller's, then the user's own, then what proves who asks."""
        provider = manner.provider
        headers = {"content-type": request.content_type, **manner.usual}
        if request.headers:
            headers |= _allowed(request.headers, manner.reserved)
        if provider.headers:
            headers |= {name.lower(): self._filled(name, value) for name, value in provider.headers.items()}
        if provider.auth in SIGNED:
            headers |= await self._signers.headers(provider.auth, outgoing)
        elif secret is not None:
            name, template = AUTH[provider.auth]
            headers[name] = template.format(secret.reveal(manner.origin))
        return tuple(headers.items())

    def _filled(self, name: str, value: str) -> str:
        """Return a header's value; what is secret by its name is hidden from now on."""
        value = self._credentials.fill(value)
        if any(word in name.lower() for word in SECRET_HEADERS):
            for word in value.split():
                self._credentials.hide(word)
        return value

    async def _secret(self, manner: _Manner, reference: str) -> Secret | None:
        """Look a secret up, if there is one to send; where that may take seconds, beside the loop."""
        if not reference or manner.provider.auth in SIGNED:
            return None
        if reference.startswith(SLOW_REFERENCES):
            return await asyncio.to_thread(self._credentials.find, reference, origin=manner.origin)
        return self._credentials.find(reference, origin=manner.origin)


def _allowed(headers: Sequence[tuple[str, str]], reserved: frozenset[str]) -> dict[str, str]:
    """Return a caller's headers without those that are not its to set; one that comes twice is joined."""
    allowed: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower not in reserved:
            allowed[lower] = f"{allowed[lower]}, {value}" if lower in allowed else value
    return allowed


def _path(provider: Provider, dialect: TargetDialect, target: Target, request: Request) -> str:
    """Return where *request* goes below the base URL: the provider's file knows better than the dialect."""
    kind = request.path.strip("/") or ("stream" if request.stream else "chat")
    own = provider.paths.get(kind) or (provider.paths.get("chat") if kind == "stream" else "")
    return own or request.path or dialect.path(target.model, stream=request.stream)


@lru_cache(maxsize=1024)
def _in_path(model: str) -> str:
    """Return *model* as it may stand in a path: a name that a caller made up must not lead to another place."""
    if any(step in (".", "..") for step in model.split("/")):
        raise UsageError(f"{model!r} is no name of a model")
    return quote(model, safe="/:@")
