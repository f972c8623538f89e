"""The wire formats: one module a dialect.

Those in NAMES are spoken on both sides, by callers and by targets, and have all of `Dialect`. Those in TARGET_NAMES
only targets speak: they have the half that is `TargetDialect`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Collection, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from mini_llm import sse
from mini_llm.errors import ConfigError, MiniLLMError, UpstreamError
from mini_llm.types import ChatRequest, ChatResponse, Delta, EmbedRequest, EmbedResponse, Json, Usage

NAMES = ("openai_chat", "openai_responses", "anthropic_messages", "gemini")
TARGET_NAMES = ("bedrock_converse", "cohere", "mistral", "ollama")
SHORT_NAMES: Mapping[str, str] = {
    "openai": "openai_chat", "responses": "openai_responses", "anthropic": "anthropic_messages",
    "gemini": "gemini", "bedrock": "bedrock_converse",
}  # fmt: skip

# What a provider's file may name in `drop`: fields that steer an answer without changing what was asked for.
TUNING: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "reasoning_effort": "thinking",
    "thinking": "thinking",
    "parallel_tool_calls": "parallel_tool_calls",
    "user": "user",
    "metadata": "metadata",
    "service_tier": "service_tier",
}

# Bookkeeping, cost and speed, never the answer itself: between two dialects these are left out, and named.
HINTS = frozenset({
    "metadata", "service_tier", "cache_control", "context_management", "speed", "store", "prediction",
    "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "safety_identifier", "stream_options",
    "usage", "include", "truncation", "client_metadata", "verbosity", "anthropic_version",
})  # fmt: skip

# Hints for which another dialect has the same word, by (the caller's, the target's). The other way round it is not so:
# most who speak chat completions are not OpenAI, and refuse what they do not know.
SAME_WORDS: Mapping[tuple[str, str], frozenset[str]] = {
    ("openai_chat", "openai_responses"): frozenset({
        "metadata", "service_tier", "store", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
        "verbosity",
    }),
}  # fmt: skip
# Dialects in which a turn can say who speaks.
NAMED_TURNS = frozenset({"openai_chat"})
# Dialects without a word for who asks, and those without one for a tool whose calls must fit its schema.
NO_USER = frozenset({"bedrock_converse", "cohere", "gemini", "ollama"})
NO_STRICT_TOOLS = frozenset({"cohere", "ollama"})


# Where the providers of a dialect of chat have embeddings, the module that speaks of them.
EMBEDDINGS: Mapping[str, str] = {
    "openai_chat": "openai_embeddings", "openai_responses": "openai_embeddings", "mistral": "openai_embeddings",
    "gemini": "gemini.embeddings", "cohere": "cohere.embeddings", "ollama": "ollama.embeddings",
}  # fmt: skip


class Embeddings(Protocol):
    """How a provider turns texts into vectors."""

    @property
    def PATH(self) -> str: ...  # noqa: N802  a constant of the module; `{model}` stands for the model

    def encode_request(self, request: EmbedRequest) -> Json:
        """Return the body."""

    def decode_response(self, body: Json, count: int, *, model: str = "") -> EmbedResponse:
        """Return *count* vectors in the order of the texts. Raises ProtocolError on nonsense."""


# The dialects in which both callers and providers speak of how long a prompt would be.
COUNTING: Mapping[str, str] = {
    name: f"{name}.count_tokens" for name in ("anthropic_messages", "gemini", "openai_responses")
}


class Counting(Protocol):
    """How a caller asks for the number of a prompt's tokens, and is told."""

    @property
    def PATH(self) -> str: ...  # noqa: N802  a constant of the module; `{model}` stands for the model

    def decode_request(self, body: Json) -> ChatRequest:
        """Read what is to be counted. Raises UsageError that names the field."""

    def decode_response(self, body: Json) -> Usage:
        """Return what a provider counted. Raises ProtocolError on nonsense."""

    def encode_response(self, usage: Usage) -> Json:
        """Write the count for a caller."""


