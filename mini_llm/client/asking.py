"""What a caller hands in → a ChatRequest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict, cast

from mini_llm import dialects
from mini_llm.errors import UsageError
from mini_llm.types import ChatRequest, Effort, Message, Part, ResponseFormat, Text, Thinking, Tool, ToolChoice

Prompt: TypeAlias = str | Sequence[Message | Mapping[str, Any]]


class Options(TypedDict, total=False):
    """What may be said beside the prompt. All of it is optional.

    model: an alias, `provider/model`, or a bare model name; "" is the configured default.
    system: instructions that stand before the conversation.
    tools: `Tool`s, or mappings in OpenAI's shape, or `{"name", "description", "parameters"}`.
    tool_choice: "auto", "none", "required", or the name of the tool that must be called.
    schema: a JSON schema (draft 2020-12) the answer has to fit.
    attachments: `Image`, `Document` or `Audio` parts that go with the last user message.
    max_tokens: the most tokens the answer may have.
    temperature, top_p, seed, stop: as every provider knows them.
    effort: how hard to think: "none", "minimal", "low", "medium", "high", "xhigh", "max".
    timeout: seconds for the whole call, retries and fallbacks included.
    caller: a name for the ledger, so that `usage --by tool` can tell who asked.
    conversation: the id under which the history keeps it, where that is on; else what was said tells.
    """

    model: str
    system: str
    tools: Sequence[Tool | Mapping[str, Any]]
    tool_choice: str
    schema: Mapping[str, Any]
    attachments: Sequence[Part]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: str | Sequence[str]
    effort: Effort
    timeout: float
    caller: str
    conversation: str


def request(prompt: Prompt, options: Options, *, stream: bool) -> ChatRequest:
    """Return what *prompt* and *options* ask for. Raises UsageError that names what is wrong."""
    unknown = sorted(set(options) - Options.__optional_keys__)
    if unknown:
        raise UsageError(
            f"unknown option {', '.join(unknown)}", hint=f"options: {', '.join(sorted(Options.__optional_keys__))}"
        )
    stop = options.get("stop", ())
    effort = options.get("effort")
    return ChatRequest(
        model=options.get("model", ""),
        messages=_messages(prompt, options.get("system", ""), options.get("attachments", ())),
        stream=stream,
        include_usage=True,
        max_tokens=options.get("max_tokens"),
        temperature=options.get("temperature"),
        top_p=options.get("top_p"),
        seed=options.get("seed"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        tools=tuple(_tool(tool) for tool in options.get("tools", ())),
        tool_choice=_tool_choice(options.get("tool_choice", "")),
        response_format=_format(options.get("schema")),
        thinking=Thinking(effort=effort) if effort else None,
    )


def _messages(prompt: Prompt, system: str, attachments: Sequence[Part]) -> tuple[Message, ...]:
    first = (Message("system", (Text(system),)),) if system else ()
    if isinstance(prompt, str):
        text = (Text(prompt),) if prompt or not attachments else ()
        return (*first, Message("user", (*attachments, *text)))
    turns = [turn if isinstance(turn, Message) else _decoded(turn) for turn in prompt]
    if attachments:
        if not turns or turns[-1].role != "user":
            raise UsageError("attachments need a user message at the end of the conversation")
        turns[-1] = Message("user", (*attachments, *turns[-1].parts), turns[-1].name)
    if not turns:
        raise UsageError("the conversation is empty", hint="pass a prompt, or at least one message")
    return (*first, *turns)


def _decoded(turn: Mapping[str, Any]) -> Message:
    """Read a message given as a mapping in OpenAI's shape."""
    messages = dialects.get("openai_chat").decode_request({"model": "", "messages": [dict(turn)]}).messages
    if len(messages) != 1:
        raise UsageError(f"a message needs a role and content, got the keys {', '.join(map(str, turn)) or 'none'}")
    return messages[0]


def _tool(tool: Tool | Mapping[str, Any]) -> Tool:
    if isinstance(tool, Tool):
        return tool
    wrapped = dict(tool) if "type" in tool else {"type": "function", "function": dict(tool)}
    body = {"model": "", "messages": [], "tools": [wrapped]}
    return dialects.get("openai_chat").decode_request(body).tools[0]


def _tool_choice(choice: str) -> ToolChoice | None:
    if not choice:
        return None
    if choice in ("auto", "none", "required"):
        return ToolChoice(cast(Literal["auto", "none", "required"], choice))
    return ToolChoice("tool", choice)


def _format(schema: Mapping[str, Any] | None) -> ResponseFormat | None:
    if schema is None:
        return None
    name = schema.get("title")
    return ResponseFormat("json_schema", dict(schema), name=name if isinstance(name, str) else "answer")
