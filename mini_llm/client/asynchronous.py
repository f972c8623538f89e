"""AsyncClient: ask, stream, embed, list. Every question goes through the one dispatch loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar, Unpack
from weakref import WeakSet

from mini_llm import translation
from mini_llm.client import asking
from mini_llm.client.answers import Answer, AsyncStream, Opening, answer_of
from mini_llm.client.asking import Options, Prompt
from mini_llm.dialects import model_list
from mini_llm.dispatch import Call, Recovery, Spoken
from mini_llm.errors import MiniLLMError, UsageError
from mini_llm.memory import Recalled, source_of
from mini_llm.meter import Meter
from mini_llm.providers import Provider
from mini_llm.routing import LONGEST_NAME, Decision, Needs, Target, needs_of
from mini_llm.runtime import Runtime
from mini_llm.translation import Body
from mini_llm.transport import Timeouts
from mini_llm.types import ChatRequest, EmbedRequest, EmbedResponse, Model
from mini_llm.upstream import Reply

Content = TypeVar("Content")

MOST_LISTED = 10_000
LISTING = Timeouts(connect=2.0, first_byte=5.0, silence=5.0, total=10.0)


class AsyncClient:
    """Ask models through the user's own configuration, with its aliases, fallbacks and keys.

    Args:
        config: the configuration file; by default the user's (`mini-llm config path`).
        environ: the environment; by default the process's.
        runtime: an opened Runtime to share; the client then does not close it.

    Raises:
        ConfigError: the configuration is wrong; `problems` lists every place.
    """

    def __init__(
        self,
        *,
        config: str | Path | None = None,
        environ: Mapping[str, str] | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        self._owns = runtime is None
        self._streams: WeakSet[AsyncStream] = WeakSet()
        self._runtime = runtime or Runtime.open(environ=environ, config=Path(config) if config else None)

    async def chat(self, prompt: Prompt, **options: Unpack[Options]) -> Answer:
        """Return one whole answer to *prompt*: a string, or messages (`Message`s or mappings in OpenAI's shape).

        Args:
            prompt: what to ask; a conversation is a list, oldest first.
            **options: see `Options`: model, system, tools, schema, attachments, max_tokens, temperature, timeout …

        Raises:
            UnknownModelError: no configured provider has the model; `nearest` offers names.
            CredentialError: there is no key for it. NoProviderError: nothing is configured at all.
            TranslationError: the provider cannot express a field; `field` names it.
            UpstreamError: the provider failed (its subclasses say how); AllTargetsFailedError when several did.
        """
        request = asking.request(prompt, options, stream=False)
        recalled = await self._runtime.memory.recall(request)
        call = self._kept(_call(recalled, options, translation.whole), request, options)
        async with self._runtime.dispatch.answer(call) as dispatched:
            answer = answer_of(dispatched, dispatched.content)
        self._keep(request, answer)
        return answer

    def stream(self, prompt: Prompt, **options: Unpack[Options]) -> AsyncStream:
        """Return the answer as it comes: `async for delta in client.stream("…"): print(delta.text, end="")`.

        Args and errors are those of `chat`, raised when the first delta is asked for. An answer that breaks off
        later goes on at another target of its route where that can be done, else UpstreamError is raised where it
        broke. `stream.answer` is the whole once the loop has ended.
        """
        request = asking.request(prompt, options, stream=True)

        async def opened() -> Opening:
            recalled = await self._runtime.memory.recall(request)
            recovery = Recovery(lambda: request, self._changed_body, translation.streamed)
            call = _call(recalled, options, translation.streamed)._replace(recovery=recovery)
            return self._runtime.dispatch.answer(self._kept(call, request, options))

        stream = AsyncStream(opened, ended=lambda answer: self._keep(request, answer))
        self._streams.add(stream)
        return stream

    def plan(self, prompt: Prompt, **options: Unpack[Options]) -> tuple[ChatRequest, Decision]:
        """Return what `chat` would ask, and whom, in order. Nothing is sent; args and errors as there."""
        request = asking.request(prompt, options, stream=True)
        return request, self._runtime.decide(request.model, needs_of(request))

    async def embed(self, texts: str | Sequence[str], *, model: str, dimensions: int | None = None) -> EmbedResponse:
        """Return a vector for each of *texts*: `vectors` has their order, all of one length.

        Args:
            texts: one text or several.
            model: as in `chat`.
            dimensions: the length of the vectors, where the model lets one choose.

        Raises: as `chat`.
        """
        inputs = (texts,) if isinstance(texts, str) else tuple(texts)
        if not inputs:
            raise UsageError("there is no text to embed")
        request = EmbedRequest(model, inputs, dimensions)
        call = Call(
            model=model,
            needs=Needs(input_tokens=sum(map(len, inputs)) // 4),
            stream=False,
            body_for=lambda provider, target: translation.embedding_body(request, provider, target),
            receive=lambda reply, body, meter: translation.vectors(reply, request, meter),
        )
        async with self._runtime.dispatch.answer(call) as dispatched:
            return dispatched.content

    async def models(self, provider: str = "") -> list[Model]:
        """Return what can be called now: the known models of every provider in use, the wallet too, or of *provider*.

        A provider on this machine, or one the catalogue does not know, is asked for its own list;
        one that does not answer is left out unless it is the one asked for.
        """
        registry = self._runtime.registry
        wanted = [registry.get(provider)] if provider else registry.usable()
        found: list[Model] = []
        for one in wanted:
            known = [*self._runtime.catalogue.models(one.name)]
            listed = {model.id for model in known}
            known += [Model(one.name, model) for model in one.models if model not in listed]
            try:
                found += known or [Model(one.name, model) for model in await self.listed(one.name)]
            except MiniLLMError:
                if provider:
                    raise
        return found

    async def listed(self, provider: str) -> tuple[str, ...]:
        """Return the models that *provider* itself says it has, asked now.

        Raises: UpstreamError if it does not answer, CredentialError without a key, UnknownModelError if unknown.
        """
        asked = self._runtime.registry.get(provider)
        path = model_list.path(asked.dialect)
        names = model_list.decode(await self._runtime.upstream.get_json(asked, path, timeouts=LISTING))
        return tuple(name for name in names if len(name) <= LONGEST_NAME and name.isprintable())[:MOST_LISTED]

    async def _changed_body(self, request: ChatRequest, provider: Provider, target: Target) -> Body:
        """Write a request that goes on with an answer which broke."""
        return translation.chat_body(await self._runtime.memory.recall(request), provider, target)

    def _kept(self, call: Call[Content], request: ChatRequest, options: Options) -> Call[Content]:
        """Return *call* as the history wants it, where that is on."""
        if (history := self._runtime.history) is None:
            return call
        spoken = Spoken(history.keep, lambda: request, lambda whole: whole, options.get("conversation", ""))
        return call._replace(spoken=spoken)

    def _keep(self, request: ChatRequest, answer: Answer) -> None:
        """Remember what the next turn needs of *answer* and the caller may leave out."""
        if answer.response.choices:
            source = source_of(answer.provider, answer.model)
            self._runtime.memory.keep(answer.response.choices[0].message, request, source=source)

    async def close(self) -> None:
        """Stop the streams still open, close connections and write what the ledger still holds."""
        for stream in tuple(self._streams):
            await stream.aclose()
        if self._owns:
            await self._runtime.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _call(
    recalled: Recalled, options: Options, receive: Callable[[Reply, Body, Meter], Awaitable[Content]]
) -> Call[Content]:
    request = recalled.asked

    def body_within(provider: Provider, target: Target, most: int) -> Body:
        return translation.chat_body(recalled._replace(asked=request._replace(max_tokens=most)), provider, target)

    return Call(
        model=request.model,
        needs=lambda: needs_of(request),
        stream=request.stream,
        body_for=lambda provider, target: translation.chat_body(recalled, provider, target),
        receive=receive,
        tool=options.get("caller", ""),
        timeout=options.get("timeout"),
        body_within=body_within,
    )
