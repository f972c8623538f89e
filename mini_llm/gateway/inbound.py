"""A caller's request for an answer: what the road to a target needs to know of it, and nothing before it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from urllib.parse import unquote

import orjson

from mini_llm import dialects, peek
from mini_llm.dialects import Dialect
from mini_llm.gateway.request import Request
from mini_llm.meter import CHARACTERS_A_TOKEN
from mini_llm.providers import Provider
from mini_llm.routing import Needs, Target, needs_of
from mini_llm.translation import Body
from mini_llm.types import ChatRequest, Json

# A caller's own words about the protocol, which reach a target that speaks the same dialect, as they are.
FORWARDED: Mapping[str, tuple[str, ...]] = {
    "anthropic_messages": ("anthropic-version", "anthropic-beta"),
    "openai_chat": ("openai-beta",),
    "openai_responses": ("openai-beta",),
}
_MOST = ("max_tokens", "max_completion_tokens", "max_output_tokens")  # how the dialects limit an answer
MOST_WORDS = 32 * 1024  # bytes
_ASK_USAGE = b'{"stream_options":{"include_usage":true},'


class Passed(Body):
    """A body that is the caller's own but for the model's name: its answer can be passed back as it comes."""

    __slots__ = ()


class Inbound:
    """What a caller asks. `model` is the name it used, `stream` whether it wants the answer as it comes."""

    def __init__(self, dialect: Dialect, raw: bytes, body: Json, headers: Mapping[str, str]) -> None:
        self.dialect = dialect
        self.raw = raw
        self.body = body
        self.headers = headers
        self.query = ""
        self.model: str = body.get("model") or ""
        self.stream = body.get("stream") is True

    @cached_property
    def asked(self) -> ChatRequest:
        """The request in our words. Raises UsageError that names what is wrong in it."""
        request = self.dialect.decode_request(self.body)
        return request._replace(model=self.model, stream=self.stream)

    def needs(self) -> Needs:
        """Return what it asks of a target."""
        return needs_of(self.asked)

    def bounds(self) -> Needs:
        """Return what may have to be paid for: by its bytes, if they are so few that they hold hardly more than words.

        A picture counts for more so than it would, which does no harm to a bound.
        """
        named = [self.body[name] for name in _MOST if name in self.body]
        told = all(type(one) is int for one in named) and "n" not in self.body
        if len(self.raw) > MOST_WORDS or self.dialect.NAME == "gemini" or not told:
            return self.needs()
        most = max(named, default=None)
        return self.needs() if most is not None and most <= 0 else Needs(len(self.raw) // CHARACTERS_A_TOKEN, most)

    @property
    def wants_usage(self) -> bool:
        """Whether the caller asked to be told, at the end of a stream, what was used."""
        if self.dialect.NAME != "openai_chat":
            return True
        options = self.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

    def passed(self, provider: Provider, target: Target) -> Passed:
        """Return the body for a target of the same dialect: the caller's own bytes wherever that is possible."""
        headers = tuple(
            (name, self.headers[name]) for name in FORWARDED.get(self.dialect.NAME, ()) if name in self.headers
        )
        asks = self.stream and self.dialect.NAME == "openai_chat" and "stream_options" not in provider.drop
        options = self.body.get("stream_options") if asks else None
        if (
            options is not None
            or (provider.drop and any(name in self.body for name in provider.drop))
            or provider.rename
            or provider.defaults
        ):
            return self._rewritten(provider, target, headers, asks=asks)
        raw = self.raw
        if "model" in self.body and self.model != target.model:
            raw = peek.spliced(raw, target.model)
        if asks:
            raw = _ASK_USAGE + raw.lstrip()[1:]
        return Passed(raw, headers=headers)

    def _rewritten(
        self, provider: Provider, target: Target, headers: tuple[tuple[str, str], ...], *, asks: bool
    ) -> Passed:
        """Write the body anew, with the provider's quirks."""
        body = dict(self.body)
        if "model" in body:
            body["model"] = target.model
        options = body.get("stream_options")
        if asks:
            body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
        body, dropped = dialects.apply(body, provider.drop, provider.rename, dict(provider.defaults))
        return Passed(orjson.dumps(body), dropped, headers=headers)


def read(dialect: Dialect, request: Request) -> Inbound:
    """Read a request for an answer. Raises UsageError unless it is a JSON object with a sensible model and stream."""
    body = peek.read(request.body)
    peek.said(body)
    return Inbound(dialect, request.body, body, request.headers)


def read_gemini(dialect: Dialect, request: Request) -> Inbound:
    """Read a request whose path holds the model and says whether to stream."""
    inbound = Inbound(dialect, request.body, peek.read(request.body), request.headers)
    name, _, action = request.path.partition("/models/")[2].rpartition(":")
    inbound.query = request.query
    inbound.model = unquote(name)
    inbound.stream = action == "streamGenerateContent"
    return inbound
