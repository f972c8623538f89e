"""Going on with a broken answer: for any text, any pieces and any place of the break, every word comes once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.config import Config
from mini_llm.errors import NoSpliceError, UpstreamError
from mini_llm.memory import Recalled
from mini_llm.meter import Gatherer
from mini_llm.providers import Registry
from mini_llm.recovery import continuable, continuation, continued, said, spliced, tokens_in
from mini_llm.routing import Target
from mini_llm.translation import Body, chat_body
from mini_llm.types import (
    ChatRequest,
    ChatResponse,
    Delta,
    Message,
    Opaque,
    Reasoning,
    ResponseFormat,
    Text,
    Thinking,
    ToolCallDelta,
    Usage,
)

QUESTION = ChatRequest("m", (Message("user", (Text("Where?"),)),), stream=True)
END = Delta(finish_reason="stop", usage=Usage(100, 20))
# Texts that can repeat themselves, and such that hold anything.
TEXTS = st.text(alphabet="ab \n-哈", max_size=40) | st.text(max_size=40)
# No word twice, so that what is said again can be nothing else.
WORDS = st.lists(st.sampled_from([" ", "\n", "\n\n", "  "]), min_size=1, max_size=30).map(
    lambda spaces: "".join(f"{'abcdefghijklmnopqrstuvwxyzABCDE'[at] * 3}{space}" for at, space in enumerate(spaces))
)


def in_pieces(text: str, sizes: Sequence[int]) -> list[str]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return [piece for piece in [*pieces, text[at:]] if piece]


def speaking(*pieces: str) -> list[Delta]:
    return [Delta(id="second", model="m", created=1), *(Delta(piece, block=0) for piece in pieces), END]


def told(joined: AsyncGenerator[Delta, None]) -> list[Delta]:
    async def run() -> list[Delta]:
        return [delta async for delta in joined]

    return asyncio.run(run())


def text_of(deltas: Iterable[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


async def stream(deltas: Iterable[Delta]) -> AsyncGenerator[Delta, None]:
    for delta in deltas:
        yield delta


def answer(*deltas: Delta) -> ChatResponse:
    gatherer = Gatherer()
    for delta in deltas:
        gatherer.add(delta)
    return gatherer.response()


def folded(text: str) -> str:
    return " ".join(text.split())


def letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def looks_said_again(sent: str, rest: str) -> bool:
    """Whether *rest* begins with words of *sent*, so that nobody can tell if they were meant."""
    words = sent.rstrip()
    everything = letters(words) >= 3 and folded(rest).startswith(folded(words))
    ends = (words[-size:] for size in range(1, len(words) + 1))
    broke_off = any(words[at:].startswith(rest) for at in range(len(words))) and letters(rest) >= 8
    return everything or broke_off or any(letters(end) >= 8 and rest.startswith(end) for end in ends)


SIZES = st.lists(st.integers(0, 9), max_size=12)


@given(TEXTS, st.integers(0, 40), SIZES)
def test_a_continuation_adds_exactly_what_was_missing(text: str, cut: int, sizes: list[int]) -> None:
    sent = text[:cut]
    rest = text[len(sent.rstrip()) :]
    got = text_of(told(continued(stream(speaking(*in_pieces(rest, sizes))), sent)))
    assert sent + got == text or looks_said_again(sent, rest)


@given(WORDS, st.integers(1, 150), SIZES)
def test_a_continuation_that_begins_from_the_start_adds_only_the_rest(text: str, cut: int, sizes: list[int]) -> None:
    sent = text[: max(cut, 3)]
    got = text_of(told(continued(stream(speaking(*in_pieces(text, sizes))), sent)))
    assert sent + got == text


@given(TEXTS, st.integers(0, 40), SIZES)
def test_of_who_always_repeats_however_little_is_not_taken_for_more(text: str, cut: int, sizes: list[int]) -> None:
    sent = text[:cut]
    got = text_of(told(continued(stream(speaking(*in_pieces(text, sizes))), sent, repeats=True)))
    assert sent + got == text


@given(WORDS, st.integers(1, 30), st.integers(3, 8), SIZES)
def test_the_last_words_said_again_are_left_out(text: str, words: int, again: int, sizes: list[int]) -> None:
    spoken = text.split()[: words + 1]
    sent = " ".join(spoken)
    rest = " and so on"
    got = text_of(told(continued(stream(speaking(*in_pieces(" ".join(spoken[-again:]) + rest, sizes))), sent)))
    assert got == rest


@given(TEXTS, st.integers(0, 40), SIZES)
def test_an_answer_run_anew_passes_from_where_it_goes_beyond(text: str, cut: int, sizes: list[int]) -> None:
    sent = text[:cut]
    got = text_of(told(spliced(stream(speaking(*in_pieces(text, sizes))), sent)))
    assert sent + got == text


@given(WORDS, st.integers(1, 150), SIZES, st.sampled_from([" ", "\n", " \n "]))
def test_white_space_may_differ_where_an_answer_is_spliced(text: str, cut: int, sizes: list[int], space: str) -> None:
    sent = text[:cut]
    anew = space.join(text.split())
    got = text_of(told(spliced(stream(speaking(*in_pieces(anew, sizes))), sent)))
    assert folded(sent + got) == folded(text)


@given(TEXTS, TEXTS, SIZES)
def test_a_different_answer_is_never_spliced(sent: str, other: str, sizes: list[int]) -> None:
    deltas = stream(speaking(*in_pieces(other, sizes)))
    ended = " " if sent.strip() and sent != sent.rstrip() else ""  # the last word sent was whole
    if f"{folded(other)}{ended}".startswith(f"{folded(sent)}{ended}"):
        assert folded(sent + text_of(told(spliced(deltas, sent)))) == folded(other)
        return
    with pytest.raises(NoSpliceError):
        told(spliced(deltas, sent))


@pytest.mark.parametrize(
    ("sent", "anew", "rest"),
    [
        ("One. ", "One. Two.", "Two."),
        ("One. ", "One.\n\nTwo.", "\n\nTwo."),
        ("One.\n", "One.\n\nTwo.", "\nTwo."),
        ("One.\n\n", "One.\nTwo.", "Two."),
        (" One", "One more", " more"),
        ("One", "\nOne more", " more"),
        ("ma", "made", "de"),
    ],
)
def test_the_space_between_what_was_sent_and_the_rest_comes_once(sent: str, anew: str, rest: str) -> None:
    for size in (1, 2, 3, 99):
        pieces = in_pieces(anew, [size] * (len(anew) // size))
        assert text_of(told(spliced(stream(speaking(*pieces)), sent))) == rest


def test_a_word_that_was_whole_is_not_spliced_with_a_longer_one() -> None:
    with pytest.raises(NoSpliceError):
        told(spliced(stream(speaking("made")), "ma "))


def test_an_answer_that_differs_is_given_up_at_once() -> None:
    seen = 0

    async def endless() -> AsyncGenerator[Delta, None]:
        nonlocal seen
        while True:
            seen += 1
            yield Delta("The dog ")

    with pytest.raises(NoSpliceError):
        told(spliced(endless(), "The dog bites"))
    assert seen == 2


def test_nothing_is_told_of_an_answer_before_it_is_known_to_fit() -> None:
    start = Delta(id="msg_2", usage=Usage(10, 1))
    with pytest.raises(NoSpliceError):
        told(spliced(stream([start, Delta("The dog")]), "The cat"))
    assert told(spliced(stream([start, Delta("The cat"), END]), "The"))[0] == Delta(" cat", usage=Usage(10, 1))
    assert told(continued(stream([start, Delta(" cat"), END]), "The"))[0].text == " cat"
    assert len(told(continued(stream([start, END]), "The cat."))) == 1


def test_an_answer_run_anew_that_calls_a_tool_first_is_not_spliced() -> None:
    deltas = [Delta("Let me "), Delta(tool_call=ToolCallDelta(0, "call_1", "look"))]
    with pytest.raises(NoSpliceError):
        told(spliced(stream(deltas), "Let me look."))


def test_whoever_cannot_splice_leaves_it_to_the_next_target() -> None:
    error = NoSpliceError("no")
    assert isinstance(error, UpstreamError)
    assert error.retryable and error.again is None and not error.blame


def test_names_openings_and_new_thoughts_are_left_out() -> None:
    deltas = [
        Delta(id="second", model="other", created=7),
        Delta(part=Reasoning(id="rs_2", dialect="openai_responses")),
        Delta(reasoning="Hm. ", block=0),
        Delta(signature="sealed", block=0),
        Delta(part=Opaque("openai_responses", {"phase": "final_answer"})),
        Delta(" world", block=1),
        Delta("second choice", choice=1),
        END,
    ]
    rest = told(continued(stream(deltas), "Hello"))
    assert rest[0] == Delta(" world")
    assert [delta.finish_reason for delta in rest[1:]] == ["stop"]


def test_thoughts_before_the_words_of_an_answer_run_anew_are_left_out() -> None:
    deltas = [Delta(reasoning="Hm.", block=0), Delta("Hello world", block=1), END]
    assert told(spliced(stream(deltas), "Hello"))[0] == Delta(" world")


def test_a_tool_called_after_new_words_passes() -> None:
    call = Delta(tool_call=ToolCallDelta(0, "call_1", "look"), block=1)
    assert told(continued(stream([Delta(" look.", block=0), call, END]), "Let me"))[:2] == [Delta(" look."), call]


def test_a_tool_called_while_the_beginning_is_held_comes_after_it() -> None:
    call = Delta(tool_call=ToolCallDelta(0, "call_1", "look"))
    rest = told(continued(stream([Delta("Let"), call, END]), "Let me look for it"))
    assert text_of(rest) == "Let" and rest[0].text and rest[0].tool_call


def test_a_model_that_refuses_to_go_on_leaves_it_to_the_next_target() -> None:
    for refusing in (Delta(refusal="No."), Delta(finish_reason="content_filter"), Delta(finish_reason="refusal")):
        with pytest.raises(NoSpliceError):
            told(continued(stream([Delta(id="x"), refusing]), "Hello"))


def test_an_answer_that_was_whole_but_for_its_end_only_ends() -> None:
    (end,) = told(continued(stream(speaking()), "Hello."))
    assert end.finish_reason == "stop"


def test_a_continuation_that_breaks_off_while_it_says_all_again_adds_nothing() -> None:
    assert text_of(told(continued(stream(speaking("The capital")), "The capital of France is"))) == ""


def test_the_usage_told_is_that_of_the_whole_answer() -> None:
    usage = told(continued(stream(speaking(" world")), "x" * 41))[-1].usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (100, 31, True)
    anew = told(spliced(stream(speaking("Hello world")), "Hello"))[-1].usage
    assert anew == Usage(100, 20)


def test_a_continuation_asks_for_the_rest_of_the_answer() -> None:
    asked = continuation(QUESTION._replace(max_tokens=100, thinking=Thinking(budget=2_000)), "It is in \n")
    assert asked.messages == (*QUESTION.messages, Message("assistant", (Text("It is in"),)))
    assert (asked.max_tokens, asked.thinking, asked.continues, asked.stream) == (97, None, True, True)


def test_a_continuation_leaves_room_for_a_few_words() -> None:
    assert continuation(QUESTION._replace(max_tokens=100), "word " * 200).max_tokens == 16
    assert continuation(QUESTION._replace(max_tokens=5), "word").max_tokens == 5
    assert continuation(QUESTION, "word").max_tokens is None


def test_a_continuation_goes_on_with_the_beginning_that_the_caller_gave() -> None:
    begun = QUESTION._replace(messages=(*QUESTION.messages, Message("assistant", (Text("```py"),))))
    assert continuation(begun, "thon\nprint(").messages[-1] == Message("assistant", (Text("```python\nprint("),))


def body_for(request: ChatRequest, provider: str, model: str) -> Body:
    recalled = Recalled(request, tuple((message, None) for message in request.messages))
    registry = Registry(Config(), environ={"AWS_REGION": "us-east-1"}, folder=None)
    return chat_body(recalled, registry.get(provider), Target(provider, model))


@pytest.mark.parametrize(
    ("provider", "model", "last", "path"),
    [
        ("anthropic", "claude-haiku-4-5", {"content": [{"type": "text", "text": "It is"}]}, ""),
        ("bedrock", "anthropic.claude-sonnet-4-5-v1:0", {"content": [{"text": "It is"}]}, ""),
        ("mistral", "mistral-medium-latest", {"content": "It is", "prefix": True}, ""),
        ("deepseek", "deepseek-chat", {"content": "It is", "prefix": True}, "/beta/chat/completions"),
        ("moonshot", "kimi-k3", {"content": "It is", "partial": True}, ""),
        ("dashscope", "qwen3-max", {"content": "It is", "partial": True}, ""),
        ("groq", "llama-3.3-70b-versatile", {"content": "It is"}, ""),
        ("llamacpp", "any", {"content": "It is"}, ""),
        ("vllm", "any", {"content": "It is"}, ""),
    ],
)
def test_a_target_is_told_in_its_own_words_to_go_on(
    provider: str, model: str, last: dict[str, object], path: str
) -> None:
    body = body_for(continuation(QUESTION, "It is "), provider, model)
    sent = json.loads(body.content)
    assert sent["messages"][-1] == {"role": "assistant", **last}
    assert body.path == path
    assert sent.get("continue_final_message") == (True if provider == "vllm" else None)
    assert sent.get("enable_thinking") == (False if provider == "dashscope" else None)


def test_an_answer_of_long_ago_is_no_beginning_of_the_next() -> None:
    told_before = QUESTION._replace(messages=(*QUESTION.messages, Message("assistant", (Text("There"),))))
    body = body_for(told_before, "moonshot", "kimi-k3")
    assert "partial" not in json.loads(body.content)["messages"][-1]


def test_plain_text_can_be_gone_on_with_whatever_was_thought_before() -> None:
    thought = [Delta(reasoning="Hm.", block=0), Delta(signature="s", block=0)]
    words = Delta("Hello", block=1)
    phase = Delta(part=Opaque("openai_responses", {"phase": "final_answer"}))
    assert continuable(QUESTION, answer(*thought, words))
    assert continuable(QUESTION, answer(phase, words))
    assert said(answer(*thought, words)) == "Hello"


@pytest.mark.parametrize(
    ("changed", "deltas"),
    [
        ({}, [Delta(reasoning="Hm.")]),
        ({}, [Delta(" \n")]),
        ({}, [Delta("Hello"), Delta(tool_call=ToolCallDelta(0, "call_1", "look"))]),
        ({}, [Delta("Hello"), Delta(part=Opaque("anthropic_messages", {"type": "web_search_tool_result"}))]),
        ({}, [Delta("Hello"), Delta(refusal="No.")]),
        ({}, [Delta("Hello"), Delta(finish_reason="stop")]),
        ({"response_format": ResponseFormat("json_object")}, [Delta("{")]),
        ({"logprobs": True}, [Delta("Hello")]),
        ({"n": 2}, [Delta("Hello")]),
    ],
    ids=["thoughts alone", "blank", "call", "server tool", "refusal", "ended", "schema", "logprobs", "choices"],
)
def test_what_is_not_plain_text_cannot_be_gone_on_with(changed: dict[str, object], deltas: list[Delta]) -> None:
    request = QUESTION._replace(**changed)  # type: ignore[arg-type]  # one field of many
    assert not continuable(request, answer(*deltas))


def test_words_that_go_on_are_one_part_of_the_answer() -> None:
    whole = answer(Delta(reasoning="Hm.", block=0), Delta("Hello", block=1), Delta(" world"), END)
    assert whole.choices[0].message.parts == (Reasoning("Hm."), Text("Hello world"))


def test_an_estimate_of_tokens_is_never_nothing_for_words() -> None:
    assert [tokens_in(text) for text in ("", "a", "four", "fifth")] == [0, 1, 1, 2]
