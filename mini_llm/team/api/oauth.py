"""Login without a browser at hand (RFC 8628), new tokens for old (RFC 6749 §6), and their end (RFC 7009)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway, Room
from mini_llm.team import audit, devices, keys
from mini_llm.team.api import answers, discovery
from mini_llm.team.api.answers import OAuthError
from mini_llm.team.limits import Limits, Rule, network_of
from mini_llm.team.state import Team
from mini_llm.team.store import Db

# Whoever asks leaves a row: from one place so many a minute, which is more than people and scripts need.
RULES: Mapping[str, Rule] = {"device": Rule(30, 60.0)}
LONGEST = 200
REFUSALS: Mapping[type, tuple[str, str]] = {
    devices.Waiting: ("authorization_pending", "nobody has decided yet"),
    devices.SlowDown: ("slow_down", "this is asked too often"),
    devices.Denied: ("access_denied", "the request was declined"),
    devices.Expired: ("expired_token", "the code is no longer good"),
    devices.Invalid: ("invalid_grant", "there is no such device code, or it was used"),
}


def rooms(team: Team) -> Mapping[str, Mapping[str, Room]]:
    """Return the rooms by path."""
    oauth = _OAuth(team)
    handlers = {discovery.DEVICE: oauth.device, discovery.TOKEN: oauth.token, discovery.REVOKE: oauth.revoke}
    return {
        path: {"POST": Room(handler, "open", body="form", tell=answers.tell_oauth)}
        for path, handler in handlers.items()
    }


class _OAuth:
    """The three endpoints."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._limits = Limits(RULES)

    async def device(self, gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        """Begin a login: one code for the device, another for its user."""
        form = _form(request)
        scope = _scope(form)
        self._limits.take("device", network_of(request.peer))
        team, place = self._team, request.peer
        named = form.get("device", "")[:LONGEST]
        grant = await team.store.write(lambda db: devices.begin(db, discovery.CLIENT, named, place, scope, team.now()))
        page = f"{team.issuer(request)}/auth"
        body = {
            "device_code": grant.device_code,
            "user_code": grant.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={grant.user_code}",
            "expires_in": grant.expires_in,
            "interval": grant.interval,
        }
        answers.send(responder, exchange, body)

    async def token(self, gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        """Give a token for a device code that was approved, or for a refresh token."""
        form = answers.form_of(request)
        grant = form.get("grant_type", "")
        if grant == discovery.DEVICE_GRANT:
            _check_client(form)
            found = await self._polled(_field(form, "device_code"))
        elif grant == "refresh_token":
            _check_client(form)
            found = await self._rotated(_field(form, "refresh_token"))
        elif grant:
            raise OAuthError("unsupported_grant_type", f"no token is given for {grant[:LONGEST]}")
        else:
            raise OAuthError("invalid_request", "grant_type is missing")
        answers.send(responder, exchange, found, fields=[answers.NO_STORE, ("pragma", "no-cache")])

    async def revoke(self, gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        """End a key, by its access token or its refresh token. 200 whatever it was: nobody learns what was good."""
        token = _field(answers.form_of(request), "token")
        team = self._team
        await team.store.write(lambda db: _revoke(db, token, request.peer, team.now()))
        answers.send(responder, exchange, {})

    async def _polled(self, code: str) -> dict[str, Any]:
        team = self._team
        outcome = await team.store.write(lambda db: devices.poll(db, code, discovery.CLIENT, team.now()))
        if isinstance(outcome, devices.Issued):
            return _told(outcome.access_token, outcome.refresh_token, outcome.expires_in, outcome.scope)
        told, words = REFUSALS[type(outcome)]
        raise OAuthError(told, words, interval=getattr(outcome, "interval", 0))

    async def _rotated(self, token: str) -> dict[str, Any]:
        team = self._team
        outcome = await team.store.write(lambda db: keys.rotate(db, token, team.now()))
        if outcome is None:
            raise OAuthError("invalid_grant", "the refresh token is no longer good; run mini-llm login")
        scope = " ".join(sorted(outcome.key.rights.scopes))
        return _told(outcome.access_token, outcome.refresh_token, outcome.expires_in, scope)


def _told(access: str, refresh: str | None, expires_in: int | None, scope: str) -> dict[str, Any]:
    body: dict[str, Any] = {"access_token": access, "token_type": "Bearer", "scope": scope}
    if expires_in is not None:
        body["expires_in"] = expires_in
    return body | ({"refresh_token": refresh} if refresh else {})


def _revoke(db: Db, token: str, address: str, now: float) -> None:
    key = keys.revoke_token(db, token, now)
    if key is not None:
        audit.note(db, key.team, key.member, "key.revoke", key.id, address, now, name=key.name, by="logout")


def _form(request: Request) -> dict[str, str]:
    form = answers.form_of(request)
    _check_client(form)
    return form


def _check_client(form: Mapping[str, str]) -> None:
    """Refuse what is no client of ours. It has no secret: who it is, the page that asks for consent says."""
    if form.get("client_id") != discovery.CLIENT:
        raise OAuthError("invalid_client", "client_id must be mini-llm-cli", status=401)


def _field(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value or len(value) > LONGEST:
        raise OAuthError("invalid_request", f"{name} is missing")
    return value


def _scope(form: Mapping[str, str]) -> str:
    """Return what is asked for, all there is where nothing is said. Raises OAuthError for what there is not."""
    asked = form.get("scope", "").split() or list(discovery.SCOPES)
    if not set(asked) <= set(discovery.SCOPES):
        raise OAuthError("invalid_scope", f"the scopes are {' '.join(discovery.SCOPES)}")
    return " ".join(dict.fromkeys(asked))
