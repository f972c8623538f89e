"""Whether the gateway lives, and whether it takes work: rooms for what watches over it."""

from __future__ import annotations

from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.request import Request
from mini_llm.gateway.responder import Responder
from mini_llm.gateway.state import Gateway

TEXT = ("content-type", "text/plain; charset=utf-8")


async def root(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Say what this is; always the same bytes."""
    responder.send(200, [TEXT], b"Mini-LLM gateway\n")


async def livez(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Say that the process answers."""
    responder.send(200, [TEXT], b"ok\n")


async def readyz(gateway: Gateway, request: Request, responder: Responder, exchange: Exchange) -> None:
    """Say whether new work is taken: 503 while it drains, or while the ledger can't be written."""
    trouble = "draining" if gateway.draining else gateway.runtime.ledger.trouble
    responder.send(503 if trouble else 200, [TEXT], (trouble or "ready").encode() + b"\n")
