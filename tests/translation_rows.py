"""A small request for each row of the table in docs/translation.md. What becomes of it, the table says alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mini_llm import dialects
from mini_llm.types import (
    Audio,
    CacheMark,
    ChatRequest,
    Document,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

CHAT, RESPONSES, ANTHROPIC, GEMINI = dialects.NAMES
MODELS = {CHAT: "gpt-5.5", RESPONSES: "gpt-5.5", ANTHROPIC: "claude-opus-4-5", GEMINI: "gemini-3-flash"}
ASKED = (Message("user", (Text("Hi"),)),)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
OPEN = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
TOOLS = (Tool("f", "", SCHEMA), Tool("g", "", SCHEMA))
CALL = ToolCall("call_0123456789", "f", '{"a":1}')
RESULT = ToolResult("call_0123456789", (Text("Sunny"),))


class Row(NamedTuple):
    """What is asked for: `asked` over `without`, by callers of each of `callers`, of the usual or other `models`."""

    asked: Mapping[str, Any]
    without: Mapping[str, Any] = {}
    callers: tuple[str, ...] = dialects.NAMES
    models: Mapping[str, str] = {}

    def requests(self, caller: str, target: str) -> tuple[ChatRequest, ChatRequest]:
        """Return the request with what the row is about, and without it."""
        model = self.models.get(target, MODELS[target])
        plain = ChatRequest(model, ASKED, max_tokens=9_000, dialect=caller)._replace(**self.without)
        return plain._replace(**self.asked), plain


def said(*parts: Part) -> Row:
    """Return the row of a message that has *parts* beside its words."""
    return Row({"messages": (Message("user", (Text("Hi"), *parts)),)})


def answered(*parts: Part, **more: Any) -> Row:
    """Return the row of an earlier answer that has *parts* beside its words."""
    return Row({"messages": _turns(*parts)}, {"messages": _turns()}, **more)


def called(result: ToolResult, call: ToolCall = CALL) -> Row:
    """Return the row of a tool's result."""
    turns = (*ASKED, Message("assistant", (call,)), Message("tool", (result,)))
    return Row({"messages": turns}, {"tools": TOOLS})


def extra(caller: str, **fields: Any) -> Row:
    """Return the row of fields that only *caller* has."""
    return Row({"extra": fields}, callers=(caller,))


def choice(wanted: ToolChoice) -> Row:
    """Return the row of a choice of tools."""
    return Row({"tool_choice": wanted}, {"tools": TOOLS})


def own(caller: str, *tools: Tool, **more: Any) -> Row:
    """Return the row of tools that only *caller* has."""
    return Row({"tools": tools, **more}, callers=(caller,))


def _turns(*parts: Part) -> tuple[Message, ...]:
    return (*ASKED, Message("assistant", (Text("So."), *parts)), *ASKED)


PLAIN_TURNS = called(RESULT).asked["messages"]
CUSTOM_CHAT = Tool("p", dialect=CHAT, raw={"type": "custom", "custom": {"name": "p"}})
CUSTOM = Tool("p", dialect=RESPONSES, raw={"type": "custom", "name": "p"})
SPACE = {"type": "namespace", "name": "sky", "tools": [{"type": "function", "name": "look", "parameters": SCHEMA}]}
ALLOWED = [{"type": "function", "name": "f"}]
ALLOWED_CHAT = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}
OLDER = {ANTHROPIC: "claude-opus-4-5", GEMINI: "gemini-2.5-flash"}
NEWER = {ANTHROPIC: "claude-opus-5", GEMINI: "gemini-3-pro"}
SIGNED = Reasoning("Hm", signature="sig", dialect=ANTHROPIC)
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
PICTURE, PDF = "iVBORw0KGgo=", "JVBERi0="
ADDRESS = "https://example.com/a.png"

