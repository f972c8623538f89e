"""Google's application default credentials, for Vertex. The only place that knows google-auth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google.auth
import google.auth.exceptions
import google.auth.transport
from google.oauth2 import service_account

from mini_llm.errors import CredentialError, UpstreamError
from mini_llm.signing import Outgoing, World
from mini_llm.transport import Timeouts, Transport

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, silence=10.0, total=20.0)
_HINT = "run `gcloud auth application-default login`, or set `GOOGLE_APPLICATION_CREDENTIALS`"


class Signer:
    """Gets access tokens, and a new one when the last is about to expire."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._credentials: Any = None
        self._one_at_a_time = asyncio.Lock()

    async def headers(self, outgoing: Outgoing) -> Mapping[str, str]:
        """Return the token, and whose quota is used where that is set."""
        async with self._one_at_a_time:
            if self._credentials is None or not self._credentials.valid:
                request = _Request(self._world.transport, asyncio.get_running_loop())
                await asyncio.to_thread(self._refresh, request)  # reads files, and waits for `request`
        headers = {"authorization": f"Bearer {self._credentials.token}"}
        if project := getattr(self._credentials, "quota_project_id", None):
            headers["x-goog-user-project"] = project
        return headers

    def _refresh(self, request: _Request) -> None:
        try:
            if self._credentials is None:
                self._credentials = self._found(request)
            self._credentials.refresh(request)
        except google.auth.exceptions.DefaultCredentialsError as error:
            raise CredentialError("no Google credentials", hint=_HINT) from error
        except (google.auth.exceptions.GoogleAuthError, UpstreamError, ValueError) as error:
            raise CredentialError(f"no access token from Google: {error}", hint=_HINT) from error
        self._world.hide(self._credentials.token)

    def _found(self, request: _Request) -> Any:
        """Return the credentials of the service account that the environment names, else what google-auth finds."""
        if file := self._world.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
            try:
                account = json.loads(Path(file).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise CredentialError(f"{file} can't be read: {error}", hint=_HINT) from error
            if isinstance(account, dict) and account.get("type") == "service_account":
                made: Any = service_account.Credentials.from_service_account_info  # has no types
                return made(account, scopes=SCOPES)
        found, _ = google.auth.default(scopes=SCOPES, request=request)
        return found


class _Answer(google.auth.transport.Response):
    """What google-auth reads of an answer."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self._all = (status, headers, data)

    @property
    def status(self) -> int:
        return self._all[0]

    @property
    def headers(self) -> Mapping[str, str]:
        return self._all[1]

    @property
    def data(self) -> bytes:
        return self._all[2]


class _Request(google.auth.transport.Request):
    """How google-auth, in a thread of its own, asks over our connections: the same proxies and certificates."""

    def __init__(self, transport: Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop

    def __call__(
        self, url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: Any = None, **_: Any
    ) -> _Answer:
        content = body.encode() if isinstance(body, str) else body or b""
        asked = self._ask(method, url, dict(headers or {}), content)
        try:
            return asyncio.run_coroutine_threadsafe(asked, self._loop).result()
        except UpstreamError as error:
            failed: Any = google.auth.exceptions.TransportError  # has no types
            raise failed(error.message) from error

    async def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes) -> _Answer:
        exchange = self._transport.send(method, url, headers=list(headers.items()), body=body, timeouts=TIMEOUTS)
        async with exchange as response:
            return _Answer(response.status, dict(response.headers.items()), await response.read())
