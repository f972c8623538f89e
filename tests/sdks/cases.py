"""What the official SDKs are given: every recorded answer as we write it for callers of each dialect, and errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import NamedTuple

from mini_llm import dialects, errors
from mini_llm.errors import MiniLLMError, TruncatedError
from mini_llm.types import Delta
from tests.dialects import breaking, reading, targets
from tests.dialects.reading import Meaning
from tests.sdks.replay import Reply

Recording = reading.Recording | targets.Recording

# One of each kind that a caller can meet.
ERRORS: tuple[MiniLLMError, ...] = (
    errors.UsageError("messages: must be a list", hint="send a list"),
    errors.TranslationError("logit_bias: has no words here", field="logit_bias", hint="leave it out"),
    errors.NoProviderError(),
    errors.UnknownModelError("no model called x", hint="try y"),
    errors.BudgetError("the budget of 1 dollar a day is used up"),
    errors.NetworkError("can't reach api.example:443: connection refused"),
    errors.DeadlineError("no answer within 10 s", phase="first byte"),
    errors.TruncatedError("the stream ended early"),
    errors.ServerError("it broke", upstream_status=500),
    errors.OverloadedError("too busy", upstream_status=529),
    errors.RateLimitError("slow down", retry_after=12.0),
    errors.QuotaError("no credit left"),
    errors.AuthError("the provider refused our key"),
    errors.ContextLengthError("the prompt is too long: 9000 tokens"),
    errors.ModelMissingError("the model x does not exist"),
    errors.ContentFilterError("flagged"),
    errors.AllTargetsFailedError([errors.RateLimitError("slow"), errors.ServerError("broken")]),
)
# Whose streams their SDKs understand word for word.
VENDORS = ("openai", "anthropic", "google")


class Case(NamedTuple):
    """One answer to ask for, and what the SDK is to make of it: its meaning, or the error after the text `before`."""

    name: str
    dialect: str
    kind: str  # "answers", "streams", "errors", "broken streams"
    reply: Reply
    meaning: Meaning = Meaning()
    error: MiniLLMError | None = None
    before: str = ""
    translated: bool = True  # not so, an answer may hold what only its own provider knows

    @property
    def way(self) -> str:
        """Whether the SDK asks for a whole answer or a stream."""
        return "stream" if self.kind in ("streams", "broken streams") else "answer"


def cases() -> list[Case]:
    """Return all cases; none where there are no recordings."""
    both: list[Recording] = [*reading.recordings(), *targets.recordings()]
    recordings = list({item.name: item for item in both}.values())
    if not recordings:
        return []
    return [*_answers(recordings), *_continued(recordings), *_errors(recordings), *_broken_streams(recordings)]


def _answers(recordings: list[Recording]) -> Iterator[Case]:
    for recording in recordings:
        if recording.status != 200 or reading.errs(recording):
            continue
        source = dialects.of_target(recording.dialect)
        deltas = reading.decoded(recording.dialect, recording.raw) if recording.streams else []
        response = None if recording.streams else source.decode_response(recording.response["body"])
        for name in dialects.NAMES:
            if response is None:
                reply = Reply(reading.encoded(name, deltas), content_type="text/event-stream")
                case = Case(recording.name, name, "streams", reply, reading.streamed_meaning(deltas))
            else:
                reply = Reply(json.dumps(dialects.get(name).encode_response(response)).encode())
                case = Case(recording.name, name, "answers", reply, reading.meaning(response))
            yield case._replace(translated=name != recording.dialect)


def _continued(recordings: list[Recording]) -> Iterator[Case]:
    """Break off each stream of the vendors' own, early, in the middle and late, and write a rest after it."""
    for recording in recordings:
        if not isinstance(recording, reading.Recording) or not recording.streams or reading.errs(recording):
            continue
        if recording.name.partition("/")[0] not in VENDORS:
            continue
        found = list(breaking.breaks(recording, breaking.events_of(recording.dialect, recording.raw)))
        for at in sorted({0, len(found) // 2, len(found) - 1}) if found else ():
            events, sent = found[at]
            try:
                rest = breaking.rest_of(recording.dialect, sent, events[-4:])
            except TruncatedError:
                continue  # broke off in a tool of the provider's own
            raw = breaking.written_as(recording.dialect, events) + rest
            meaning = reading.streamed_meaning(reading.decoded(recording.dialect, raw))
            name = f"{recording.name} continued at {len(events)}"
            reply = Reply(raw, content_type="text/event-stream")
            yield Case(name, recording.dialect, "streams", reply, meaning, translated=False)


def _errors(recordings: list[Recording]) -> Iterator[Case]:
    told = [(type(error).__name__, error) for error in ERRORS]
    for recording in recordings:
        if recording.status != 200:
            dialect = dialects.of_target(recording.dialect)
            error = dialect.decode_error(recording.status, recording.response["headers"], recording.raw)
            told.append((recording.name, error))
    for title, error in told:
        for name in dialects.NAMES:
            yield Case(title, name, "errors", _failed(name, error), error=error)


def _failed(name: str, error: MiniLLMError) -> Reply:
    return Reply(json.dumps(dialects.get(name).encode_error(error, request_id="req_1")).encode(), error.status)


def _broken_streams(recordings: list[Recording]) -> Iterator[Case]:
    """Cut every stream in the middle: what was said must be there, and then an error."""
    for recording in recordings:
        if not recording.streams:
            continue
        raw = recording.raw if reading.errs(recording) else recording.raw[: len(recording.raw) // 2]
        for name in dialects.NAMES:
            deltas: list[Delta] = []
            written, error = asyncio.run(_piped(recording.dialect, raw, name, deltas))
            if error is None:
                continue  # the middle was past the finish reason
            reply = Reply(written, content_type="text/event-stream") if written else _failed(name, error)
            if written:
                event = dialects.get(name).encode_error_event(error, request_id="req_1")
                reply = reply._replace(body=written + event)
            before = "".join(delta.text + delta.refusal for delta in deltas if not delta.choice)
            yield Case(recording.name, name, "broken streams", reply, error=error, before=before)


async def _piped(source: str, raw: bytes, target: str, seen: list[Delta]) -> tuple[bytes, MiniLLMError | None]:
    """Return what the gateway would have written of *raw*, and what stopped it."""
    written: list[bytes] = []
    ours = dialects.of_target(source)

    async def watched() -> reading.AsyncGenerator[Delta, None]:
        async for delta in ours.decode_stream(ours.events(reading.chunked(raw))):
            seen.append(delta)
            yield delta

    try:
        async for chunk in dialects.get(target).encode_stream(watched(), model="m"):
            written.append(chunk)
    except MiniLLMError as error:
        return b"".join(written), error
    return b"".join(written), None
