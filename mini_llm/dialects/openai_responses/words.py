"""Words of the Responses API that both directions share."""

from __future__ import annotations

import hashlib

from mini_llm.types import Effort, FinishReason

NAME = "openai_responses"
EFFORTS: dict[str, Effort] = {
    "none": "none", "minimal": "minimal", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh",
    "max": "max",
}  # fmt: skip
ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
# Why an answer is not whole, and what callers are told. A pause has no word: it is at least not whole.
INCOMPLETE: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
TOLD: dict[FinishReason, str] = {
    "length": "max_output_tokens", "pause": "max_output_tokens", "content_filter": "content_filter",
}  # fmt: skip
# Types of the parts inside an item; every other type is an item's.
CONTENT = ("input_", "output_", "text", "refusal", "reasoning_text", "summary_text", "computer_screenshot")


def item_id(prefix: str, answer: str, at: int) -> str:
    """Return the id of the item *at* of an *answer*: always the same."""
    about = f"{answer}/{at}".encode("utf-8", "replace")
    return f"{prefix}_{hashlib.blake2b(about, digest_size=24).hexdigest()}"


def incomplete(reason: FinishReason | None, *, refused: bool) -> str:
    """Return why an answer that ended for *reason* is not whole; "" if it is. A refusal in words is whole."""
    if reason == "refusal":
        return "" if refused else "content_filter"
    return TOLD.get(reason or "stop", "")
