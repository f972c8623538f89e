"""Find out where a wallet service wants to be asked (RFC 8414), and believe only what it may say."""

from __future__ import annotations

from typing import NamedTuple

from mini_llm.config.address import shown
from mini_llm.errors import NotAnAPIError, ProtocolError
from mini_llm.types import Json
from mini_llm.wallet import addresses
from mini_llm.wallet.addresses import ISSUER, label_of
from mini_llm.wallet.service import Service

PLACE = "/.well-known/oauth-authorization-server"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
VERSION = 1


class Endpoints(NamedTuple):
    """Where an issuer wants to be asked. `revocation` and `dashboard` are "" where it has none."""

    issuer: str
    device: str
    token: str
    revocation: str
    api: str
    dashboard: str


DEFAULT = Endpoints(
    ISSUER,
    f"{ISSUER}/oauth/device/code",
    f"{ISSUER}/oauth/token",
    f"{ISSUER}/oauth/revoke",
    "https://api.passy.ai/v1",
    f"{ISSUER}/dashboard",
)


async def discover(service: Service, issuer: str) -> Endpoints:
    """Ask *issuer* where it wants to be asked. Raises ProtocolError for what it may not say."""
    answer = await service.get(issuer + PLACE)
    if answer.status == 404:
        if issuer == ISSUER:
            return DEFAULT
        raise NotAnAPIError(f"there is no wallet at {issuer}", hint="check the address after `--url`")
    answer.refuse()
    return read(answer.object(), issuer)


def read(found: Json, issuer: str) -> Endpoints:
    """Return what the document says, if all of it is allowed."""
    told = found.get("issuer")
    if addresses.normal(told) != issuer:
        named = shown(told) if isinstance(told, str) else "nobody"
        raise ProtocolError(f"{issuer} says that it is {named}", hint="use that address after `--url` if it is right")
    wallet = found.get("mini_llm_wallet")
    if not isinstance(wallet, dict):
        raise NotAnAPIError(f"{label_of(issuer)} signs people in, but it is no wallet")
    _check_version(wallet.get("version"), issuer)
    _check_grants(found.get("grant_types_supported"), issuer)
    if problem := addresses.problem_of(wallet.get("api"), issuer):
        raise ProtocolError(f"{label_of(issuer)} names an API that is not asked: {problem}")
    api = str(wallet["api"]).rstrip("/")

    def place(name: str) -> str:
        return addresses.endpoint(found.get(name), issuer=issuer, api=api, what=name)

    return Endpoints(
        issuer,
        place("device_authorization_endpoint"),
        place("token_endpoint"),
        place("revocation_endpoint") if found.get("revocation_endpoint") else "",
        api,
        addresses.to_open(wallet["dashboard"], issuer, "dashboard") if wallet.get("dashboard") else "",
    )


def _check_version(version: object, issuer: str) -> None:
    if version != VERSION or isinstance(version, bool):
        newer = isinstance(version, int) and version > VERSION
        raise ProtocolError(
            f"{label_of(issuer)} speaks another version of the wallet protocol",
            hint="update mini-llm" if newer else "",
        )


def _check_grants(grants: object, issuer: str) -> None:
    if grants is not None and (not isinstance(grants, list) or DEVICE_GRANT not in grants):
        raise ProtocolError(f"{label_of(issuer)} lets nobody sign in from a command line")
