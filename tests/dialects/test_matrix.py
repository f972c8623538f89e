"""Every recording × every dialect: read as its file says, written for callers and for targets, and read again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from mini_llm import dialects
from mini_llm.dialects import failures, model_list, openai_embeddings
from mini_llm.dialects.bridging import bridged
from mini_llm.dialects.gemini import count_tokens, embeddings
from mini_llm.errors import AuthError, TranslationError, UpstreamError, UsageError
from mini_llm.meter import Gatherer, scattered
from mini_llm.types import ChatResponse, Delta
from tests.dialects import strict
from tests.dialects.asking import asked
from tests.dialects.matrix import BESIDE, Cell, Recording, Row, plain, rows
from tests.dialects.reading import Meaning, decoded, encoded, errs, meaning, streamed_meaning

Record = Callable[[str, object], None]
ALL = rows()
NOT_TAKEN = "ddt-anthropic-completion-error"  # recorded to be refused: a message that is a string

# The features that a target really lacks, by the fields its refusals name. A refusal of anything else is one too many.
OF_GOOGLE = ("safetySettings", "modelArmorConfig", "toolConfig.includeServerSideToolInvocations")
OF_OPENAI = ("previous_response_id", "prompt")  # what they point to is kept there alone
OF_OPENROUTER = ("provider",)  # which of its providers may answer
LACKING = {
    "openai_chat": {*OF_GOOGLE, *OF_OPENAI, *OF_OPENROUTER},
    "openai_responses": {*OF_GOOGLE, *OF_OPENROUTER, "stop", "seed", "n", "top_k"},
    "anthropic_messages": {*OF_GOOGLE, *OF_OPENAI, *OF_OPENROUTER, "seed", "n", "logprobs", "response_format"},
    "gemini": {*OF_OPENAI, *OF_OPENROUTER},
}
# And why a part of a message, or a tool, has no place in a target.
PLACELESS = re.compile(
    r"only \w+ (?:has the tool|understands)|Audio has no place|a tool result can only be text|a document by URL is not|"
    r"a result is text, pictures and documents|Google fetches only https"
)


def each(chosen: list[Row]) -> pytest.MarkDecorator:
    """Run a test once a row, or skip it where there are none."""
    skipped = [pytest.param(None, marks=pytest.mark.skip(reason="no recordings in ../shared/wire"))]
    return pytest.mark.parametrize("row", chosen or skipped, ids=[row.name for row in chosen] or None)


@each(ALL)
def test_a_recording_is_read_as_its_file_says(row: Row, record_property: Record) -> None:
    record_property("matrix", tuple(Cell(row.wire, "read")))
    if row.chat is None:
        said = _beside(row)
        record_property("matrix", tuple(Cell(row.wire, "read", said)))
    elif row.status != 200:
        _refused(row.chat)
    elif errs(row.chat):  # type: ignore[arg-type]  # has what it reads
        with pytest.raises(UpstreamError):
            _read(row.chat)
    else:
        found = _read(row.chat)
        assert _meaning(found) == plain(row.chat)


def _read(recording: Recording) -> ChatResponse | list[Delta]:
    if recording.streams:
        return decoded(recording.dialect, recording.raw)
    return dialects.of_target(recording.dialect).decode_response(recording.response["body"])


def _meaning(found: ChatResponse | list[Delta]) -> Meaning:
    return meaning(found) if isinstance(found, ChatResponse) else streamed_meaning(found)


def _refused(recording: Recording) -> UpstreamError:
    dialect = dialects.of_target(recording.dialect)
    error = dialect.decode_error(recording.status, recording.response["headers"], recording.raw)
    assert error.upstream_status == recording.status and error.message and "said nothing" not in error.message
    return error


def _beside(row: Row) -> str:
    """Read a recording that is no conversation; return "unread" if we have nothing that reads it."""
    kind = BESIDE[row.wire]
    if row.status != 200:
        error = failures.decode(row.status, row.whole["response"]["headers"], row.raw)
        assert error.upstream_status == row.status and error.message and "said nothing" not in error.message
        return "passed"
    if kind == "vectors":
        return _read_vectors(row)
    if kind == "models":
        assert len(model_list.decode(row.body)) == len(row.body.get("data") or row.body["models"])
    elif kind == "count":
        assert count_tokens.decode_response(row.body).input_tokens == row.body["totalTokens"]
    return "passed" if kind else "unread"


def _read_vectors(row: Row) -> str:
    question = row.whole["request"]["body"]
    if question.get("encoding_format") == "base64":
        return "unread"  # we ask for numbers ourselves
    if row.wire == "gemini-embeddings":
        count = len(question.get("requests") or question["instances"])
        found = embeddings.decode_response(row.body, count)
        rows = row.body.get("embeddings") or [item["embeddings"] for item in row.body["predictions"]]
        assert [list(vector) for vector in found.vectors] == [item["values"] for item in rows]
        return "passed"
    given = question["input"] if isinstance(question["input"], list) else [question["input"]]
    found = openai_embeddings.decode_response(row.body, len(given))
    assert [list(vector) for vector in found.vectors] == [item["embedding"] for item in row.body["data"]]
    return "passed"


@pytest.mark.parametrize("target", dialects.NAMES)
@each([row for row in ALL if row.chat is not None])
def test_an_answer_means_the_same_to_callers_of_every_dialect(row: Row, target: str, record_property: Record) -> None:
    record_property("matrix", tuple(Cell(row.wire, f"to callers of {target}")))
    assert row.chat is not None
    if row.status != 200:
        _tell(_refused(row.chat), target)
        return
    if errs(row.chat):  # type: ignore[arg-type]  # has what it reads
        with pytest.raises(UpstreamError) as caught:
            _read(row.chat)
        _tell(caught.value, target)
        return
    found, other = _read(row.chat), dialects.get(target)
    wanted = _comparable(_meaning(found))
    whole = found if isinstance(found, ChatResponse) else _gathered(found)
    assert _comparable(meaning(other.decode_response(other.encode_response(whole)))) == wanted
    if row.whole["request"]["path"].endswith("/compact"):
        return  # its answer is a conversation, and never a stream
    raw = encoded(target, scattered(found) if isinstance(found, ChatResponse) else found)
    strict.check(target, raw)
    assert _comparable(streamed_meaning(decoded(target, raw))) == wanted


def _gathered(deltas: list[Delta]) -> ChatResponse:
    gatherer = Gatherer()
    for delta in deltas:
        gatherer.add(delta)
    return gatherer.response()


def _tell(error: UpstreamError, target: str) -> None:
    """Tell *error* to a caller: in a body, and inside a stream."""
    other = dialects.get(target)
    raw = json.dumps(other.encode_error(error, request_id="req_1")).encode()
    again = other.decode_error(error.status, {}, raw)
    assert error.message in again.message
    assert again.status == error.status
    assert type(again) is type(error) or isinstance(error, AuthError)  # our key is not the caller's: a 502
    with pytest.raises(UpstreamError) as caught:
        decoded(target, other.encode_error_event(error, request_id="req_1"))
    assert error.message in caught.value.message


def _comparable(what: Meaning) -> Meaning:
    """Return *what* as all can say it: a refusal is text in some, and some always tell the usage."""
    return what._replace(text=what.text + what.refusal, refusal="", usage=what.usage or (0, 0, 0))


@pytest.mark.parametrize("target", dialects.NAMES)
@each([row for row in ALL if row.caller and NOT_TAKEN not in row.name])
def test_a_request_asks_the_same_of_every_target_or_names_what_it_lacks(
    row: Row, target: str, record_property: Record
) -> None:
    request = dialects.get(row.caller).decode_request(row.whole["request"]["body"])
    try:
        request, _ = dialects.without(bridged(request, target).request, (), dialect=target)
        body = dialects.get(target).encode_request(request)
    except TranslationError as error:
        record_property("matrix", tuple(Cell(row.wire, f"to targets of {target}", "refused")))
        assert error.field and error.field in error.message and error.hint
        assert error.field in LACKING[target] or PLACELESS.search(error.message), "it could be said"
        return
    record_property("matrix", tuple(Cell(row.wire, f"to targets of {target}")))
    wanted, told = asked(request), asked(dialects.get(target).decode_request(body))
    if request.max_tokens is None:  # Anthropic requires one
        told.settings["max_tokens"] = None
    assert told == wanted


@each([row for row in ALL if NOT_TAKEN in row.name])
def test_a_request_that_no_dialect_allows_is_refused_by_name(row: Row, record_property: Record) -> None:
    for target in dialects.NAMES:
        record_property("matrix", tuple(Cell(row.wire, f"to targets of {target}", "refused")))
    with pytest.raises(UsageError, match=r"messages\[0\]: must be an object"):
        dialects.get(row.caller).decode_request(row.whole["request"]["body"])


def test_no_recording_is_left_out() -> None:
    if not ALL:
        pytest.skip("no recordings in ../shared/wire")
    assert len(ALL) == len({row.name for row in ALL}) == 458
    assert all(row.chat is not None or row.wire in BESIDE for row in ALL)
