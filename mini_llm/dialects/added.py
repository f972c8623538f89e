"""A dialect that a plugin adds. Whatever breaks in it is an error that names it, and the next target is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any, TypeVar, cast

from mini_llm import plugins, sse
from mini_llm.dialects import TargetDialect, sound
from mini_llm.errors import MiniLLMError, ProtocolError, UpstreamError
from mini_llm.types import ChatRequest, ChatResponse, Delta, Json

_T = TypeVar("_T")

MEMBERS = ("path", "encode_request", "decode_response", "events", "decode_stream", "decode_error")


class Added:
    """The `TargetDialect` called *name*, PLUGIN:NAME. Raises PluginError."""

    def __init__(self, name: str) -> None:
        self.NAME = name
        self._plugin = name.partition(":")[0]
        dialect: TargetDialect = plugins.part("dialects", name, [self._plugin])
        missing = [member for member in MEMBERS if not callable(getattr(dialect, member, None))]
        if missing:
            raise plugins.broken(self._plugin, f"its dialect {name} has no {', '.join(missing)}")
        self._dialect = dialect
        with self._before_sending():
            self.HEADERS: Mapping[str, str] = dict(getattr(dialect, "HEADERS", {}))
            for word in (*self.HEADERS, *self.HEADERS.values()):
                sound.check(word, str)
        self.events = dialect.events if dialect.events is sse.events else self._events

    def path(self, model: str, *, stream: bool) -> str:
        """Return what is appended to a provider's base URL."""
        with self._before_sending():
            return _sound(self._dialect.path(model, stream=stream), str)

    def encode_request(self, request: ChatRequest) -> Json:
        """Write *request* for an upstream."""
        with self._before_sending():
            return _sound(self._dialect.encode_request(request), dict)

    def decode_response(self, body: Json) -> ChatResponse:
        """Read an upstream's answer."""
        with self._reading():
            return _sound(self._dialect.decode_response(body), ChatResponse)

    async def decode_stream(self, events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
        """Read an upstream's stream."""
        with self._reading():
            async with aclosing(self._dialect.decode_stream(events)) as deltas:
                async for delta in deltas:
                    yield _sound(delta, Delta)

    async def _events(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[sse.Event, None]:
        with self._reading():
            async with aclosing(self._dialect.events(chunks)) as events:
                async for event in events:
                    yield _sound(event, sse.Event)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the error an upstream's failed answer stands for."""
        with self._reading():
            return _sound(self._dialect.decode_error(status, headers, body), UpstreamError)

    @contextmanager
    def _before_sending(self) -> Iterator[None]:
        try:
            yield
        except MiniLLMError:
            raise
        except Exception as error:
            raise plugins.broken(self._plugin, f"{self.NAME} failed: {plugins.told(error)}") from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except MiniLLMError:
            raise
        except Exception as error:
            raise ProtocolError(f"plugin {self._plugin}: {self.NAME} failed: {plugins.told(error)}") from error


def _sound(given: Any, wanted: type[_T]) -> _T:
    sound.check(given, wanted)
    return cast(_T, given)