ROWS: dict[str, Row] = {
    "token limit": Row({"max_tokens": 100}),
    "token limit, none given": Row({"max_tokens": None}, {"max_tokens": None}),
    "`temperature`": Row({"temperature": 0.5}),
    "`temperature` above 1": Row({"temperature": 1.5}),
    "`temperature` beside reasoning": Row({"temperature": 0.5}, {"thinking": Thinking(effort="high")}),
    "`top_p`": Row({"top_p": 0.5}),
    "`top_k`": Row({"top_k": 7}),
    "`top_k` beside reasoning": Row({"top_k": 7}, {"thinking": Thinking(effort="high")}),
    "stop sequences": Row({"stop": ("END",)}),
    "`presence_penalty`": Row({"presence_penalty": 0.5}),
    "`frequency_penalty`": Row({"frequency_penalty": 0.5}),
    "penalties of 0": Row({"presence_penalty": 0, "frequency_penalty": 0}, callers=(CHAT,)),
    "`seed`": Row({"seed": 7}),
    "`n` of 2": Row({"n": 2}),
    "`logprobs`": Row({"logprobs": True}),
    "`top_logprobs`": Row({"logprobs": True, "top_logprobs": 3}, {"logprobs": True}, callers=(CHAT, GEMINI)),
    "`logit_bias`": extra(CHAT, logit_bias={"50256": -100}),
    "tools": Row({"tools": (Tool("f", "Do f", SCHEMA),)}),
    "one call at a time": Row({"parallel_tool_calls": False}, {"tools": TOOLS}),
    "several calls at once": Row({"parallel_tool_calls": True}, {"tools": TOOLS}),
    "tool choice: auto": choice(ToolChoice("auto")),
    "tool choice: none": choice(ToolChoice("none")),
    "tool choice: required": choice(ToolChoice("required")),
    "tool choice: one tool": choice(ToolChoice("tool", "f")),
    "tool choice: required, beside reasoning": Row(
        {"tool_choice": ToolChoice("required")}, {"tools": TOOLS, "thinking": Thinking(effort="high")}
    ),
    "tool choice: allowed tools (Chat)": Row(
        {"extra": {"tool_choice": {"type": "allowed_tools", "allowed_tools": ALLOWED_CHAT}}, "tools": TOOLS},
        callers=(CHAT,),
    ),
    "tool choice: allowed tools (Responses)": Row(
        {"extra": {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": ALLOWED}}, "tools": TOOLS},
        callers=(RESPONSES,),
    ),
    "tool choice: allowed tools (Gemini)": Row(
        {
            "extra": {"toolConfig.functionCallingConfig.allowedFunctionNames": ["f", "g"]},
            "tool_choice": ToolChoice("required"),
            "tools": (*TOOLS, Tool("h", "", SCHEMA)),
        },
        callers=(GEMINI,),
    ),
    "strict tool": Row({"tools": (Tool("f", "", SCHEMA, strict=True),)}),
    "strict tool, open schema": Row({"tools": (Tool("f", "", OPEN, strict=True),)}),
    "JSON object": Row({"response_format": ResponseFormat("json_object")}, callers=(CHAT, RESPONSES, GEMINI)),
    "JSON schema": Row({"response_format": ResponseFormat("json_schema", SCHEMA)}),
    "JSON schema, strict": Row(
        {"response_format": ResponseFormat("json_schema", SCHEMA, "reply", "A reply", strict=True)},
        callers=(CHAT, RESPONSES),
    ),
    "JSON schema, open, with bounds": Row({"response_format": ResponseFormat("json_schema", OPEN)}),
    "cache mark on a message": said(Text("Long", CacheMark("1h"))),
    "cache mark on a tool": Row({"tools": (Tool("f", "", SCHEMA, cache=CacheMark()),)}, {"tools": TOOLS[:1]}),
    "`prompt_cache_key` (Chat)": extra(CHAT, prompt_cache_key="k"),
    "`prompt_cache_key` (Responses)": extra(RESPONSES, prompt_cache_key="k"),
    "`metadata` (Chat)": Row({"metadata": {"a": "b"}}, callers=(CHAT,)),
    "`metadata` (Responses)": Row({"metadata": {"a": "b"}}, callers=(RESPONSES,)),
    "`user`": Row({"user": "u1"}, callers=(CHAT, RESPONSES, ANTHROPIC)),
    "`user` longer than 64 (Messages)": Row({"user": "u" * 65}, callers=(ANTHROPIC,)),
    "service tier (Chat)": Row({"service_tier": "flex"}, callers=(CHAT,)),
    "service tier (Responses)": Row({"service_tier": "flex"}, callers=(RESPONSES,)),
    "service tier (Messages)": Row({"service_tier": "standard_only"}, callers=(ANTHROPIC,)),
    "service tier (Gemini)": Row({"service_tier": "flex"}, callers=(GEMINI,)),
    "reasoning effort: Claude from 4.6 on, Gemini 3": Row(
        {"thinking": Thinking(effort="high")}, callers=(CHAT, RESPONSES), models=NEWER
    ),
    "reasoning effort: Claude up to 4.5, Gemini 2.5": Row(
        {"thinking": Thinking(effort="high")}, callers=(CHAT, RESPONSES), models=OLDER
    ),
    "reasoning budget": Row({"thinking": Thinking(True, budget=4_000)}, callers=(ANTHROPIC, GEMINI)),
    "reasoning as the model likes (Messages)": Row({"thinking": Thinking(enabled=True)}, callers=(ANTHROPIC,)),
    "reasoning off by effort": Row({"thinking": Thinking(effort="none")}, callers=(CHAT, RESPONSES)),
    "reasoning off by switch": Row({"thinking": Thinking(enabled=False)}, callers=(ANTHROPIC, GEMINI)),
    "reasoning summary (Responses)": Row(
        {"thinking": Thinking(effort="high", summary="detailed")}, callers=(RESPONSES,)
    ),
    "system message first": Row({"messages": (Message("system", (Text("Be brief"),)), *ASKED)}),
    "developer message first": Row(
        {"messages": (Message("developer", (Text("Be brief"),)), *ASKED)}, callers=(CHAT, RESPONSES)
    ),
    "system message in the middle": Row({"messages": (*ASKED, Message("system", (Text("Be brief"),)), *ASKED)}),
    "name of a turn (Chat)": Row({"messages": (ASKED[0]._replace(name="ann"),)}, callers=(CHAT,)),
    "image, base64": said(Image(data=PICTURE, media_type="image/png")),
    "image, address": said(Image(url=ADDRESS)),
    "image, address without TLS": said(Image(url="http://example.com/a.png")),
    "image, address of Google's": said(Image(url="gs://bucket/a.png")),
    "image `detail`": said(Image(data=PICTURE, media_type="image/png", detail="high")),
    "PDF, base64": said(Document(data=PDF, media_type="application/pdf")),
    "PDF, base64, with its name": said(Document(data=PDF, media_type="application/pdf", name="a.pdf")),
    "PDF, address": said(Document(url="https://example.com/a.pdf", media_type="application/pdf")),
    "PDF, file id (Chat, Responses)": said(Document(file_id="file-1"))._replace(callers=(CHAT, RESPONSES)),
    "PDF, file id (Messages)": said(Document(file_id="file-1"))._replace(callers=(ANTHROPIC,)),
    "PDF, file of Google's (Gemini)": said(
        Document(url="https://generativelanguage.googleapis.com/v1beta/files/1", media_type="application/pdf")
    )._replace(callers=(GEMINI,)),
    "audio": said(Audio("aGk=", "wav")),
    "tool call and result": called(RESULT),
    "tool result with an image": Row(
        called(RESULT._replace(parts=(*RESULT.parts, Image(data=PICTURE, media_type="image/png")))).asked,
        {"messages": PLAIN_TURNS, "tools": TOOLS},
    ),
    "tool result that is an error": Row(
        called(RESULT._replace(is_error=True)).asked, {"messages": PLAIN_TURNS, "tools": TOOLS}
    ),
    "refusal in an earlier answer": answered(Refusal("No.")),
    "reasoning of Anthropic, signed": answered(SIGNED),
    "reasoning of Anthropic, hidden": answered(Reasoning(redacted="data", dialect=ANTHROPIC)),
    "reasoning of the Responses API, encrypted": answered(Reasoning(id="rs_1", encrypted="gAAA", dialect=RESPONSES)),
    "reasoning of Gemini, signed": answered(Reasoning(signature="sig", dialect=GEMINI)),
    "reasoning in plain words": answered(Reasoning("Hm")),
    "custom tool (Chat)": own(CHAT, CUSTOM_CHAT),
    "custom tool (Responses)": own(RESPONSES, CUSTOM),
    "call of a custom tool": Row(
        {"messages": called(RESULT, ToolCall(CALL.id, "p", "text", kind="custom")).asked["messages"]},
        {"tools": (CUSTOM,)},
        callers=(RESPONSES,),
    ),
    "namespace of tools (Responses)": own(RESPONSES, Tool("sky", dialect=RESPONSES, raw=SPACE)),
    "hosted web search (Responses)": own(RESPONSES, Tool("web_search", dialect=RESPONSES, raw={"type": "web_search"})),
    "other hosted tools (Responses)": own(
        RESPONSES, Tool("computer", dialect=RESPONSES, raw={"type": "computer_use_preview"})
    ),
    "hosted tools (Messages)": own(
        ANTHROPIC, Tool("web_search", dialect=ANTHROPIC, raw={"type": "web_search_20250305", "name": "web_search"})
    ),
    "hosted tools (Gemini)": own(GEMINI, Tool("googleSearch", dialect=GEMINI, raw={"googleSearch": {}})),
    "what a hosted tool did in an earlier answer (Messages)": answered(Opaque(ANTHROPIC, SEARCH), callers=(ANTHROPIC,)),
    "`store` (Chat)": extra(CHAT, store=True),
    "`store` (Responses)": extra(RESPONSES, store=True),
    "`previous_response_id` (Responses)": extra(RESPONSES, previous_response_id="resp_1"),
    "`include` (Responses)": extra(RESPONSES, include=["reasoning.encrypted_content"]),
    "`verbosity` (Chat)": extra(CHAT, verbosity="low"),
    "`prediction` (Chat)": extra(CHAT, prediction={"type": "content", "content": "x"}),
    "`context_management` (Messages)": extra(ANTHROPIC, context_management={"edits": []}),
    "`mcp_servers` (Messages)": extra(ANTHROPIC, mcp_servers=[{"type": "url", "url": ADDRESS, "name": "m"}]),
    "`safetySettings` (Gemini)": extra(GEMINI, safetySettings=[{"category": "c", "threshold": "OFF"}]),
    "`cachedContent` (Gemini)": extra(GEMINI, cachedContent="cachedContents/1"),
    "streaming": Row({"stream": True, "include_usage": True}),
    "fields nobody knows": extra(CHAT, wombat=1),
}
