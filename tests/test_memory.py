"""memory: what clients lose comes back on the next turn, to the right caller, and not for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.ledger import Ledger, open_sqlite
from mini_llm.memory import LIFETIME, MOST_KEPT, Memory, Shelf, source_of
from mini_llm.types import ChatRequest, Message, Opaque, Part, Reasoning, Text, ToolCall, ToolResult

ASKED = ChatRequest("m", (Message("user", (Text("Weather in Paris?"),)),))
CALL = ToolCall("toolu_0123456789", "weather", '{"city": "Paris", "unit": "C"}', signature="gem-sig")
THOUGHT = Reasoning("Let me look", signature="sig-1", dialect="anthropic_messages")
ANSWER = Message("assistant", (THOUGHT, Text("I will look."), CALL))


def next_turn(answer: Message) -> ChatRequest:
    result = Message("tool", (ToolResult("toolu_0123456789", (Text("Sunny"),)),))
    return ASKED._replace(messages=(*ASKED.messages, answer, result))


def stripped(answer: Message, *, ids: bool = True, rewrite: bool = False) -> Message:
    """Return *answer* as a client sends it back: no thinking, no marks, perhaps other ids and other JSON spelling."""
    parts: list[Part] = []
    for part in answer.parts:
        if isinstance(part, Reasoning):
            continue
        if isinstance(part, ToolCall):
            arguments = orjson.dumps(orjson.loads(part.arguments)).decode() if rewrite else part.arguments
            part = ToolCall(part.id if ids else "call_1", part.name, arguments)
        parts.append(part)
    return answer._replace(parts=tuple(parts))


def whole(memory: Memory, request: ChatRequest, *, scope: str = "", source: str = "", dialect: str = "") -> ChatRequest:
    return asyncio.run(memory.recall(request, scope=scope)).for_target(source, dialect)


def restored(memory: Memory, request: ChatRequest, **options: Any) -> Message:
    return whole(memory, request, **options).messages[1]


def test_what_a_client_stripped_comes_back_where_it_stood() -> None:
    memory = Memory()
    memory.keep(ANSWER, ASKED)
    assert restored(memory, next_turn(stripped(ANSWER))) == ANSWER


def test_an_answer_is_known_by_its_words_when_the_ids_are_lost() -> None:
    memory = Memory()
    memory.keep(ANSWER, ASKED)
    back = restored(memory, next_turn(stripped(ANSWER, ids=False, rewrite=True)))
    assert THOUGHT in back.parts


def test_what_a_client_kept_is_said_once() -> None:
    memory = Memory()
    memory.keep(ANSWER, ASKED)
    assert restored(memory, next_turn(ANSWER)) == ANSWER


def test_words_without_their_signature_give_way_to_what_was_signed() -> None:
    memory = Memory()
    memory.keep(ANSWER, ASKED)
    half = ANSWER._replace(parts=(Reasoning("Let me look"), *ANSWER.parts[1:]))
    assert restored(memory, next_turn(half)) == ANSWER


def test_what_is_not_remembered_stays_as_the_client_sent_it() -> None:
    own = ANSWER._replace(parts=(Reasoning("mine", signature="own"), *ANSWER.parts[1:]))
    assert restored(Memory(), next_turn(own)) == own


def test_another_target_gets_the_words_and_nothing_that_only_the_first_can_read() -> None:
    call = CALL._replace(kind="custom", namespace="files")
    answer = ANSWER._replace(parts=(*ANSWER.parts[:2], call))
    memory = Memory()
    memory.keep(answer, ASKED, source="lab/")
    for sent in (answer, stripped(answer)):
        assert restored(memory, next_turn(sent), source="other/").parts == (
            ANSWER.parts[1],
            call._replace(signature=""),
        )
    assert restored(memory, next_turn(stripped(answer)), source="lab/") == answer


def test_an_unknown_signature_stays_with_the_dialect_it_came_in() -> None:
    request = next_turn(ANSWER)._replace(dialect="gemini")
    assert restored(Memory(), request, dialect="gemini") == ANSWER
    assert restored(Memory(), request, dialect="openai_chat").parts[-1] == CALL._replace(signature="")


def test_the_vendor_in_a_models_name_is_part_of_who_gave_it() -> None:
    assert source_of("openrouter", "anthropic/claude-opus-5") != source_of("openrouter", "google/gemini-4")
    assert source_of("openai", "gpt-5.5") == source_of("openai", "gpt-5.5-mini")


def test_thinking_between_parts_returns_between_them() -> None:
    parts = (THOUGHT, Text("First."), THOUGHT._replace(signature="sig-2"), CALL)
    memory = Memory()
    memory.keep(Message("assistant", parts), ASKED)
    assert restored(memory, next_turn(stripped(Message("assistant", parts)))).parts == parts


def test_the_kind_and_namespace_of_a_tool_call_return() -> None:
    call = ToolCall("call_0123456789", "apply_patch", "*** Begin", kind="custom", namespace="files")
    memory = Memory()
    memory.keep(Message("assistant", (call,)), ASKED)
    plain = Message("assistant", (ToolCall("call_0123456789", "apply_patch", "*** Begin"),))
    assert restored(memory, next_turn(plain)).parts == (call,)


def test_one_callers_memory_is_not_anothers() -> None:
    memory = Memory()
    memory.keep(ANSWER, ASKED, scope="alice")
    assert restored(memory, next_turn(stripped(ANSWER)), scope="bob") == stripped(ANSWER)


SECOND = ToolCall("toolu_abcdef0123", "weather", '{"city": "Rome"}')
TWO = Message(
    "assistant", (THOUGHT, Text("I will look. "), THOUGHT._replace(signature="sig-2"), Text("Twice."), CALL, SECOND)
)
RESULTS = tuple(ToolResult(call.id, (Text("Sunny"),)) for call in (CALL, SECOND))
ASIDES = pytest.mark.parametrize(
    "sent",
    [
        (Message("assistant", (Text("I will look. Twice."), CALL, SECOND)), Message("tool", RESULTS)),
        (
            Message("assistant", (Text("I will look. Twice."),)),
            Message("assistant", (CALL, SECOND)),
            Message("tool", RESULTS),
        ),
        (
            Message("assistant", (Text("I will look. Twice."), CALL)),
            Message("tool", RESULTS[:1]),
            Message("assistant", (SECOND,)),
            Message("tool", RESULTS[1:]),
        ),
    ],
    ids=["words joined", "words and calls apart", "each call with its result"],
)


@ASIDES
def test_an_answer_that_came_back_in_other_pieces_is_whole_again(sent: tuple[Message, ...]) -> None:
    memory = Memory()
    memory.keep(TWO, ASKED)
    messages = whole(memory, ASKED._replace(messages=(*ASKED.messages, *sent))).messages
    assert messages == (*ASKED.messages, TWO, Message("tool", RESULTS))


def test_the_phase_of_a_message_comes_back() -> None:
    phase = Opaque("openai_responses", {"phase": "commentary"})
    answer = Message("assistant", (phase, Text("Looking."), CALL._replace(signature="")))
    memory = Memory()
    memory.keep(answer, ASKED)
    assert restored(memory, next_turn(stripped(answer)._replace(parts=answer.parts[1:]))) == answer


@pytest.mark.parametrize("arguments", ['{"a": 1.0}', '{"a":1}', '{ "a" : 1 }'])
def test_numbers_may_be_spelled_anew(arguments: str) -> None:
    memory = Memory()
    memory.keep(Message("assistant", (THOUGHT, ToolCall("call_1", "f", '{"a":1.0}'))), ASKED)
    back = Message("assistant", (ToolCall("other", "f", arguments),))
    assert THOUGHT in restored(memory, next_turn(back)).parts


@pytest.mark.parametrize("arguments", ["[" * 500 + "]" * 500, '{"a": "' + chr(0xD800) + '"}', "{", ""])
def test_arguments_that_are_no_json_do_no_harm(arguments: str) -> None:
    memory = Memory()
    answer = Message("assistant", (THOUGHT, ToolCall("toolu_0123456789", "f", arguments)))
    memory.keep(answer, ASKED)
    assert restored(memory, next_turn(stripped(answer))) == answer


def test_the_same_words_in_another_conversation_remember_nothing() -> None:
    memory = Memory()
    memory.keep(Message("assistant", (THOUGHT, Text("OK"))), ASKED)
    other = ChatRequest("m", (Message("user", (Text("Something else"),)), Message("assistant", (Text("OK"),))))
    assert restored(memory, other).parts == (Text("OK"),)


def test_short_ids_that_everybody_uses_are_no_key() -> None:
    memory = Memory()
    call = ToolCall("call_1", "weather", '{"city": "Paris"}')
    memory.keep(Message("assistant", (THOUGHT, call)), ASKED)
    other = Message("assistant", (call._replace(arguments='{"city": "Rome"}'),))
    assert THOUGHT not in restored(memory, next_turn(other)).parts


def test_memories_fade_after_a_day() -> None:
    now = [1000.0]
    memory = Memory(clock=lambda: now[0])
    memory.keep(ANSWER, ASKED)
    now[0] += LIFETIME + 1
    assert restored(memory, next_turn(stripped(ANSWER))) == stripped(ANSWER)


def test_only_so_many_are_kept() -> None:
    memory = Memory()
    for number in range(MOST_KEPT + 10):
        call = CALL._replace(id=f"toolu_{number:010d}")
        memory.keep(Message("assistant", (THOUGHT, call)), ASKED)
    first = Message("assistant", (ToolCall("toolu_0000000000", "weather", "{}"),))
    assert THOUGHT not in restored(memory, next_turn(first)).parts


def test_an_answer_with_nothing_to_lose_is_not_remembered() -> None:
    class Unused(Shelf):
        def remember(self, memos: Any) -> None:
            raise AssertionError("remembered")

        def recall(self, keys: Any, now: float) -> Any:
            return {}

    Memory(Unused()).keep(Message("assistant", (Text("Hello"),)), ASKED)


def test_the_shelf_outlives_the_process(tmp_path: Path) -> None:
    before = Ledger(lambda: open_sqlite(tmp_path / "ledger.db"))
    Memory(before).keep(ANSWER, ASKED)
    before.close()
    after = Memory(Ledger(lambda: open_sqlite(tmp_path / "ledger.db")))
    assert restored(after, next_turn(stripped(ANSWER))) == ANSWER


def test_a_shelf_that_cannot_be_read_forgets_and_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"broken" * 500)
    memory = Memory(Ledger(lambda: open_sqlite(tmp_path / "ledger.db")))
    assert restored(memory, next_turn(stripped(ANSWER))) == stripped(ANSWER)


WORDS = st.text(min_size=1, max_size=5)
PARTS = st.lists(
    st.one_of(
        WORDS.filter(str.strip).map(Text),
        WORDS.map(lambda signature: Reasoning("thought", signature=signature)),
        st.tuples(st.uuids(), st.sampled_from(["a", "b"]), st.text(max_size=3)).map(
            lambda told: ToolCall(str(told[0]), told[1], '{"x": 1}', signature=told[2])
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(PARTS)
def test_whatever_stood_where_comes_back_there(parts: list[Part]) -> None:
    answer = Message("assistant", tuple(parts))
    if not any(isinstance(part, ToolCall) for part in parts):
        return
    memory = Memory()
    memory.keep(answer, ASKED)
    assert restored(memory, next_turn(stripped(answer))).parts == answer.parts


def test_fields_that_are_not_remembered_stay_with_the_message() -> None:
    own = Opaque("openai_chat", {"prefix": True})
    memory = Memory()
    memory.keep(ANSWER, ASKED)
    back = restored(memory, next_turn(stripped(ANSWER)._replace(parts=(*stripped(ANSWER).parts, own))))
    assert back.parts == (*ANSWER.parts, own)
