"""Where everything is: RFC 8414's document, with our own member in it."""

from __future__ import annotations

from collections.abc import Mapping

from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway, Room
from mini_llm.team.api import answers
from mini_llm.team.state import Team

PATH = "/.well-known/oauth-authorization-server"
DEVICE, TOKEN, REVOKE = "/oauth/device/code", "/oauth/token", "/oauth/revoke"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT = "mini-llm-cli"
SCOPES = ("inference", "usage")


def rooms(team: Team) -> Mapping[str, Mapping[str, Room]]:
    """Return the rooms by path."""

    async def document(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        answers.send(responder, exchange, described(team.issuer(request)))

    return {PATH: {"GET": Room(document, "open")}}


def described(issuer: str) -> dict[str, object]:
    """Return what a client has to know of the service at *issuer*."""
    return {
        "issuer": issuer,
        "device_authorization_endpoint": issuer + DEVICE,
        "token_endpoint": issuer + TOKEN,
        "revocation_endpoint": issuer + REVOKE,
        "grant_types_supported": [DEVICE_GRANT, "refresh_token"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": list(SCOPES),
        "mini_llm_wallet": {"version": 1, "api": f"{issuer}/v1", "dashboard": f"{issuer}/dashboard"},
    }
