"""The words of routing: a target and what it is asked for, a choice, a decision; and what a request needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from mini_llm.config import Timeouts
from mini_llm.meter import CHARACTERS_A_TOKEN
from mini_llm.types import Audio, ChatRequest, Document, Image, Reasoning, Text, ToolCall, ToolResult

TOKENS_A_PICTURE = 1000
WORTH_CACHING = 1024  # tokens of a prompt; providers cache no shorter one


class Target(NamedTuple):
    """One model at one provider."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Needs(NamedTuple):
    """What a request asks of a target. Token counts may be estimates; 0 is unknown. Each of `answers` has `max_tokens`.

    `conversation` is the same for all turns of one, and 0 where the prompt is too short for any cache.
    """

    input_tokens: int = 0
    max_tokens: int | None = None
    capabilities: frozenset[str] = frozenset()
    conversation: int = 0
    answers: int = 1


# To find out what a large request needs takes longer than to route it: it may be told when it is asked for.
Needed: TypeAlias = Needs | Callable[[], Needs]


def needed(needs: Needed) -> Needs:
    """Return the needs, working them out if they were not told yet."""
    return needs if isinstance(needs, Needs) else needs()


class Credential(NamedTuple):
    """One of a provider's keys as one target uses it: never the key itself.

    `reference` is for `upstream` alone (it is the key, where that stands in the config), `label` may be shown.
    `key` names the target with it in `health`, `name` the key there.
    """

    reference: str
    label: str
    key: str
    name: str

    def __repr__(self) -> str:
        return f"Credential({self.name!r}, {self.key!r})"


class Choice(NamedTuple):
    """A target, why it stands where it stands, and what the request would cost there (nano-dollars)."""

    target: Target
    reason: str
    expected_nanos: int | None = None
    trouble: str = ""
    credentials: tuple[Credential, ...] = ()


class Decision(NamedTuple):
    """Which targets are asked, in order; `skipped` are those that cannot be, with the reason.

    `recovery` says what becomes of a stream that breaks; with `past_refusal` a content filter is not final. `withheld`
    is the wallet's target, where it could answer after the others if the user allowed that.
    """

    asked: str
    route: str
    strategy: str
    choices: tuple[Choice, ...]
    skipped: tuple[tuple[Target, str], ...]
    max_attempts: int
    timeouts: Timeouts
    recovery: str = "off"
    past_refusal: bool = False
    withheld: Target | None = None
    told: str = ""

    def line(self) -> str:
        """Tell the decision in one line: what `explain`, the answer's header and the ledger all say."""
        if self.told:
            return self.told
        order = ", ".join(str(choice.target) for choice in self.choices)
        name = self.route or self.asked or "default"
        return f"{name} ({self.strategy}): {order}"


def needs_of(request: ChatRequest) -> Needs:
    """Return what *request* asks of a target; its size is a guess: four characters a token, 1,000 a picture."""
    characters = 0
    tokens = 0
    capabilities = {"tools"} if request.tools else set()
    if request.response_format is not None and request.response_format.kind == "json_schema":
        capabilities.add("json_schema")
    if request.thinking is not None and request.thinking.enabled is not False and request.thinking.effort != "none":
        capabilities.add("reasoning")
    parts = [part for message in request.messages for part in message.parts]
    while parts:
        part = parts.pop()
        match part:
            case Text(text=text) | Reasoning(text=text) | ToolCall(arguments=text):
                characters += len(text)
            case ToolResult(parts=inner):
                parts += inner
            case Image():
                capabilities.add("images")
                tokens += TOKENS_A_PICTURE
            case Document() | Audio():
                capabilities.add("documents" if isinstance(part, Document) else "audio")
                characters += len(part.data) // 2
            case _:
                pass
    size = tokens - (-characters // CHARACTERS_A_TOKEN)
    conversation = _conversation(request) if size >= WORTH_CACHING else 0
    return Needs(size, request.max_tokens, frozenset(capabilities), conversation, request.n or 1)


def _conversation(request: ChatRequest) -> int:
    """Return what tells a conversation from others, in this process: how it begins, up to the first user's turn."""
    begins: list[str] = []
    for message in request.messages:
        begins += [part.text for part in message.parts if isinstance(part, Text)]
        if message.role == "user":
            break
    return hash(tuple(begins))
