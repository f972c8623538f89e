"""A dialect that a plugin adds. Whatever breaks in it is an error that names it, and the next target is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import TypeVar

from mini_llm import plugins, sse
from mini_llm.dialects import TargetDialect
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
        self.HEADERS: Mapping[str, str] = dict(getattr(dialect, "HEADERS", {}))
        self.events = dialect.events if dialect.events is sse.events else self._events

    def path(self, model: str, *, stream: bool) -> str:
        """Return what is appended to a provider's base URL."""
        with self._before_sending():
            return self._dialect.path(model, stream=stream)

    def encode_request(self, request: ChatRequest) -> Json:
        """Write *request* for an upstream."""
        with self._before_sending():
            return self._dialect.encode_request(request)

    def decode_response(self, body: Json) -> ChatResponse:
        """Read an upstream's answer."""
        with self._reading():
            return self._checked(self._dialect.decode_response(body), ChatResponse)

    async def decode_stream(self, events: AsyncIterable[sse.Event]) -> AsyncGenerator[Delta, None]:
        """Read an upstream's stream."""
        with self._reading():
            async with aclosing(self._dialect.decode_stream(events)) as deltas:
                async for delta in deltas:
                    yield self._checked(delta, Delta)

    async def _events(self, chunks: AsyncIterable[bytes]) -> AsyncGenerator[sse.Event, None]:
        with self._reading():
            async with aclosing(self._dialect.events(chunks)) as events:
                async for event in events:
                    yield event

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the error an upstream's failed answer stands for."""
        with self._reading():
            return self._checked(self._dialect.decode_error(status, headers, body), UpstreamError)

    def _checked(self, given: object, wanted: type[_T]) -> _T:
        if not isinstance(given, wanted):
            raise TypeError(f"a {type(given).__name__} where a {wanted.__name__} is due")
        return given

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
