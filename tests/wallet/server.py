"""A wallet service on a real socket, in a thread of its own: well-behaved unless a test scripts it otherwise.

with wallet() as server:
    server.scripts["/oauth/token"] = [refusal("authorization_pending"), grant()]
    ...sign in at server.url...
    assert server.asked("/v1/account")[0].header("authorization") == f"Bearer {KEY}"
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

from tests.hostile import Hostile, Request, Script, answer, hostile

DISCOVERY = "/.well-known/oauth-authorization-server"
KEY = "pk-" + "k" * 43
REFRESH = "pr-" + "r" * 43
DEVICE_CODE = "pd-" + "d" * 43
USER_CODE = "WDJB-MJHT"
ACCOUNT: dict[str, Any] = {
    "id": "acc_1",
    "email": "a@example.com",
    "name": "A",
    "plan": "free",
    "team": {"id": "team_1", "name": "Example", "role": "member"},
    "key": {"id": "key_1", "name": "laptop", "created_at": "2026-11-22T10:00:00Z", "expires_at": None},
    "credits": {"currency": "USD", "balance": "47.66", "low": False, "top_up_url": "https://passy.ai/credits"},
    "usage": {"today": "2.34", "month": "31.20", "requests_today": 412, "time_zone": "UTC"},
    "budget": {"limit": "10.00", "period": "day", "spent": "2.34", "resets_at": "2026-11-23T00:00:00Z"},
    "discount": "0.10",
    "features": {"fallback": True, "costOptimization": True, "discounts": True},
}
MODELS = {
    "object": "list",
    "data": [
        {"id": "llama-70b", "context_window": 131072, "pricing": {"input": "0.54", "output": "0.71"}},
        {"id": "gpt-5.5", "capabilities": ["tools"], "pricing": None},
    ],
}


class Served:
    """The running service."""

    def __init__(self, peer: Hostile) -> None:
        self.peer = peer
        self.url = peer.url
        self.api = f"{peer.url}/v1"
        self.scripts: dict[str, Script | Sequence[Script]] = peer.scripts
        self.scripts |= {
            DISCOVERY: told(self.document()),
            "/oauth/device/code": told(self.device()),
            "/oauth/token": grant(),
            "/oauth/revoke": answer(b""),
            "/v1/account": told(ACCOUNT),
            "/v1/models": told(MODELS),
        }

    def document(self, **changes: Any) -> dict[str, Any]:
        """Return what discovery answers."""
        return {
            "issuer": self.url,
            "device_authorization_endpoint": f"{self.url}/oauth/device/code",
            "token_endpoint": f"{self.url}/oauth/token",
            "revocation_endpoint": f"{self.url}/oauth/revoke",
            "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
            "mini_llm_wallet": {"version": 1, "api": self.api, "dashboard": f"{self.url}/dashboard"},
            **changes,
        }

    def device(self, **changes: Any) -> dict[str, Any]:
        """Return what the device authorization endpoint answers."""
        return {
            "device_code": DEVICE_CODE,
            "user_code": USER_CODE,
            "verification_uri": f"{self.url}/auth",
            "verification_uri_complete": f"{self.url}/auth?user_code={USER_CODE}",
            "expires_in": 600,
            "interval": 1,
            **changes,
        }

    def asked(self, path: str) -> list[Request]:
        """Return the requests for *path*."""
        return [request for request in self.peer.requests if request.path == path]

    def forms(self, path: str) -> list[dict[str, str]]:
        """Return the forms that came to *path*."""
        return [dict(parse_qsl(request.body.decode())) for request in self.asked(path)]


def told(value: Any, *, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> bytes:
    """Return an answer with *value* as JSON."""
    return answer(json.dumps(value).encode(), status=status, headers=[("content-type", "application/json"), *headers])


def refusal(error: str, *, status: int = 400, **more: Any) -> bytes:
    """Return an error as RFC 6749 §5.2 writes it."""
    return told({"error": error, **more}, status=status)


def grant(key: str = KEY, **more: Any) -> bytes:
    """Return the answer that ends a login."""
    return told({"access_token": key, "token_type": "Bearer", "scope": "inference usage", **more})


@contextmanager
def wallet() -> Iterator[Served]:
    """Run the service."""
    loop = asyncio.new_event_loop()
    ready: list[Served] = []
    begun, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with hostile() as peer:
            ready.append(Served(peer))
            begun.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert begun.wait(20)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(20)
        loop.close()
