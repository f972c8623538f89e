"""An agent's request of 40 KB and streamed answers, the same in every dialect."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Any

import orjson

from mini_llm import dialects
from mini_llm.types import (
    ChatRequest,
    Delta,
    Message,
    Text,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolChoice,
    ToolResult,
    Usage,
)

PROSE = "Read the file before you change it, keep to its style, and run the tests that cover it when you are done. "
CODE = (
    'def total(rows: list[Row]) -> int:\n    """Return the sum."""\n    return sum(row.cost for row in rows if row)\n'
)


def request() -> ChatRequest:
    """Return what an agent asks after eight turns: a long system prompt, 18 tools, calls and their results."""
    messages = [Message("system", (Text(PROSE * 80),)), Message("user", (Text("Make the totals right. " + PROSE * 2),))]
    for turn in range(8):
        call = ToolCall(f"call_{turn:024d}", "read_file", f'{{"path":"src/ledger/part_{turn}.py","limit":200}}')
        messages.append(Message("assistant", (Text(f"Let me look at part {turn}. " + PROSE), call)))
        messages.append(Message("tool", (ToolResult(call.id, (Text(CODE * 12),), name=call.name),)))
    messages.append(Message("user", (Text("Go on."),)))
    return ChatRequest(
        model="some-model",
        messages=tuple(messages),
        stream=True,
        include_usage=True,
        max_tokens=8000,
        temperature=0.2,
        tools=tuple(map(_tool, range(18))),
        tool_choice=ToolChoice("auto"),
    )


def _tool(number: int) -> Tool:
    fields = {
        name: {"type": kind, "description": f"What {name} means for this tool. {PROSE[:60]}"}
        for name, kind in (("path", "string"), ("limit", "integer"), ("recursive", "boolean"), ("pattern", "string"))
    }
    schema = {"type": "object", "properties": fields, "required": ["path"]}
    return Tool("read_file" if not number else f"tool_{number}", PROSE * 2, schema)


def bodies() -> dict[str, bytes]:
    """Return the request as each dialect writes it."""
    return {name: orjson.dumps(dialects.get(name).encode_request(request())) for name in dialects.NAMES}


def deltas(events: int) -> list[Delta]:
    """Return an answer of *events* steps: words, then a call whose arguments take a quarter of them."""
    pieces = events // 4
    said = [Delta(text=f" word{at % 100} of an answer", block=0) for at in range(events - pieces)]
    call = [Delta(tool_call=ToolCallDelta(0, "call_1", "edit_file"), block=1)]
    call += [Delta(tool_call=ToolCallDelta(0, arguments=_arguments(at, pieces)), block=1) for at in range(pieces)]
    ending = Delta(finish_reason="tool_calls", usage=Usage(9000, 300, 8000))
    return [Delta(id="answer_1", model="some-model", created=1_790_000_000), *said, *call, ending]


def _arguments(at: int, pieces: int) -> str:
    if pieces == 1:
        return "{}"
    return '{"text":"' if at == 0 else '"}' if at == pieces - 1 else f"line {at % 100} "


def stream(name: str, events: int) -> list[bytes]:
    """Return the answer as *name* writes it, one chunk an event (Gemini sends the call in one)."""
    written: list[bytes] = []
    drain(dialects.get(name).encode_stream(of(deltas(events))), written)
    return [block + b"\n\n" for chunk in written for block in chunk.removesuffix(b"\n\n").split(b"\n\n")]


async def of(items: Iterable[Any]) -> AsyncGenerator[Any, None]:
    """Yield *items* without waiting."""
    for item in items:
        yield item


def drain(source: AsyncGenerator[Any, None], into: list[Any]) -> None:
    """Run *source*, which waits for nothing, to its end, without the cost of an event loop."""

    async def run() -> None:
        async for item in source:
            into.append(item)

    step = run()
    try:
        step.send(None)
    except StopIteration:
        return
    raise AssertionError("a stream waited")
