"""Read a caller's Responses request."""

from __future__ import annotations

from mini_llm.dialects.fields import Fields
from mini_llm.dialects.openai_responses.read_items import messages_of
from mini_llm.dialects.openai_responses.words import EFFORTS, LOGPROBS, NAME
from mini_llm.types import ChatRequest, Json, Message, ResponseFormat, Text, Thinking, Tool, ToolChoice

# What may stand in place of `input`: a stored prompt, or a conversation that goes on.
_STORED = ("prompt", "previous_response_id", "conversation")
# The switch that is off by default says nothing while it is off.
_OFF = "background"


def decode_request(body: Json) -> ChatRequest:
    """Read *body*. Raises UsageError that names the field which is wrong."""
    fields = Fields(body)
    text, reasoning = fields.inner("text"), fields.inner("reasoning")
    include = fields.raw.get("include")
    return ChatRequest(
        model=fields.text("model"),
        messages=(*_instructions(fields), *_messages(fields)),
        stream=bool(fields.flag("stream")),
        include_usage=True,  # this dialect always tells it
        max_tokens=fields.whole("max_output_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        logprobs=True if isinstance(include, list) and LOGPROBS in include else None,
        top_logprobs=fields.whole("top_logprobs"),
        tools=tuple(map(tool, fields.each("tools"))),
        tool_choice=_tool_choice(fields),
        parallel_tool_calls=fields.flag("parallel_tool_calls"),
        response_format=_response_format(text),
        thinking=_thinking(reasoning),
        user=fields.text("user"),
        metadata=fields.json("metadata") or {},
        service_tier=fields.text("service_tier"),
        dialect=NAME,
        extra=_extra(fields, text, reasoning),
    )


def tool(item: Fields) -> Tool:
    """Read one tool; one that is not a function stays as it is."""
    if item.text("type") != "function":
        return Tool(item.text("name") or item.text("type"), item.text("description"), dialect=NAME, raw=item.raw)
    function = Tool(
        item.needed("name"), item.text("description"), item.json("parameters"), strict=item.flag("strict")
    )  # fmt: skip
    rest = item.rest()  # `defer_loading` and its like only tune how the tool is offered
    if not rest:
        return function
    parameters = function.parameters or {"type": "object", "properties": {}}
    return function._replace(parameters=parameters, dialect=NAME, raw=rest)


def _instructions(fields: Fields) -> tuple[Message, ...]:
    said = fields.text("instructions")
    return (Message("system", (Text(said),)),) if said else ()


def _messages(fields: Fields) -> tuple[Message, ...]:
    given = fields.get("input")
    if isinstance(given, str):
        return (Message("user", (Text(given),) if given else ()),)
    if not isinstance(given, list) and not (given is None and any(fields.raw.get(name) for name in _STORED)):
        raise fields.wrong("input", "a string or a list of items")
    return messages_of(fields.each("input"))


def _tool_choice(fields: Fields) -> ToolChoice | None:
    choice = fields.raw.get("tool_choice")
    if isinstance(choice, str):
        fields.get("tool_choice")
        if choice in ("auto", "none", "required"):
            return ToolChoice(choice)  # type: ignore[arg-type]  # one of the literals, just checked
        raise fields.wrong("tool_choice", '"auto", "none", "required" or an object')
    if choice is None:
        return None
    forced = Fields(choice, "tool_choice")
    if forced.text("type") not in ("function", "custom"):
        return None  # another form (allowed_tools, a hosted tool) stays in `extra`
    fields.get("tool_choice")
    return ToolChoice("tool", forced.needed("name"))


def _response_format(text: Fields | None) -> ResponseFormat | None:
    form = text.inner("format") if text else None
    kind = form.text("type") if form else "text"
    if form is None or kind == "text":
        return None
    if kind == "json_object":
        return ResponseFormat("json_object")
    if kind != "json_schema":
        raise form.wrong("type", "text, json_object or json_schema")
    return ResponseFormat(
        "json_schema", form.json("schema"), form.text("name"), form.text("description"), form.flag("strict")
    )  # fmt: skip


def _thinking(reasoning: Fields | None) -> Thinking | None:
    if reasoning is None:
        return None
    effort, summary = reasoning.text("effort"), reasoning.text("summary")
    if effort and effort not in EFFORTS:
        raise reasoning.wrong("effort", f"one of {', '.join(EFFORTS)}")
    return Thinking(effort=EFFORTS.get(effort), summary=summary) if effort or summary else None


def _extra(fields: Fields, text: Fields | None, reasoning: Fields | None) -> Json:
    """Return what has no word; `verbosity` under the name chat completions have for it."""
    if fields.raw.get(_OFF) is False:
        fields.get(_OFF)
    extra: Json = {}
    if text:
        extra |= {"verbosity": verbosity} if (verbosity := text.text("verbosity")) else {}
        extra |= {"text": rest} if (rest := text.rest()) else {}
    if reasoning and (rest := reasoning.rest()):
        extra["reasoning"] = rest
    return fields.rest() | extra
