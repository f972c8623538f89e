"""Send one body to one target: get a Reply, or the UpstreamError that says what went wrong.

The only place where a secret meets a request. Whatever a provider says in an error passes the redactor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import orjson

from mini_llm import dialects
from mini_llm.credentials import Credentials, Secret, origin_of
from mini_llm.dialects import TargetDialect
from mini_llm.errors import AuthError, NotAnAPIError, ProtocolError, UpstreamError
from mini_llm.providers import AUTH, Provider, Registry
from mini_llm.routing import Target
from mini_llm.transport import Response, Timeouts, Transport
from mini_llm.types import Delta, Json

ERROR_LIMIT = 1 << 20
BODY_LIMIT = 64 << 20
USER_AGENT = "mini-llm"
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
        raw = await self.response.read(BODY_LIMIT)
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise ProtocolError(
                f"{self.provider.name} sent {len(raw)} bytes that are no JSON", provider=self.provider.name
            ) from error
        if not isinstance(body, dict):
            raise ProtocolError(f"{self.provider.name} sent JSON that is not an object", provider=self.provider.name)
        return body

    def deltas(self) -> AsyncGenerator[Delta, None]:
        """Return the answer as it streams, decoded."""
        return self.dialect.decode_stream(self.dialect.events(self.response.chunks()))


class Upstream:
    """Talk to providers."""

    def __init__(self, transport: Transport, registry: Registry, credentials: Credentials) -> None:
        self._transport = transport
        self._registry = registry
        self._credentials = credentials

    @asynccontextmanager
    async def open(self, target: Target, request: Request) -> AsyncIterator[Reply]:
        """Send *request*; the reply is open inside the block and its connection is let go after it.

        Raises UpstreamError, with `provider` set, also for what the block itself finds wrong with the answer;
        CredentialError if there is no key.
        """
        provider = self._registry.get(target.provider)
        dialect = dialects.of_target(provider.dialect)
        path = request.path or provider.paths.get("chat") or dialect.path(target.model, stream=request.stream)
        url = provider.base_url + path.replace("{model}", target.model)
        try:
            async with self._transport.send(
                "POST",
                url,
                headers=[*await self._headers(provider, dialect), *request.headers],
                body=request.body,
                timeouts=request.timeouts,
            ) as response:
                await _refuse_failure(provider, dialect, response)
                yield Reply(provider, dialect, response)
        except UpstreamError as error:
            self._tell(provider, error)
            raise

    async def get_json(self, provider: Provider, path: str, *, timeouts: Timeouts) -> Json:
        """Return what a GET of *path* at *provider* answers (its list of models, say)."""
        dialect = dialects.of_target(provider.dialect)
        try:
            async with self._transport.send(
                "GET", provider.base_url + path, headers=await self._headers(provider, dialect), timeouts=timeouts
            ) as response:
                await _refuse_failure(provider, dialect, response)
                return await Reply(provider, dialect, response).json()
        except UpstreamError as error:
            self._tell(provider, error)
            raise

    async def _headers(self, provider: Provider, dialect: TargetDialect) -> list[tuple[str, str]]:
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **dialect.HEADERS,
            **{name.lower(): self._credentials.fill(value) for name, value in provider.headers.items()},
        }
        reference = self._registry.key_reference(provider)
        if reference:
            origin = origin_of(provider.base_url)
            name, template = AUTH[provider.auth]
            headers[name] = template.format((await self._secret(reference, origin)).reveal(origin))
        return list(headers.items())

    async def _secret(self, reference: str, origin: str) -> Secret:
        """Look a secret up; where that may take seconds, beside the loop."""
        if reference.startswith(SLOW_REFERENCES):
            return await asyncio.to_thread(self._credentials.find, reference, origin=origin)
        return self._credentials.find(reference, origin=origin)

    def _tell(self, provider: Provider, error: UpstreamError) -> None:
        """Put the provider's name to *error*, take secrets out of it, and forget a key that was refused."""
        error.provider = error.provider or provider.name
        error.message = self._credentials.redact(error.message)
        error.args = (error.message,)
        if isinstance(error, AuthError):
            self._credentials.refresh(self._registry.key_reference(provider))
            error.hint = error.hint or f"check its key: `mini-llm providers test {provider.name}`"


async def _refuse_failure(provider: Provider, dialect: TargetDialect, response: Response) -> None:
    """Raise what the status and the type of the answer amount to, if it is not one to go on with."""
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
    body = await response.read(ERROR_LIMIT)
    raise dialect.decode_error(response.status, dict(response.headers.items()), body)
