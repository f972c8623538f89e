"""Path → room. Every request comes in here; what leaves a room as an error is told in the caller's dialect."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping

import orjson

from mini_llm import dialects
from mini_llm.errors import MiniLLMError, UpstreamError
from mini_llm.gateway import heads, routes
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.connection import RefusedError
from mini_llm.gateway.inflating import inflated
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway, Room, Table

MOST_INFLATED = 32 * 1024 * 1024
_SANE = re.compile(r"[ -~]{1,128}")  # what a caller may call its request
_TRACEPARENT = 55  # characters
_log = logging.getLogger(__name__)


class LaterError(MiniLLMError):
    """The gateway can't answer now, and soon can."""

    status = 503
    code = "overloaded"
    retry_after = 1.0


class ShuttingDownError(LaterError):
    """The gateway ends before this answer did."""

    code = "shutting_down"

    def __init__(self) -> None:
        super().__init__("the gateway is shutting down", hint="ask again in a moment")


class App:
    """The application a server serves: finds the room, checks who asks, runs it, and tells what went wrong."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def admit(self, request: Request) -> None:
        """Refuse, by its head alone, what is not for us, not allowed, or nowhere. The room's key is kept."""
        guard = self.gateway.guard
        guard.check_origin(request)
        request.peer = guard.client(request)
        request.room = self._room(request)
        request.caller = guard.check_caller(request, request.room.access)
        guard.check_body(request, request.room)
        if self.gateway.pressed and request.method == "POST" and request.room.access == "caller":
            raise LaterError("the gateway is short of memory", hint="ask again in a moment")

    def refuse(self, request: Request, responder: Responder, error: MiniLLMError) -> None:
        """Answer a request that was not admitted, or was no HTTP."""
        exchange = self._begin(request)
        self._tell(request, responder, exchange, error)
        self._end(exchange, responder)

    async def __call__(self, request: Request, responder: Responder) -> None:
        """Answer *request*, whatever happens in its room."""
        exchange = self._begin(request)
        try:
            assert request.room is not None  # it was admitted
            if coding := request.headers.get("content-encoding"):
                request.body = await inflated(request.body, coding, MOST_INFLATED)
            await request.room.handler(self.gateway, request, responder, exchange)
            exchange.outcome = exchange.outcome or "ok"
        except MiniLLMError as error:
            self._tell(request, responder, exchange, error)
        except asyncio.CancelledError:
            exchange.outcome = "cancelled"
            if self.gateway.closing and not responder.ended:  # the client is there: we are who leaves
                self._tell(request, responder, exchange, ShuttingDownError())
            raise
        except Exception as error:  # a fault of ours: told as such, and never in words that could hold a secret
            _log.exception("request %s failed", exchange.id)
            self._tell(request, responder, exchange, _fault(error))
        finally:
            self._end(exchange, responder)

    def _room(self, request: Request) -> Room:
        table: Table = self.gateway.table or routes
        rooms = table.find(request.path)
        if rooms is None:
            near = table.nearest(request.path)
            raise RefusedError(404, f"there is no {request.path[:200]} here{near}", code="not_found")
        room = rooms.get(request.method)
        if room is None:
            allow = ", ".join(sorted(rooms))
            told = f"{request.method[:20]} does not go here: {allow} does"
            raise RefusedError(405, told, code="wrong_method", allow=allow)
        return room

    def _begin(self, request: Request) -> Exchange:
        calls = self.gateway.calls
        exchange = Exchange(calls.new_id(), request.method, request.path, started=calls.clock(), peer=request.peer)
        request.id = exchange.id
        exchange.caller, exchange.tool = request.caller
        exchange.request_bytes = len(request.body)
        headers = request.headers
        if "x-request-id" in headers and _SANE.fullmatch(headers["x-request-id"]):
            exchange.client_id = headers["x-request-id"]
        if "traceparent" in headers:
            exchange.traceparent = headers["traceparent"][:_TRACEPARENT]
        if request.room is not None and request.method == "POST":
            exchange.dialect = request.room.dialect
        calls.begin(exchange)
        return exchange

    def _end(self, exchange: Exchange, responder: Responder) -> None:
        calls = self.gateway.calls
        exchange.status = responder.status
        exchange.sent_bytes = responder.sent
        exchange.seconds = max(0.0, calls.clock() - exchange.started)
        calls.end(exchange)
        for observe in self.gateway.observers:
            observe(exchange)

    def _tell(self, request: Request, responder: Responder, exchange: Exchange, error: MiniLLMError) -> None:
        """Tell *error* in the dialect of the room: as a status, or as an event where a stream was begun."""
        exchange.outcome = error.code
        if isinstance(error, UpstreamError) and not exchange.provider:
            exchange.provider, exchange.attempts = error.provider, error.attempts
        dialect = dialects.get(request.room.dialect if request.room else "openai_chat")
        if responder.streaming:
            exchange.outcome = "partial" if exchange.first_content is not None else error.code
            responder.write(dialect.encode_error_event(error, request_id=exchange.id))
            responder.finish()
        elif not responder.status and request.room is not None and request.room.tell is not None:
            status, fields, body = request.room.tell(error, exchange)
            responder.send(status, [*fields, *_fields(error, exchange).items()], body)
        elif not responder.status:
            body = self._unmodified(error, dialect.NAME) or orjson.dumps(
                dialect.encode_error(error, request_id=exchange.id)
            )
            responder.send(error.status, [heads.JSON, *_fields(error, exchange).items()], body)

    def _unmodified(self, error: MiniLLMError, dialect: str) -> bytes:
        """Return the provider's own error body where the caller speaks the same dialect, b"" elsewhere."""
        if not isinstance(error, UpstreamError) or error.status != error.upstream_status or not error.body:
            return b""
        provider = self.gateway.runtime.registry.get(error.provider)
        return error.body if provider.dialect == dialect and error.body.lstrip()[:1] == b"{" else b""


def _fields(error: MiniLLMError, exchange: Exchange) -> Mapping[str, str]:
    """Return what the head of a failed answer says beside its body."""
    fields = dict(heads.named(exchange))
    if exchange.attempts:
        fields["x-mini-llm-attempts"] = str(exchange.attempts)
    wait = getattr(error, "retry_after", None)  # of several kinds of errors, here and in the rooms of others
    if wait is not None:
        fields["retry-after"] = str(max(1, round(wait)))
    elif error.status != 408:
        fields["x-should-retry"] = "false"
    if isinstance(error, RefusedError) and error.allow:
        fields["allow"] = error.allow
    if error.status == 401:
        fields["www-authenticate"] = "Bearer"
    return fields


def _fault(error: Exception) -> MiniLLMError:
    return MiniLLMError(f"the gateway failed: {type(error).__name__}", hint="see its log")
