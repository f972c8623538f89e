"""Send one body to one target: get a Reply, or the UpstreamError that says what went wrong.

The only place where a secret meets a request. Whatever a provider says in an error passes the redactor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import NamedTuple
from urllib.parse import quote

import orjson

from mini_llm import dialects, sse
from mini_llm.credentials import Credentials, Secret, origin_of
from mini_llm.dialects import TargetDialect, surrogates
from mini_llm.errors import AuthError, ConfigError, NotAnAPIError, ProtocolError, UpstreamError, UsageError
from mini_llm.meter import scattered
from mini_llm.providers import AUTH, SIGNED, Provider, Registry
from mini_llm.routing import Target
from mini_llm.signing import Outgoing, Signers
from mini_llm.transport import Response, Timeouts, Transport
from mini_llm.types import Delta, Json

ERROR_LIMIT = 1 << 20
BODY_LIMIT = 64 << 20
USER_AGENT = "mini-llm"
SECRET_HEADERS = ("auth", "cookie", "credential", "key", "password", "secret", "session", "token")
SLOW_REFERENCES = ("keyring:", "cmd:", "file:")


class Request(NamedTuple):
    """What goes out: the body in the target's own dialect, and how long each phase may take."""

    body: bytes
    stream: bool
    timeouts: Timeouts
    headers: Sequence[tuple[str, str]] = ()
    path: str = ""


class Reply:
    """A 2xx answer, its body still on the wire."""

    def __init__(self, provider: Provider, dialect: TargetDialect, response: Response) -> None:
        self.provider = provider
        self.dialect = dialect
        self.response = response

    @property
    def request_id(self) -> str:
        """The provider's own name for this answer, "" if it gave none."""
        headers = self.response.headers
        return headers.get("x-request-id") or headers.get("request-id")

    async def json(self) -> Json:
        """Return the whole body. Raises ProtocolError unless it is a JSON object."""
        return self._object(await self.response.read(BODY_LIMIT))

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it streams. Raises ProtocolError for one that is too large for any answer."""
        size = 0
        async with aclosing(self.response.chunks()) as chunks:
            async for chunk in chunks:
                size += len(chunk)
                if size > BODY_LIMIT:
                    raise ProtocolError(f"{self.provider.name} streamed more than {BODY_LIMIT >> 20} MiB")
                yield chunk

    async def deltas(self) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it streams, decoded. One that came whole, though a stream was asked for, is taken too."""
        async with aclosing(self.chunks()) as chunks:
            first = await anext(chunks, b"")
            if self.dialect.events is sse.events and first.lstrip()[:1] == b"{":
                rest = [chunk async for chunk in chunks]
                for delta in scattered(self.dialect.decode_response(self._object(b"".join([first, *rest])))):
                    yield delta
                return
            events = self.dialect.events(_from(first, chunks))
            async with aclosing(self.dialect.decode_stream(events)) as deltas:
                async for delta in deltas:
                    yield delta
        await self.response.finish()

    def _object(self, raw: bytes) -> Json:
        try:
            body = surrogates.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ProtocolError(
                f"{self.provider.name} sent {len(raw)} bytes that are no JSON", provider=self.provider.name
            ) from error
        if not isinstance(body, dict):
            raise ProtocolError(f"{self.provider.name} sent JSON that is not an object", provider=self.provider.name)
        return body


async def _from(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for chunk in rest:
        yield chunk


class Sending:
    """A request that only has to be sent."""

    def __init__(
        self,
        provider: Provider,
        dialect: TargetDialect,
        exchange: AbstractAsyncContextManager[Response],
        credentials: Credentials,
    ) -> None:
        self.provider = provider
        self._dialect = dialect
        self._exchange = exchange
        self._credentials = credentials

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Reply]:
        """Send it, once; the reply is open inside the block and its connection is let go after it.

        Raises UpstreamError, with `provider` set, also for what the block itself finds wrong with the answer.
        """
        try:
            async with self._exchange as response:
                await self._refuse_failure(response)
                yield Reply(self.provider, self._dialect, response)
        except UpstreamError as error:
            self._tell(error)
            raise

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
            self._credentials.refresh(self.provider.api_key)
            error.hint = error.hint or f"check its key: `mini-llm providers test {self.provider.name}`"

    def _without_secrets(self, body: bytes) -> bytes:
        return self._credentials.redact(body.decode("latin-1")).encode("latin-1")