class TargetDialect(Protocol):
    """What every module here offers: a request is encoded for a target, what it answers is decoded."""

    @property
    def NAME(self) -> str: ...  # noqa: N802  a constant of the module

    @property
    def HEADERS(self) -> Mapping[str, str]: ...  # noqa: N802  what every request of this dialect carries

    def path(self, model: str, *, stream: bool) -> str:
        """Return what is appended to a provider's base URL."""

    def encode_request(self, request: ChatRequest) -> Json:
        """Write *request* for an upstream. Raises TranslationError for what cannot be said here."""

    def decode_response(self, body: Json) -> ChatResponse:
        """Read an upstream's answer. Raises ProtocolError on nonsense, UpstreamError for an error inside a 200."""

    def events(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[sse.Event, None]:
        """Cut the bytes of a stream into events; `sse.events` in most dialects."""

    def decode_stream(self, events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
        """Read an upstream's stream. Raises TruncatedError when it ends without a finish reason."""

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the error an upstream's failed answer stands for."""


class Dialect(TargetDialect, Protocol):
    """A dialect that callers speak too: their requests are decoded, answers are encoded for them."""

    def decode_request(self, body: Json) -> ChatRequest:
        """Read a caller's request. Raises UsageError that names the field."""

    def glance(self, body: Json) -> Usage | None:
        """Return what a whole answer used. Raises as `decode_response` for what does not look like an answer."""

    def used(self, body: Json) -> Usage | None:
        """Return what an answer says that it used; *body* may be no more than that part of it."""

    def encode_response(self, response: ChatResponse) -> Json:
        """Write *response* for a caller."""

    def encode_stream(
        self, deltas: AsyncIterable[Delta], *, include_usage: bool = True, model: str = ""
    ) -> AsyncGenerator[bytes, None]:
        """Write a stream for a caller. An exception from *deltas* leaves with no ending written."""

    def encode_rest(
        self,
        deltas: AsyncIterable[Delta],
        sent: ChatResponse,
        *,
        recent: Sequence[sse.Event],
        include_usage: bool = True,
        model: str = "",
    ) -> AsyncGenerator[bytes, None]:
        """Write the rest of a stream whose first part, *sent*, came to the caller as others wrote it.

        *recent* are the last events of that part, the very last at the end. Raises TruncatedError where nothing can
        go on after them.
        """

    def encode_error(self, error: MiniLLMError, *, request_id: str) -> Json:
        """Return the body of a failed answer."""

    def encode_error_event(self, error: MiniLLMError, *, request_id: str) -> bytes:
        """Return the event that ends a stream that failed."""


def get(name: str) -> Dialect:
    """Return the dialect called *name* (or by its short name) that callers speak, loading it on first use."""
    return cast(Dialect, _loaded(name, NAMES))  # a module is the object; checked below


def of_target(name: str) -> TargetDialect:
    """Return the dialect called *name* that targets speak: any there is, PLUGIN:NAME too."""
    return _added(name) if ":" in name else cast(TargetDialect, _loaded(name, (*NAMES, *TARGET_NAMES)))


def embeddings(name: str) -> Embeddings | None:
    """Return how providers of the dialect called *name* embed, None if that is not known."""
    module = EMBEDDINGS.get(SHORT_NAMES.get(name, name))
    return cast(Embeddings, import_module(f"{__name__}.{module}")) if module else None


def counting(name: str) -> Counting:
    """Return how callers of the dialect called *name* count."""
    return cast(Counting, import_module(f"{__name__}.{COUNTING[name]}"))


@lru_cache(maxsize=64)
def _loaded(name: str, names: tuple[str, ...]) -> object:
    module = SHORT_NAMES.get(name, name)
    if module not in names:
        raise ConfigError(f"no dialect called {name!r}", hint=f"use one of: {', '.join(names)}")
    return import_module(f"{__name__}.{module}")


@lru_cache(maxsize=64)
def _added(name: str) -> TargetDialect:
    """Return a plugin's dialect. That the user named the plugin was seen to when its provider was looked up."""
    from mini_llm.dialects.added import Added  # most people have no plugin

    return Added(name)


def without(request: ChatRequest, drop: Collection[str], *, dialect: str = "") -> tuple[ChatRequest, tuple[str, ...]]:
    """Return *request* without the tuning fields named in *drop*, and the names of those it had.

    With the target's *dialect* given and another than the request's own, hints it has no words for go too.
    """
    crossing = bool(dialect and request.dialect and dialect != request.dialect)
    hints = HINTS - SAME_WORDS.get((request.dialect, dialect), frozenset()) if crossing else ()
    unwanted = {*drop, *hints, *(("user",) if dialect in NO_USER else ())}
    changes: dict[str, Any] = {}
    gone = []
    for name, field in TUNING.items():
        if name in unwanted and getattr(request, field) != getattr(_NOTHING, field):
            changes[field] = getattr(_NOTHING, field)
            gone.append(name)
    extra = [name for name in request.extra if name in unwanted]
    if extra:
        changes["extra"] = {name: value for name, value in request.extra.items() if name not in extra}
    if dialect and dialect not in NAMED_TURNS and any(message.name for message in request.messages):
        changes["messages"] = tuple(message._replace(name="") for message in request.messages)
        gone.append("messages.name")
    if dialect in NO_STRICT_TOOLS and any(tool.strict for tool in request.tools):
        changes["tools"] = tuple(tool._replace(strict=None) for tool in request.tools)
        gone.append("tools.strict")
    return (request._replace(**changes), tuple(dict.fromkeys([*gone, *extra]))) if changes else (request, ())


_NOTHING = ChatRequest("", ())
_MESSAGES = "messages."


def apply(
    body: Json,
    drop: Collection[str] = (),
    rename: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> tuple[Json, tuple[str, ...]]:
    """Return *body* as a provider with these quirks wants it, and the names of the fields that were dropped.

    `messages.NAME` in *drop* takes the field NAME out of every message, in *rename* it gives it another name there,
    and in *defaults* it is what the field is in every call of a tool that came without.
    """
    dropped = [name for name in drop if name in body and name != "model"]  # that one stands in the path then
    names = rename or {}
    plain = {name: value for name, value in (defaults or {}).items() if not name.startswith(_MESSAGES)}
    changed = {**plain, **{names.get(name, name): body[name] for name in body if name not in drop}}
    for name in [name.removeprefix("messages.") for name in drop if name.startswith("messages.")]:
        if any(name in message for message in changed.get("messages", ())):
            changed["messages"] = [{k: v for k, v in message.items() if k != name} for message in changed["messages"]]
            dropped.append(f"messages.{name}")
    for name, other in names.items():
        if name.startswith(_MESSAGES):
            inner = name.removeprefix(_MESSAGES)
            changed["messages"] = [
                {other if key == inner else key: value for key, value in message.items()}
                for message in changed.get("messages", ())
            ]
    for name, value in (defaults or {}).items():
        if name.startswith(_MESSAGES):
            missing = {name.removeprefix(_MESSAGES): value}
            changed["messages"] = [
                missing | message if message.get("tool_calls") else message for message in changed.get("messages", ())
            ]
    return changed, tuple(dropped)


if TYPE_CHECKING:  # the proof that each module is a Dialect
    from mini_llm.dialects import (
        anthropic_messages,
        bedrock_converse,
        cohere,
        gemini,
        mistral,
        ollama,
        openai_chat,
        openai_responses,
    )

    _DIALECTS: tuple[Dialect, ...] = (openai_chat, openai_responses, anthropic_messages, gemini)
    _OF_TARGETS: tuple[TargetDialect, ...] = (bedrock_converse, cohere, mistral, ollama)
