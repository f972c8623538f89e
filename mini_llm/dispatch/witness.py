"""Hear what is asked and answered, for the history. Made only for calls that are to be kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from mini_llm.dispatch.call import Answer, Call, Deltas, Spoken
from mini_llm.errors import MiniLLMError
from mini_llm.history import Heard
from mini_llm.meter import Gatherer

LONGEST = 4 << 20  # characters of a streamed answer


class Witness:
    """Follow one call from its first answer to its end."""

    def __init__(self, spoken: Spoken, call: Call[Any], answer: Answer[Any], time: float) -> None:
        self._spoken = spoken
        self._call = call
        self._answer = answer
        self._time = time
        self._content: Any = None
        self._gatherer: Gatherer | None = None

    def watched(self, content: Any) -> Any:
        """Return *content*, which is heard from now on: what streams is put together as it goes by."""
        if not isinstance(content, AsyncGenerator):
            self._content = content
            return content
        self._gatherer = Gatherer(LONGEST)
        return _gathered(content, self._gatherer)

    def ended(self, error: BaseException | None) -> None:
        """Have the turn kept; *error* is what broke the answer off."""
        call, answer, spoken = self._call, self._answer, self._spoken
        gatherer, content, usage = self._gatherer, self._content, answer.meter.usage
        broken = "partial" if isinstance(error, MiniLLMError) else "cancelled"
        spoken.keep(
            Heard(
                request=spoken.request,
                response=gatherer.response if gatherer is not None else lambda: spoken.response(content),
                request_id=answer.request_id,
                time=self._time,
                route=answer.decision.line(),
                provider=answer.target.provider,
                model=answer.target.model,
                status="ok" if answer.meter.ended else broken,  # type: ignore[arg-type]  # a literal either way
                conversation=spoken.conversation,
                tool=call.tool,
                caller=call.caller,
                cost_nanos=answer.cost_nanos,
                input_tokens=usage.input_tokens if usage else None,
                output_tokens=usage.output_tokens if usage else None,
                seconds=answer.meter.elapsed,
            )
        )


async def _gathered(deltas: Deltas, gatherer: Gatherer) -> Deltas:
    try:
        async for delta in deltas:
            gatherer.add(delta)
            yield delta
    finally:
        await deltas.aclose()
