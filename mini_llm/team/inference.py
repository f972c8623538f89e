"""Answers for members, by the gateway's own relay and dispatch: their key decides what, the team's credits pay.

Each attempt sets credits aside before it is sent and is charged when it has ended, so a fallback costs what the target
costs that answered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mini_llm import peek, pricing
from mini_llm.errors import UsageError
from mini_llm.gateway import counting, embeddings, relay, routes
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway, Handler, Room
from mini_llm.ledger import Entry
from mini_llm.ledger.entries import Held as Set
from mini_llm.team import beside, credits, keys
from mini_llm.team.api import answers
from mini_llm.team.api.answers import BudgetExceededError, CreditsError, ModelNotAllowedError, ScopeError
from mini_llm.team.api.callers import KeyHolders
from mini_llm.team.credits import Ask, Charge, Held, Refused
from mini_llm.team.keys import Key
from mini_llm.team.rights import allows
from mini_llm.team.state import Team
from mini_llm.team.store import Db, Store

# With so many times as much left as is set aside for an answer, it may be as long as it likes.
PLENTY = 8
COMPANY_SECONDS = 0.01  # that a charge waits for others
TOUCH_SECONDS = 60.0  # how exact the last use of a key is told
_TOOL = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PRODUCT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
# What a member may ask of models: the handler, and the dialect it speaks.
_POSTS: Mapping[str, tuple[Handler, str]] = {
    "/v1/chat/completions": (relay.openai_chat, "openai_chat"),
    "/v1/responses": (relay.openai_responses, "openai_responses"),
    "/v1/messages": (relay.anthropic_messages, "anthropic_messages"),
    "/v1/messages/count_tokens": (counting.anthropic_messages, "anthropic_messages"),
    "/v1/responses/input_tokens": (counting.openai_responses, "openai_responses"),
    "/v1/embeddings": (embeddings.openai, "openai_chat"),
}
_GEMINI = "/v1beta/models/"


class Client:
    """A member's key in one request: what it may ask for, what it is charged, what is left."""

    __slots__ = ("_default", "_discount", "available", "held", "issuer", "key", "top_up_url")

    def __init__(self, key: Key, issuer: str, top_up_url: str, default: str) -> None:
        self.key = key
        self.issuer = issuer
        self.top_up_url = top_up_url or f"{issuer}/credits"
        self.available: int | None = None
        self.held: dict[int, Held] = {}
        self._discount = 0
        self._default = default

    def check_model(self, name: str) -> None:
        """Raise ModelNotAllowedError unless the key may use what *name* routes to."""
        name = name or self._default
        if not self._may_use(name):
            told = f"this key may not use {name[:200]}" if name else "this key must name a model"
            raise ModelNotAllowedError(told, hint="`mini-llm models` lists what it may use")

    def check_body(self, raw: bytes) -> None:
        """Refuse what goes on unseen, so that nobody knows what it costs, and models beside the one asked for that the
        key may not use. Raises UsageError, ModelNotAllowedError."""
        limited = self.key.rights.models is not None
        if not limited and b"background" not in raw and b"\\u00" not in raw:  # which may spell it
            return
        body = peek.read(raw)
        if body.get("background"):
            raise UsageError("background: answers are not made in the background here", hint="stream it")
        if not limited:
            return
        provider = str(body.get("model")).partition("/")[0]
        for name in beside.named(body):
            if not self._may_use(name) and not self._may_use(f"{provider}/{name}"):
                raise ModelNotAllowedError(
                    f"this key may not use {name[:200]}", hint="`mini-llm models` lists what it may use"
                )

    def cost(self, nanos: int | None) -> int | None:
        """Return a list price less the team's discount."""
        return None if nanos is None else -(-nanos * (100 - self._discount) // 100)

    def fields(self, exchange: Exchange) -> Sequence[tuple[str, str]]:
        """Return what the head of an answer says about the money, as far as that is known by then."""
        fields = [("x-passy-request-id", exchange.id), ("x-passy-provider", exchange.provider)]
        cost = self.cost(exchange.cost_nanos)
        whole = cost is not None and not exchange.stream
        if cost is not None and whole:
            fields.append(("x-passy-cost", pricing.decimal(cost)))
        fields.append(("x-passy-discount", f"0.{self._discount:02d}"))
        if self.available is not None:
            fields.append(("x-passy-credits", pricing.decimal(self.available - (cost or 0 if whole else 0))))
        return fields

    def holds(self, held: Held) -> None:
        """Take note of what was set aside for an attempt, and of the credits there were."""
        self.held[held.attempt] = held
        self._discount, self.available = held.discount_percent, held.available

    def refusal(self, refused: Refused) -> CreditsError | BudgetExceededError:
        """Return what is told where credits or a budget do not cover the request."""
        balance = pricing.decimal(refused.available)
        standing = refused.standing
        if standing is None:
            facts: dict[str, object] = {"balance": balance, "top_up_url": self.top_up_url}
            told = f"the team's credits do not cover this request: {pricing.dollars(refused.available)} is left"
            return CreditsError(told, hint=f"add credits: {self.top_up_url}", facts=facts)
        anew = answers.instant(standing.resets_at)
        facts = {
            "resets_at": anew,
            "limit": pricing.decimal(standing.limit),
            "spent": pricing.decimal(standing.spent),
            "period": standing.period,
        }
        kind = {self.key.team: "team's", self.key.member: "member's"}.get(standing.scope, "key's")
        told = f"the {kind} {standing.period} budget of {pricing.dollars(standing.limit)} does not cover this request"
        return BudgetExceededError(told, hint=f"it starts anew at {anew}" if anew else "", facts=facts)

    def _may_use(self, name: str) -> bool:
        rights = self.key.rights
        return allows(rights, name) or allows(rights, name.partition("/")[2] or name)


class TeamPayer:
    """The team's credits, as dispatch asks for them: before an attempt, and after it."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._touched: dict[str, float] = {}
        self._settling = Settling(team.store)
        self.clients: dict[str, Client] = {}

    def of(self, tool: str = "", caller: str = "") -> tuple[str, ...]:
        """Return who has to be asked: a team's credits bind every request."""
        return (caller,)

    async def reserve(self, entry: Entry, nanos: int | None, *, lasts: float, least: int | None = None) -> Set | None:
        """Set credits aside for the attempt *entry*; `nanos` of what is returned is a list price, more than was
        asked for where there is plenty.

        Raises CreditsError, BudgetExceededError, PriceUnknownError, StoreError. A caller who goes away holds nothing.
        """
        client = self.clients[entry.request_id]
        key = client.key
        ask = Ask(
            key.team, key.member, key.id, entry.request_id, nanos, lasts, entry.attempt, least, entry.cost_nanos,
            entry.provider, entry.model, entry.tool,
        )  # fmt: skip
        outcome = await credits.hold(self._team.store, ask)
        if isinstance(outcome, Refused):
            raise client.refusal(outcome)
        client.holds(outcome)
        plenty = outcome.left >= PLENTY * outcome.nanos
        return Set(f"{entry.request_id}/{entry.attempt}", outcome.covers + plenty)

    def void(self, held: Set | None) -> None:
        """Give back what was set aside for an attempt that was never sent."""
        if held is None:
            return
        request, _, attempt = held.id.rpartition("/")
        taken = self.clients[request].held.pop(int(attempt))
        self._team.store.later(lambda db: credits.void(db, taken))

    def charge(self, entry: Entry) -> None:
        """Charge the attempt *entry* what it cost; nothing where nothing came of it."""
        client = self.clients.get(entry.request_id)
        if client is None:
            return
        held = client.held.pop(entry.attempt, None)
        store = self._team.store
        if _is_free(entry):
            if held is not None:
                store.later(lambda db: credits.void(db, held))
            return
        key, now = client.key, store.now()
        taken, charge = held or _nothing(key, entry), _charge(entry)
        touches = now - self._touched.get(key.id, 0.0) > TOUCH_SECONDS
        if touches:
            self._touched[key.id] = now

        def settle(db: Db) -> None:
            credits.book(db, taken, charge)
            if touches:
                keys.touch(db, key.team, key.id, now)

        self._settling.add(settle)

    def close(self) -> None:
        """Hand over the charges that still wait for company."""
        self._settling.flush()


class Settling:
    """Charges that wait a moment for company: many are one piece of work to the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[Callable[[Db], None]] = []

    def add(self, settle: Callable[[Db], None]) -> None:
        """Have *settle* run soon."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(COMPANY_SECONDS, self.flush)
        self._waiting.append(settle)

    def flush(self) -> None:
        """Hand over what waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._store.later(partial(self._run, waiting))

    def _run(self, waiting: list[Callable[[Db], None]], db: Db) -> None:
        """Run them all. If one fails, all are undone, and each is handed over alone, once."""
        try:
            for settle in waiting:
                settle(db)
        except Exception:
            if len(waiting) > 1:
                alone, waiting[:] = list(waiting), []  # the store may run this again
                for settle in alone:
                    self._store.later(settle)
            raise


class Desk:
    """Where members ask for answers."""

    def __init__(self, team: Team, holders: KeyHolders) -> None:
        self._team = team
        self.holders = holders
        self.payer = TeamPayer(team)

    def rooms(self) -> Mapping[str, Mapping[str, Room]]:
        """Return the rooms by path."""
        return {path: {"POST": self._room(*answering)} for path, answering in _POSTS.items()}

    def of_a_model(self, path: str) -> Mapping[str, Room] | None:
        """Return the rooms of Gemini's paths, which name the model."""
        rooms = routes.find(path) if path.startswith(_GEMINI) else None
        room = rooms.get("POST") if rooms else None
        return {"POST": self._room(room.handler, room.dialect)} if room else None

    def _room(self, handler: Handler, dialect: str) -> Room:
        async def answered(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
            client = self._client(gateway, request, exchange)
            exchange.patron, exchange.tool = client, tool_of(request)
            client.check_body(request.body)
            self.payer.clients[exchange.id] = client
            try:
                await handler(gateway, request, responder, exchange)
            finally:
                del self.payer.clients[exchange.id]

        return Room(answered, "caller", dialect, tell=answers.tell_in(dialect))

    def _client(self, gateway: Gateway, request: Request, exchange: Exchange) -> Client:
        key = self.holders.holder(exchange.caller).key
        if "inference" not in key.rights.scopes:
            raise ScopeError("this key may not ask models")
        team = self._team
        return Client(key, team.issuer(request), team.settings.top_up_url, gateway.runtime.loaded.config.default)


def tool_of(request: Request) -> str:
    """Return what tool asks: as it says itself, else the first word of its User-Agent."""
    told = request.headers.get("x-mini-llm-tool", "")
    if _TOOL.fullmatch(told):
        return told
    product = _PRODUCT.match(request.headers.get("user-agent", ""))
    return product[0].lower() if product else ""


def _is_free(entry: Entry) -> bool:
    """Tell whether an attempt is charged nothing: it failed before content, or said nothing and came to no end."""
    if entry.status == "failed":
        return True
    return entry.status != "ok" and (entry.usage is None or not entry.usage.output_tokens)


def _charge(entry: Entry) -> Charge:
    usage = entry.usage
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) if usage else (0, 0, 0)
    status = "ok" if entry.status == "failed" else entry.status
    return Charge(entry.provider, entry.model, entry.cost_nanos, *counts, entry.price_snapshot, status)


def _nothing(key: Key, entry: Entry) -> Held:
    """Return what stands for an attempt for which nothing had to be set aside: a free model's."""
    place = (key.team, key.member, key.id, entry.request_id, entry.attempt, entry.time, entry.tool)
    return Held(*place, discount_percent=0, nanos=0, covers=0)
