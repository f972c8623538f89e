"""How long a prompt would be: what the first target's provider counts, or an estimate that says it is one.

Nothing is spent on a count, so it leaves no row.
"""

from __future__ import annotations

from urllib.parse import unquote

import orjson

from mini_llm import dialects, peek
from mini_llm.dialects import Counting
from mini_llm.errors import MiniLLMError, RejectedError
from mini_llm.gateway import asking, heads
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.inbound import FORWARDED
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway
from mini_llm.meter import CHARACTERS_A_TOKEN
from mini_llm.routing import Choice, Needs, needs_of
from mini_llm.runtime import Runtime
from mini_llm.transport import Timeouts
from mini_llm.types import Json, Usage
from mini_llm.upstream import Request as Outbound

PATIENCE = Timeouts(connect=3.0, first_byte=5.0, silence=5.0, total=10.0)
ESTIMATED = ("x-mini-llm-estimated", "true")
# What is wrong with the prompt itself, and would be with any count of it.
OF_THE_PROMPT = (400, 413, 422)


async def anthropic_messages(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer Anthropic's count_tokens."""
    await _count(gateway.runtime, request, responder, exchange, "anthropic_messages")


async def openai_responses(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer OpenAI's input_tokens."""
    await _count(gateway.runtime, request, responder, exchange, "openai_responses")


async def gemini(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Answer Gemini's countTokens."""
    exchange.model = unquote(request.path.partition("/models/")[2].rpartition(":")[0])
    await _count(gateway.runtime, request, responder, exchange, "gemini")


async def _count(runtime: Runtime, request: Request, responder: Responder, exchange: Exchange, dialect: str) -> None:
    wire = dialects.counting(dialect)
    body = peek.read(request.body)
    told = body.get("model")
    exchange.model = exchange.model or (told if isinstance(told, str) else "")
    choice = runtime.decide(asking.model(runtime, exchange), Needs()).choices[0]
    exchange.provider, exchange.target = choice.target
    exchange.route = exchange.model
    counted = None
    if runtime.registry.get(choice.target.provider).dialect == dialect:
        counted = await _counted(runtime, choice, wire, _outbound(request, body, dialect, choice))
    fields = [heads.JSON, *heads.answered(exchange)]
    if counted is None:
        fields.append(ESTIMATED)
        counted = orjson.dumps(wire.encode_response(Usage(input_tokens=_estimate(wire, body))))
    responder.send(200, fields, counted)


async def _counted(runtime: Runtime, choice: Choice, wire: Counting, outbound: Outbound) -> bytes | None:
    """Return the provider's own answer, None if it has none to give. Raises what it finds wrong with the prompt."""
    try:
        async with runtime.upstream.open(choice.target, outbound) as reply:
            raw = await reply.response.read()
            wire.decode_response(reply.object(raw))
            return raw
    except RejectedError as error:
        if error.upstream_status in OF_THE_PROMPT:
            raise
    except MiniLLMError:
        pass  # a guess is of more use than an error
    return None


def _outbound(request: Request, body: Json, dialect: str, choice: Choice) -> Outbound:
    """Return the caller's request with the target's name for the model in it."""
    raw, model = request.body, choice.target.model
    inner = body.get("generateContentRequest")
    if isinstance(inner, dict):
        raw = orjson.dumps({"generateContentRequest": inner | {"model": f"models/{model}"}})
    elif dialect != "gemini" and isinstance(body.get("model"), str):
        raw = peek.spliced(raw, model)
    elif dialect != "gemini":
        raw = orjson.dumps(body | {"model": model})
    headers = tuple((name, request.headers[name]) for name in FORWARDED.get(dialect, ()) if name in request.headers)
    key = choice.credentials[0].reference if choice.credentials else None
    return Outbound(raw, False, PATIENCE, headers, dialects.counting(dialect).PATH, key=key)


def _estimate(wire: Counting, body: Json) -> int:
    """Return a guess by the rule that routing goes by, and the definitions of tools by the same rule."""
    asked = wire.decode_request(body)
    tools = sum(
        len(tool.name) + len(tool.description) + len(orjson.dumps(tool.raw or tool.parameters)) for tool in asked.tools
    )
    return max(1, needs_of(asked).input_tokens + tools // CHARACTERS_A_TOKEN)