class Upstream:
    """Talk to providers."""

    def __init__(self, transport: Transport, registry: Registry, credentials: Credentials, signers: Signers) -> None:
        self._transport = transport
        self._registry = registry
        self._credentials = credentials
        self._signers = signers

    async def prepare(self, target: Target, request: Request) -> Sending:
        """Do all that comes before the first byte of *request*.

        Raises CredentialError if there is no key, UsageError or ConfigError for what cannot be sent at all.
        """
        provider = self._registry.get(target.provider)
        dialect = dialects.of_target(provider.dialect)
        path = _path(provider, dialect, target, request)
        if not path.startswith("/"):  # else it would go on with the host's name, and the key with it
            raise ConfigError(f"the path {path!r} of {provider.name} must begin with a slash")
        url = provider.base_url + path.replace("{model}", _in_path(target.model))
        outgoing = Outgoing("POST", url, request.body)
        headers = [*await self._headers(provider, dialect, outgoing), *request.headers]
        exchange = self._transport.send("POST", url, headers=headers, body=request.body, timeouts=request.timeouts)
        return Sending(provider, dialect, exchange, self._credentials)

    @asynccontextmanager
    async def open(self, target: Target, request: Request) -> AsyncIterator[Reply]:
        """Send *request*: `prepare` and `Sending.open` in one."""
        async with (await self.prepare(target, request)).open() as reply:
            yield reply

    async def get_json(self, provider: Provider, path: str, *, timeouts: Timeouts) -> Json:
        """Return what a GET of *path* at *provider* answers (its list of models, say)."""
        dialect = dialects.of_target(provider.dialect)
        url = provider.base_url + path
        headers = await self._headers(provider, dialect, Outgoing("GET", url, b""))
        exchange = self._transport.send("GET", url, headers=headers, timeouts=timeouts)
        async with Sending(provider, dialect, exchange, self._credentials).open() as reply:
            return await reply.json()

    async def _headers(self, provider: Provider, dialect: TargetDialect, outgoing: Outgoing) -> list[tuple[str, str]]:
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **dialect.HEADERS,
            **{name.lower(): self._filled(name, value) for name, value in provider.headers.items()},
        }
        if provider.auth in SIGNED:
            return list({**headers, **await self._signers.headers(provider.auth, outgoing)}.items())
        reference = self._registry.key_reference(provider)
        if reference:
            origin = origin_of(provider.base_url)
            name, template = AUTH[provider.auth]
            headers[name] = template.format((await self._secret(reference, origin)).reveal(origin))
        return list(headers.items())

    def _filled(self, name: str, value: str) -> str:
        """Return a header's value; what is secret by its name is hidden from now on."""
        value = self._credentials.fill(value)
        if any(word in name.lower() for word in SECRET_HEADERS):
            for word in value.split():
                self._credentials.hide(word)
        return value

    async def _secret(self, reference: str, origin: str) -> Secret:
        """Look a secret up; where that may take seconds, beside the loop."""
        if reference.startswith(SLOW_REFERENCES):
            return await asyncio.to_thread(self._credentials.find, reference, origin=origin)
        return self._credentials.find(reference, origin=origin)


def _path(provider: Provider, dialect: TargetDialect, target: Target, request: Request) -> str:
    """Return where *request* goes below the base URL: the provider's file knows better than the dialect."""
    kind = request.path.strip("/") or ("stream" if request.stream else "chat")
    own = provider.paths.get(kind) or (provider.paths.get("chat") if kind == "stream" else "")
    return own or request.path or dialect.path(target.model, stream=request.stream)


def _in_path(model: str) -> str:
    """Return *model* as it may stand in a path: a name that a caller made up must not lead to another place."""
    if any(step in (".", "..") for step in model.split("/")):
        raise UsageError(f"{model!r} is no name of a model")
    return quote(model, safe="/:@")


async def _beginning(response: Response) -> bytes:
    """Return what came of a failed answer's body: its status tells the most, so what breaks there breaks nothing."""
    body = bytearray()
    with suppress(UpstreamError):
        async with aclosing(response.chunks()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > ERROR_LIMIT:
                    break
    return bytes(body[:ERROR_LIMIT])
