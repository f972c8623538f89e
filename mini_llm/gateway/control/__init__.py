"""The control API: what the dashboard, the tray and `mini-llm status` stand on. JSON, for the main token alone.

docs/control.md describes each shape.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from mini_llm.errors import ConfigError, MiniLLMError
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.control import changes, views
from mini_llm.gateway.control.problems import described
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway, Room

PREFIX = "/control/v1/"
LARGEST_BODY = 64 * 1024
LONGEST_NAME = 200
FIELDS = (("content-type", "application/json"), ("cache-control", "no-store"))

_Told = Callable[[Gateway, Request, str], Awaitable[Any]]


class RefusedError(MiniLLMError):
    """A request that the control API does not take."""

    code = "invalid_request"

    def __init__(self, status: int, message: str, *, code: str = "invalid_request", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


def find(path: str) -> Mapping[str, Room] | None:
    """Return the rooms at *path* by method, None if there is nothing."""
    rooms = _ROOMS.get(path)
    if rooms is not None or not path.startswith(PREFIX):
        return rooms
    kind, _, name = path.removeprefix(PREFIX).partition("/")
    return _OF_ONE.get(kind) if name and len(name) <= LONGEST_NAME * 3 else None


def table() -> Iterator[tuple[str, str, Room]]:
    """Yield every method and path with its room; `{name}` stands for a name."""
    for path, rooms in _ROOMS.items():
        yield from ((method, path, room) for method, room in rooms.items())
    for kind, rooms in _OF_ONE.items():
        yield from ((method, f"{PREFIX}{kind}/{{name}}", room) for method, room in rooms.items())


def _room(tell: _Told) -> Room:
    """Return the room that answers with what *tell* returns."""

    async def room(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
        exchange.dialect = ""
        try:
            _check(request)
            status, told = 200, await tell(gateway, request, _name(request.path))
        except MiniLLMError as error:
            exchange.outcome = error.code
            status = 400 if isinstance(error, ConfigError) else error.status
            told = {"error": described(error)}
        text = orjson.dumps(told, option=orjson.OPT_NON_STR_KEYS).decode()
        responder.send(status, FIELDS, gateway.runtime.credentials.redact(text).encode())

    return Room(room, "admin")


def _check(request: Request) -> None:
    """Refuse pages of others, whatever the guard lets in elsewhere, and what is no small body."""
    headers = request.headers
    own = f"{'https' if request.tls else 'http'}://{headers.get('host', '')}"
    if headers.get("origin", own) != own or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise RefusedError(403, "no other page may control the gateway", code="wrong_origin")
    if len(request.body) > LARGEST_BODY:
        raise RefusedError(413, "the body is larger than 64 KiB", code="request_too_large")


def _name(path: str) -> str:
    """Return the name that *path* ends with, "" if it names nothing."""
    name = unquote(path.removeprefix(PREFIX).partition("/")[2], errors="replace")
    if len(name) > LONGEST_NAME or not (name.isprintable() or not name):
        raise RefusedError(404, "nothing has such a name", code="not_found")
    return name


_ROOMS: Mapping[str, Mapping[str, Room]] = {
    f"{PREFIX}status": {"GET": _room(views.status)},
    f"{PREFIX}targets": {"GET": _room(views.targets)},
    f"{PREFIX}routes": {"GET": _room(views.routes)},
    f"{PREFIX}requests": {"GET": _room(views.requests)},
    f"{PREFIX}usage": {"GET": _room(views.usage)},
    f"{PREFIX}providers": {"GET": _room(views.providers)},
    f"{PREFIX}aliases": {"GET": _room(views.aliases)},
    f"{PREFIX}reload": {"POST": _room(changes.reload)},
}
_OF_ONE: Mapping[str, Mapping[str, Room]] = {
    "routes": {"GET": _room(views.route)},
    "providers": {
        "GET": _room(views.provider),
        "PUT": _room(changes.put_provider),
        "DELETE": _room(changes.delete_provider),
    },
    "aliases": {"PUT": _room(changes.put_alias), "DELETE": _room(changes.delete_alias)},
}
