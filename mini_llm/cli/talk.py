"""A conversation under way: what was said, what goes with the next question, what all of it cost. No terminal here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mini_llm import pricing
from mini_llm.cli.conversations import bare
from mini_llm.client.answers import Answer
from mini_llm.types import Message, Part, Text

SYSTEM = ("system", "developer")


class Talk:
    """The turns so far. `options` go with each question; `attached` with the next."""

    def __init__(self, messages: Sequence[Message], options: dict[str, Any]) -> None:
        self.messages = list(messages)
        self.options = options
        self.attached: list[Part] = []
        self.unanswered: Message | None = None
        self._answers = self._nanos = self._unpriced = self._input = self._output = 0

    def question(self, text: str) -> Message:
        """Return the next turn of the user, with what was attached for it."""
        words = (Text(text),) if text or not self.attached else ()
        asked = Message("user", (*self.attached, *words))
        self.attached = []
        return asked

    def answered(self, asked: Message, answer: Answer) -> None:
        """Take in a turn, and what it cost."""
        self._answers += 1
        if answer.cost_nanos is None:
            self._unpriced += 1
        else:
            self._nanos += answer.cost_nanos
        if answer.usage is not None:
            self._input += answer.usage.input_tokens
            self._output += answer.usage.output_tokens
        said = bare(answer.response.choices[0].message) if answer.response.choices else None
        if said is None or not said.parts:
            self.unanswered = asked
        else:
            self.messages += [asked, said]
            self.unanswered = None

    def failed(self, asked: Message) -> None:
        """Note that *asked* got no answer: it can be asked again."""
        self.unanswered = asked

    def take_back(self) -> Message | None:
        """Remove the last question and all that came after it; return it, None if there is none."""
        if self.unanswered is not None:
            asked, self.unanswered = self.unanswered, None
            return asked
        for place in reversed(range(len(self.messages))):
            if self.messages[place].role == "user":
                asked = self.messages[place]
                del self.messages[place:]
                return asked
        return None

    def instruct(self, text: str) -> None:
        """Replace the instructions."""
        self.messages = [message for message in self.messages if message.role not in SYSTEM]
        self.options.pop("system", None)
        if text:
            self.options["system"] = text

    @property
    def instructions(self) -> str:
        """What the model was told to be, "" if nothing."""
        if told := self.options.get("system"):
            return str(told)
        found = [
            part.text for one in self.messages if one.role in SYSTEM for part in one.parts if isinstance(part, Text)
        ]
        return "\n".join(found)

    @property
    def cost(self) -> str:
        """What the answers of this session cost, in one line."""
        if not self._answers:
            return "nothing yet"
        price = pricing.dollars(self._nanos) if self._nanos or not self._unpriced else "cost unknown"
        answers = f"{self._answers} answer{'' if self._answers == 1 else 's'}"
        more = f" + {self._unpriced} of unknown cost" if self._unpriced and self._nanos else ""
        return f"{answers} · {self._input:,} in, {self._output:,} out · {price}{more}"
