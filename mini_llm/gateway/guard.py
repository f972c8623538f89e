"""Who may ask: the Host a request names, the Origin it comes from, the token it carries, the type of its body.

Each check stands alone: none is left out because another one passed.
"""

from __future__ import annotations

import hmac
import math
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.request import Request
from mini_llm.gateway.tokens import MAIN, SHAPE, Caller, digest

if TYPE_CHECKING:  # a guard looks at what a room says of itself
    from mini_llm.gateway.state import Room

Networks = Sequence[IPv4Network | IPv6Network]

# Where clients put their key. All of them mean the same here, so that no spelling has rules of its own.
SLOTS = ("authorization", "x-api-key", "x-goog-api-key", "api-key")
NOBODY = Caller("", "")
# What a URL may not carry: it would stand in histories, logs and referrers.
KEY_PARAMETERS = frozenset({"key", "api_key", "api-key", "apikey", "access_token", "token"})
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
HOST = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json")
FORM_TYPE = "application/x-www-form-urlencoded"
UNGUARDED = ("open", "session")  # rooms that take no token
LARGEST_FORM = 64 * 1024
LONGEST_CHAIN = 2048
LOOK_SECONDS = 0.2  # between two looks for tokens that were made meanwhile


class GuardError(MiniLLMError):
    """A request that is not let in."""

    def __init__(self, status: int, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


def hosts(port: int, names: Collection[str] = ()) -> frozenset[str]:
    """Return what may stand in Host: the loopback's names at *port*, and *names*, each with a port of its own or none.

    A name without a port is served at *port* and, for a proxy that stands before us, at the usual ones.
    """
    served = {f"{name}:{port}" for name in LOOPBACK_NAMES}
    for name in (name.lower() for name in names):
        bare = not re.search(r":\d+$", name)
        served |= {name, f"{name}:{port}", f"{name}:443", f"{name}:80"} if bare else {name}
    if port in (80, 443):
        served |= set(LOOPBACK_NAMES)
    return frozenset(served)


class Callers(Protocol):
    """Who is let in by which token, where that is not a gateway's own list."""

    def find(self, token: str) -> Caller | None:
        """Return who *token* stands for; called on the event loop, so it may not wait."""

    def stranger(self) -> MiniLLMError:
        """Return what is told to who is not let in."""


class Guard:
    """Let in what names one of *hosts* and carries a token whose SHA-256 is in *tokens*, or one that *callers* know.

    *origins* are the web pages that may ask. *proxies* are the networks whose word on a client's address counts; with
    them set, nobody from elsewhere may come in without TLS. *newcomers* looks up the tokens anew: one that was made a
    moment ago is good at once.
    """

    def __init__(
        self,
        hosts: Collection[str],
        tokens: Mapping[bytes, Caller],
        *,
        origins: Collection[str] = (),
        proxies: Networks = (),
        newcomers: Callable[[], Mapping[bytes, Caller]] = dict,
        now: Callable[[], float] = time.monotonic,
        callers: Callers | None = None,
    ) -> None:
        self._callers = callers
        self._hosts = frozenset(hosts)
        self._tokens = tuple(tokens.items())
        self._newcomers = newcomers
        self._now = now
        self._looked = -math.inf
        self._origins = frozenset(origins)
        self._proxies = tuple(proxies)

    def check_origin(self, request: Request) -> None:
        """Refuse what is not for us: a wrong target or Host, an unknown Origin, a stranger to our proxy."""
        headers = request.headers
        if request.path[:1] != "/":  # `http://…`, `*`, `host:port`: what a proxy is asked
            raise GuardError(400, "this is no proxy: ask for a path", code="bad_request")
        host = headers.get("host", "").lower()
        if host not in self._hosts or "host" in request.doubled:
            raise _wrong_host(host, doubled="host" in request.doubled)
        if "origin" in headers and (headers["origin"] not in self._origins or "origin" in request.doubled):
            raise GuardError(
                403,
                "this Origin may not ask here",
                code="wrong_origin",
                hint="web pages can't ask, unless they are named",
            )
        if self._proxies and not (request.tls or _loopback(request.peer) or _within(request.peer, self._proxies)):
            raise GuardError(403, "only the configured proxy may come here without TLS", code="not_the_proxy")

    def check_caller(self, request: Request, access: str) -> Caller:
        """Return who asks. Raises GuardError for nobody we know, unless *access* wants no token."""
        if access in UNGUARDED:
            return NOBODY
        if request.query:
            _check_query(request.query)
        token = _token(request)
        caller = self._callers.find(token) if self._callers else self._known(token) or self._newcomer(token)
        if caller is None:
            raise (
                self._callers.stranger()
                if self._callers
                else GuardError(
                    401,
                    "the gateway's token is missing or wrong",
                    code="unauthorized",
                    hint="send it as a bearer token; `mini-llm auth token` shows it",
                )
            )
        if access == "admin" and caller != MAIN:
            raise GuardError(403, "only the main token may do this", code="forbidden")
        return caller

    def check_body(self, request: Request, room: Room) -> None:
        """Refuse a body whose type is not the room's: what a web page can send unasked is never JSON."""
        if request.method not in ("POST", "PUT", "PATCH"):
            return
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if room.body == "form":
            fits, wanted = kind == FORM_TYPE, FORM_TYPE
        else:
            files = room.body == "json or files" and kind == "multipart/form-data"
            fits, wanted = files or JSON_TYPE.fullmatch(kind) is not None, "application/json"
        if not fits or "content-type" in request.doubled:
            words = {"json": "JSON", "json or files": "JSON, or a form with files", "form": "a form's fields"}
            raise GuardError(
                415,
                f"the body must be {words[room.body]}",
                code="unsupported_media_type",
                hint=f"send the header `content-type: {wanted}`",
            )
        if room.body == "form":
            _check_form(request)

    def client(self, request: Request) -> str:
        """Return the address that the request came from: what our own proxy says, else the peer's."""
        chain = request.headers.get("x-forwarded-for", "") if self._proxies else ""
        if not chain or not _within(request.peer, self._proxies) or "x-forwarded-for" in request.doubled:
            return request.peer
        for address in reversed(chain[-LONGEST_CHAIN:].split(",")):
            told = address.strip()
            if not _is_address(told):
                break  # what stands further left, anybody may have written
            if not _within(told, self._proxies):
                return told
        return request.peer

    def _known(self, token: str) -> Caller | None:
        """Return who *token* stands for. Every digest is compared, so that time tells nothing."""
        if not SHAPE.fullmatch(token):
            return None
        asked = digest(token)
        found = None
        for known, caller in self._tokens:
            if hmac.compare_digest(known, asked):
                found = caller
        return found

    def _newcomer(self, token: str) -> Caller | None:
        """Return who *token* stands for if it was made since we looked. Who guesses makes us look now and then only."""
        now = self._now()
        if not SHAPE.fullmatch(token) or now - self._looked < LOOK_SECONDS:
            return None
        self._looked = now
        try:
            found = self._newcomers()
        except MiniLLMError:  # a token file that is none; the reload tells of it
            return None
        known = dict(self._tokens)
        self._tokens += tuple((digest, caller) for digest, caller in found.items() if digest not in known)
        return self._known(token)


def _check_form(request: Request) -> None:
    """Refuse, before it is read, a form that is larger than forms are: anybody may send one."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or "content-encoding" in request.headers:
        raise GuardError(411, "a form comes with its length, and as it is", code="bad_request")
    if int(length) > LARGEST_FORM:
        raise GuardError(413, f"a form has at most {LARGEST_FORM >> 10} KiB", code="request_too_large")


def _token(request: Request) -> str:
    """Return the one token a request carries, "" if none. The same one may stand in several places."""
    found = ""
    for slot in SLOTS:
        value = request.headers.get(slot)
        if value:
            token = _bare(value) if slot == "authorization" else value
            if found and token != found:
                raise _two_credentials()
            found = token
    if request.doubled and not set(SLOTS).isdisjoint(request.doubled):
        raise _two_credentials()
    return found


def _bare(value: str) -> str:
    """Return the token of an Authorization; of another scheme than Bearer all there is, which is no token."""
    if value[:7] == "Bearer ":
        return value[7:].strip()
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else value


def _two_credentials() -> GuardError:
    return GuardError(
        400, "two different credentials came with one request", code="two_credentials", hint="send one of them"
    )


def _check_query(query: str) -> None:
    try:
        names = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=100)}
    except ValueError:
        raise GuardError(400, "too many parameters in the URL", code="bad_request") from None
    if not KEY_PARAMETERS.isdisjoint(names):
        raise GuardError(
            400,
            "a key does not belong into the URL",
            code="key_in_url",
            hint="send it in a header: `authorization: Bearer …` or `x-goog-api-key: …`",
        )


def _wrong_host(host: str, *, doubled: bool) -> GuardError:
    if doubled or not HOST.fullmatch(host):
        return GuardError(400, "the Host header is missing, doubled or malformed", code="bad_host")
    return GuardError(
        421,
        "this Host is not served here",
        code="wrong_host",
        hint="use the address that the gateway showed at its start",
    )


@lru_cache(maxsize=1024)
def _within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return any(_plain(address) in network for network in networks) if _is_address(address) else False


@lru_cache(maxsize=1024)
def _loopback(address: str) -> bool:
    """Tell whether *address* is this machine's own; one that is missing is a local socket's."""
    return _plain(address).is_loopback if _is_address(address) else not address


def _plain(address: str) -> IPv4Address | IPv6Address:
    parsed = ip_address(address)
    return getattr(parsed, "ipv4_mapped", None) or parsed  # how a socket for both families tells IPv4


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
