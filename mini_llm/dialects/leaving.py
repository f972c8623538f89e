"""What a part or a tool carries and another dialect has no words for: it is left out there, and named."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from mini_llm.dialects.strictness import fits
from mini_llm.errors import TranslationError
from mini_llm.types import ChatRequest, Document, Image, Json, Part, Tool, ToolCall, ToolResult

CHAT, RESPONSES, ANTHROPIC, GEMINI = "openai_chat", "openai_responses", "anthropic_messages", "gemini"
# Dialects that know marks for the prompt cache, how closely to look at a picture, and what a file is called.
_MARKS = frozenset({ANTHROPIC, "bedrock_converse"})
_DETAILS = frozenset({CHAT, RESPONSES, "cohere", "mistral"})
_UNNAMED = frozenset({GEMINI})
# Ids of calls may be so long: "string too long", say OpenAI and those like it.
_LONGEST_ID: Mapping[str, int] = {CHAT: 40, RESPONSES: 64}
# Where an encoded request says how much to think.
_THOUGHTS: Mapping[str, tuple[str, ...]] = {
    CHAT: ("reasoning_effort", "reasoning", "thinking"),
    RESPONSES: ("reasoning",),
    ANTHROPIC: ("thinking", "output_config"),
    GEMINI: ("thinkingConfig",),
}


def bare(request: ChatRequest, dialect: str) -> tuple[ChatRequest, tuple[str, ...]]:
    """Return *request* without what only its own dialect knows of parts and tools, and the names of it."""
    if request.dialect == dialect or (not request.dialect and dialect == CHAT):
        return request, ()
    leaver = _Leaver(dialect, request.dialect)
    messages = tuple(
        message._replace(parts=leaver.parts(message.parts, f"messages[{at}].content"))
        for at, message in enumerate(request.messages)
    )
    tools = tuple(map(leaver.tool, request.tools))
    form = request.response_format
    if form and form.strict is None and dialect in (CHAT, RESPONSES) and request.dialect and fits(form.schema):
        form = form._replace(strict=True)  # elsewhere every schema holds
    return request._replace(messages=messages, tools=tools, response_format=form), tuple(dict.fromkeys(leaver.gone))


def unsaid(request: ChatRequest, body: Json, dialect: str) -> tuple[str, ...]:
    """Return the names of what *request* asks for and its *body* does not say: how much to think, what it bars."""
    barred = ("top_k",) if dialect == ANTHROPIC and request.top_k is not None and "top_k" not in body else ()
    return _thoughts(request, body, dialect) + barred


def _thoughts(request: ChatRequest, body: Json, dialect: str) -> tuple[str, ...]:
    wanted, names = request.thinking, _THOUGHTS.get(dialect)
    if wanted is None or names is None or wanted[:3] == (None, None, None):
        return ()
    if dialect == CHAT and wanted.summary and wanted.effort:
        return ("reasoning.summary",)
    said = body.get("generationConfig", body) if dialect == GEMINI else body
    return () if any(name in said for name in names) else ("thinking",)


class _Leaver:
    """Takes out what *dialect* does not know; `gone` are the names of it. What cannot go without is refused."""

    def __init__(self, dialect: str, spoken: str) -> None:
        self._dialect = dialect
        self._foreign = bool(spoken) and {dialect, spoken} != {CHAT, RESPONSES}  # one vendor's files
        self.gone: list[str] = []

    def parts(self, parts: Iterable[Part], path: str) -> tuple[Part, ...]:
        return tuple(self._part(part, f"{path}[{at}]") for at, part in enumerate(parts))

    def tool(self, tool: Tool) -> Tool:
        tool = Tool(*self._unmarked(tool))
        if tool.strict and self._dialect in (CHAT, RESPONSES) and not fits(tool.parameters):
            self.gone.append("tools.strict")
            return tool._replace(strict=None)
        return tool

    def _part(self, part: Part, path: str) -> Part:
        if isinstance(part, ToolResult):
            part = part._replace(parts=self.parts(part.parts, f"{path}.content"), call_id=self._short(part.call_id))
        elif isinstance(part, ToolCall):
            part = part._replace(id=self._short(part.id))
        elif isinstance(part, Image) and part.detail and self._dialect not in _DETAILS:
            if part.detail != "auto":
                self.gone.append("messages.detail")
            part = part._replace(detail="")
        elif isinstance(part, Document) and part.file_id and self._foreign:
            raise TranslationError(
                f"{path}: only the provider that keeps the file knows what {part.file_id} is",
                field=path,
                hint="send its content as base64, or choose a model of that provider",
            )
        elif isinstance(part, Document) and part.name and self._dialect in _UNNAMED:
            self.gone.append("messages.filename")
            part = part._replace(name="")
        unmarked: Part = self._unmarked(part)
        return unmarked

    def _short(self, call_id: str) -> str:
        """Return *call_id*, or where it is too long one made from it, always the same."""
        if len(call_id) <= _LONGEST_ID.get(self._dialect, len(call_id)):
            return call_id
        return "call_" + hashlib.blake2b(call_id.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def _unmarked(self, part: Any) -> Any:
        if getattr(part, "cache", None) is None or self._dialect in _MARKS:
            return part
        self.gone.append("cache_control")
        return part._replace(cache=None)
