"""memory: what clients lose comes back on the next turn, to the right caller, and not for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.ledger import Ledger, open_sqlite
from mini_llm.memory import LIFETIME, MOST_KEPT, Memory, Shelf
from mini_llm.types import ChatRequest, Message, Part, Reasoning, Text, ToolCall, ToolResult

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


def restored(memory: Memory, request: ChatRequest, **options: Any) -> Message:
    return asyncio.run(memory.restore(request, **options)).messages[1]


def test_what_a_client_stripped_comes_back_where_it_stood() -> None:
    memory = Memory()
    memory.keep(ANSWER, ASKED)
    assert restored(memory, next_turn(stripped(ANSWER))) == ANSWER


def test_an_answer_is_known_by_its_words_when_the_ids_are_lost() -> None:
    memory = Memory()
    memory.keep(ANSWER, ASKED)
    back = restored(memory, next_turn(stripped(ANSWER, ids=False, rewrite=True)))
    assert THOUGHT in back.parts


def test_what_a_client_kept_is_left_alone() -> None:
    memory = Memory()
    memory.keep(ANSWER, ASKED)
    own = ANSWER._replace(parts=(Reasoning("mine", signature="own"), *ANSWER.parts[1:]))
    assert restored(memory, next_turn(own)) == own


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
        WORDS.map(Text),
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
