"""One request on its way to a provider: what it is told in an error names the provider, the way out, and no secret."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager, aclosing
from types import TracebackType
from urllib.parse import urlsplit

import orjson

from mini_llm.credentials import Credentials
from mini_llm.dialects import TargetDialect
from mini_llm.errors import AuthError, DeadlineError, NetworkError, NotAnAPIError, QuotaError, UpstreamError
from mini_llm.providers import WALLET, Provider
from mini_llm.transport import Response
from mini_llm.upstream.reply import Reply

ERROR_LIMIT = 1 << 20


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
        error.hint = error.hint or self._way_out(error)

    def _way_out(self, error: UpstreamError) -> str:
        """Return what to do about *error*, "" if that is not known."""
        name, wallet = self.provider.name, self.provider.name == WALLET
        if isinstance(error, AuthError):
            return "run `mini-llm login`" if wallet else f"check its key: `mini-llm providers test {name}`"
        if type(error) is NetworkError and not wallet:
            running = f"is it running? `mini-llm providers show {name}`"
            return running if self.provider.local else "`mini-llm doctor` looks for the cause"
        if wallet and isinstance(error, QuotaError) and (link := _top_up_link(error.body, self.provider.base_url)):
            return f"top up at {link}"
        return ""

    def _without_secrets(self, body: bytes) -> bytes:
        return self._credentials.redact(body.decode("latin-1")).encode("latin-1")


def _top_up_link(body: bytes, base_url: str) -> str:
    """Return the page where the wallet sells credits, "" unless it is one of the wallet's own."""
    try:
        link = orjson.loads(body)["error"]["top_up_url"]
        there, here = urlsplit(link), urlsplit(base_url)
        known = there.hostname == here.hostname or f".{here.hostname}".endswith(f".{there.hostname}")
        return link if known and there.scheme == here.scheme and re.fullmatch(r"[!-~]{1,300}", link) else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


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
