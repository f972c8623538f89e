"""Run one row of the table: a request of some caller at a provider of some dialect."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

from mini_llm.errors import TranslationError
from mini_llm.memory import Memory
from mini_llm.providers import Provider
from mini_llm.routing import Target
from mini_llm.translation import chat_body
from mini_llm.types import ChatRequest


class Outcome(NamedTuple):
    """What the provider gets, and the names of what was left out; or the error instead."""

    body: dict[str, Any]
    dropped: tuple[str, ...] = ()
    error: TranslationError | None = None


def outcome(request: ChatRequest, target: str, drop: tuple[str, ...] = ()) -> Outcome:
    """Return what becomes of *request* at a provider of the dialect *target* whose file says *drop*."""
    provider = Provider("lab", "https://lab.example/v1", dialect=target, drop=drop)
    recalled = asyncio.run(Memory().recall(request))
    try:
        body = chat_body(recalled, provider, Target("lab", request.model))
    except TranslationError as error:
        return Outcome({}, error=error)
    return Outcome(json.loads(body.content), body.dropped)
