"""Send one body to one target: get a Reply, or the UpstreamError that says what went wrong.

The only place where a secret meets a request. Whatever a provider says in an error passes the redactor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple, Protocol
from urllib.parse import quote

import orjson

from mini_llm import dialects, sse
from mini_llm.credentials import Credentials, Secret, origin_of
from mini_llm.dialects import TargetDialect, surrogates
from mini_llm.errors import (
    AuthError,
    ConfigError,
    DeadlineError,
    NotAnAPIError,
    ProtocolError,
    UpstreamError,
    UsageError,
)
from mini_llm.meter import scattered
from mini_llm.providers import AUTH, SIGNED, Provider, Registry
from mini_llm.routing import Target
from mini_llm.signing import Outgoing, Signers
from mini_llm.transport import Heading, Response, Timeouts, Transport
from mini_llm.types import Delta, Json

ERROR_LIMIT = 1 << 20
BODY_LIMIT = 64 << 20
USER_AGENT = "mini-llm"
SECRET_HEADERS = ("auth", "cookie", "credential", "key", "password", "secret", "session", "token")
SLOW_REFERENCES = ("keyring:", "cmd:", "file:", "wallet:")
REQUEST_IDS = ("x-request-id", "request-id", "x-amzn-requestid", "mistral-correlation-id")
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


class Tap(Protocol):
    """Who is shown the events of a stream while they are decoded."""

    def came(self, event: sse.Event) -> None:
        """Note that *event* came; it may still prove to be nonsense."""

    def read(self, delta: Delta | None = None) -> None:
        """Note that the last event was decoded, to *delta* and what may follow it."""

    def passed_over(self) -> None:
        """Note that the next event is wanted: the last one, if it was not read, was no content, or nonsense."""


class Reply:
    """A 2xx answer, its body still on the wire."""

    def __init__(self, provider: Provider, dialect: TargetDialect, response: Response) -> None:
        self.provider = provider
        self.dialect = dialect
        self.response = response

    @property
    def request_id(self) -> str:
        """The provider's own name for this answer, "" if it gave none."""
        for name, value in self.response.headers.items():
            if name in REQUEST_IDS and value:
                return value
        return ""

    async def json(self) -> Json:
        """Return the whole body. Raises ProtocolError unless it is a JSON object."""
        return self.object(await self.response.read(BODY_LIMIT))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it streams. Raises ProtocolError for one that is too large for any answer."""
        size = 0
        while chunk := await self.response.next():
            size += len(chunk)
            if size > BODY_LIMIT:
                raise ProtocolError(f"{self.provider.name} streamed more than {BODY_LIMIT >> 20} MiB")
            yield chunk

    async def deltas(self, tap: Tap | None = None) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it streams, decoded. One that came whole, though a stream was asked for, is taken too.

        *tap* is shown each event of a stream: when it came, when the decoder was content with it, and when it went on.
        """
        if self.dialect.events is sse.events:
            first = await self.response.next()
            if first.lstrip()[:1] == b"{":
                whole = first + await self.response.read(BODY_LIMIT)
                for delta in scattered(self.dialect.decode_response(self.object(whole))):
                    yield delta
                return
            self.response.put_back(first)
            del first  # a stream may last for half an hour, and this for as long
        events = self.dialect.events(self.chunks())
        events = events if tap is None else _tapped(events, tap)
        async with aclosing(self.dialect.decode_stream(events)) as deltas:
            async for delta in deltas:
                if tap is not None:
                    tap.read(delta)
                yield delta
        await self.response.finish()

    def object(self, raw: bytes) -> Json:
        """Return the JSON object that *raw* is. Raises ProtocolError for anything else."""
        try:
            body = surrogates.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ProtocolError(
                f"{self.provider.name} sent {len(raw)} bytes that are no JSON", provider=self.provider.name
            ) from error
        if not isinstance(body, dict):
            raise ProtocolError(f"{self.provider.name} sent JSON that is not an object", provider=self.provider.name)
        return body


async def _tapped(events: AsyncGenerator[sse.Event, None], tap: Tap) -> AsyncGenerator[sse.Event, None]:
    try:
        async for event in events:
            tap.came(event)
            yield event
            tap.passed_over()
    finally:
        await events.aclose()


class Sending:
    """A request that only has to be sent, once, by entering it; leaving it lets go of the connection.

    Raises UpstreamError, with `provider` set, also for what the block itself finds wrong with the answer.
    """

    __slots__ = ("_credentials", "_dialect", "_exchange", "_key", "provider")

    def __init__(
        self,
        provider: Provider,
        dialect: TargetDialect,
        exchange: AbstractAsyncContextManager[Response],
        credentials: Credentials,
        *,
        key: str,
    ) -> None:
        self.provider = provider
        self._dialect = dialect
        self._exchange = exchange
        self._credentials = credentials
        self._key = key

    async def __aenter__(self) -> Reply:
        try:
            response = await self._exchange.__aenter__()
            if not 200 <= response.status < 300 or "html" in response.headers.get("content-type").lower():
                await self._refuse_failure(response)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return Reply(self.provider, self._dialect, response)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchange.__aexit__(kind, error, trace)
        if isinstance(error, UpstreamError):
            self._tell(error)

    async def _refuse_failure(self, response: Response) -> None:
        """Raise what the status and the type of the answer amount to, if it is not one to go on with."""
        provider = self.provider
        kind = response.headers.get("content-type").partition(";")[0].strip().lower()
        if 200 <= response.status < 300:
            if kind in ("text/html", "application/xhtml+xml"):
                raise NotAnAPIError(
                    f"{provider.base_url} answered with a web page",
                    hint=f"check the address: `mini-llm providers show {provider.name}`",
                )
            return
        if 300 <= response.status < 400:
            raise NotAnAPIError(
                f"{provider.base_url} answered with a redirect ({response.status}), which is not followed",
                hint=f"check the address: `mini-llm providers show {provider.name}`",
            )
        body = self._without_secrets(await _beginning(response))  # before a decoder can cut a secret in two
        raise self._dialect.decode_error(response.status, dict(response.headers.items()), body)

    def _tell(self, error: UpstreamError) -> None:
        """Put the provider's name to *error*, take secrets out of it, and forget a key that was refused."""
        error.provider = error.provider or self.provider.name
        error.message = self._credentials.redact(error.message)
        error.args = (error.message,)
        error.body = self._without_secrets(error.body)
        if isinstance(error, AuthError):
            self._credentials.refresh(self._key)
            error.hint = error.hint or f"check its key: `mini-llm providers test {self.provider.name}`"

    def _without_secrets(self, body: bytes) -> bytes:
        return self._credentials.redact(body.decode("latin-1")).encode("latin-1")


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


async def _beginning(response: Response) -> bytes:
    """Return what came of a failed answer's body: its status tells the most, so what breaks there breaks nothing."""
    body = bytearray()
    try:
        async with aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > ERROR_LIMIT:
                    break
    except UpstreamError as error:
        if isinstance(error, DeadlineError) and error.phase == "first content":
            raise  # it only drips, which is as bad as silence
    return bytes(body[:ERROR_LIMIT])
