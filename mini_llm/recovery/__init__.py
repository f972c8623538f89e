"""Go on with an answer whose stream broke: what can be gone on with, what to ask for, how the rest is joined on. Pure.

Two ways. *Continued*: a target is given what was sent as the beginning of its own answer. *Spliced*: the request is
run anew, and its answer passes from where it goes beyond what was sent, if it begins with exactly that (white space
folded). Either way the caller gets every word once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

from mini_llm import sse
from mini_llm.errors import NoSpliceError
from mini_llm.meter import CHARACTERS_A_TOKEN
from mini_llm.recovery.joint import Beginning, Joint
from mini_llm.types import ChatRequest, ChatResponse, Delta, Message, Opaque, Part, Reasoning, Text, Usage

LEAST_TOKENS = 16  # as few as every provider takes
REFUSED = ("refusal", "content_filter")
_NOTHING = Delta()


def continuable(request: ChatRequest, sent: ChatResponse) -> bool:
    """Whether what was *sent* of the answer to *request* is text that another answer can go on from."""
    if request.response_format is not None or request.logprobs or (request.n or 1) > 1 or len(sent.choices) != 1:
        return False
    answer = sent.choices[0]
    plain = all(isinstance(part, Text | Reasoning) or _is_field(part) for part in answer.message.parts)
    return plain and answer.finish_reason is None and bool(said(sent).strip())


def said(sent: ChatResponse) -> str:
    """Return the words of an answer, without its thoughts."""
    return "".join(part.text for part in sent.choices[0].message.parts if isinstance(part, Text))


def continuation(request: ChatRequest, sent: str) -> ChatRequest:
    """Return the request whose answer goes on after *sent*.

    It ends where the last word does: some refuse white space there. It asks for no thoughts: they have been thought,
    and who thinks takes no beginning of its answer.
    """
    words, messages = Text(sent.rstrip()), request.messages
    last = messages[-1] if messages else None
    if last is not None and last.role == "assistant":  # the caller gave a beginning of its own
        parts = last.parts
        if parts and isinstance(begun := parts[-1], Text):
            parts, words = parts[:-1], begun._replace(text=begun.text + words.text)
        messages = (*messages[:-1], last._replace(parts=(*parts, words)))
    else:
        messages = (*messages, Message("assistant", (words,)))
    limit = request.max_tokens
    if limit is not None:
        limit = max(limit - tokens_in(sent), min(limit, LEAST_TOKENS))
    return request._replace(messages=messages, max_tokens=limit, thinking=None, continues=True)


def tokens_in(text: str) -> int:
    """Estimate how many tokens *text* is."""
    return -(-len(text) // CHARACTERS_A_TOKEN)


async def continued(deltas: AsyncIterable[Delta], sent: str, *, repeats: bool = False) -> AsyncGenerator[Delta, None]:
    """Yield what a continuation adds to *sent*; what it only says again is left out.

    With *repeats* its provider always begins with what was sent. Its usage becomes that of the whole answer: what was
    sent counts as output, by estimate. Raises NoSpliceError if it is a refusal; until it adds something nothing is
    yielded.
    """
    joint = Joint(sent, repeats=repeats)
    begun, usage = False, None
    try:
        async for delta in deltas:
            step = _step(delta, begun=begun)
            if joint.open and (step.refusal or step.finish_reason in REFUSED):
                raise NoSpliceError("the model refused to go on with the answer")
            text = joint.take(step.text)
            if _does_more(step):
                text += joint.rest()
            usage = _with(step.usage, tokens_in(sent)) if step.usage else usage
            begun = begun or bool(text) or _does_more(step)
            if begun and _says(step := step._replace(text=text, usage=usage)):
                usage = None
                yield step
    finally:
        await sse.close(deltas)
    if text := joint.rest():
        yield Delta(text)


async def spliced(deltas: AsyncIterable[Delta], sent: str) -> AsyncGenerator[Delta, None]:
    """Yield what an answer run anew has beyond *sent*. Its usage is that of the whole answer already.

    Raises NoSpliceError as soon as it differs from what was sent, or does anything else before it got so far; until
    then nothing is yielded.
    """
    beginning = Beginning(sent)
    begun, usage = False, None
    try:
        async for delta in deltas:
            step = _step(delta, begun=begun)
            text = beginning.take(step.text)
            if beginning.differs or (not beginning.whole and _does_more(step)):
                raise NoSpliceError("the answer run anew is not the one that was begun")
            usage = step.usage or usage
            begun = begun or bool(text) or _does_more(step)
            if begun and _says(step := step._replace(text=text, usage=usage)):
                usage = None
                yield step
    finally:
        await sse.close(deltas)


def _step(delta: Delta, *, begun: bool) -> Delta:
    """Return *delta* as a step of an answer under way: no names, no other choice, no thoughts before its new words.

    Words go on in the block that is open.
    """
    if delta.choice:
        return _NOTHING._replace(usage=delta.usage)
    part, text = delta.part, delta.text
    if isinstance(part, Text):
        text, part = text + part.text, None
    elif part is not None and (_is_field(part) or (isinstance(part, Reasoning) and not begun)):
        part = None
    block = None if text else delta.block
    step = delta._replace(text=text, part=part, id="", model="", created=0, logprobs=(), block=block)
    return step if begun else step._replace(reasoning="", signature="", summary=False)


def _says(step: Delta) -> bool:
    return step._replace(block=None) != _NOTHING


def _does_more(step: Delta) -> bool:
    """Whether *step* does more than speak."""
    return bool(step.refusal or step.tool_call or step.part or step.finish_reason)


def _is_field(part: Part) -> bool:
    """Whether *part* only holds fields of the message around it."""
    return isinstance(part, Opaque) and "type" not in part.raw and "candidate" not in part.raw


def _with(usage: Usage, tokens: int) -> Usage:
    """Return *usage* with *tokens* more of output. What was charged for both nobody says."""
    output = usage.output_tokens + tokens
    return usage._replace(output_tokens=output, cost_nanos=None, estimated=True, raw=Usage().raw)
