"""Why an answer ended: Google's words, and what each amounts to."""

from __future__ import annotations

from mini_llm.dialects import loose
from mini_llm.dialects.gemini.words import camel
from mini_llm.errors import ContentFilterError, ServerError
from mini_llm.types import FinishReason, Json

# What the protocol numbers them. https://ai.google.dev/api/generate-content#FinishReason (2026-11)
_NUMBERS = ("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "LANGUAGE", "BLOCKLIST",
            "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS")  # fmt: skip
_FINISHED: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "pause"}
_FILTERED = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "LANGUAGE",
                       "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION",
                       "OTHER"})  # fmt: skip
# The model wrote something that is of no use, or nothing: another try or another model may do better.
_BROKEN = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"})
# Of use if there is something to use: a call of a function that was not offered can be answered as such.
_DOUBTFUL = frozenset({"OTHER", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "NO_IMAGE", "IMAGE_OTHER"})
TOLD: dict[FinishReason, str] = {
    "stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY", "refusal": "SAFETY",
    "pause": "MAX_TOKENS",
}  # fmt: skip


def word_of(value: object) -> str:
    """Return a finish reason in Google's words, also where it came as a number; "" for none."""
    if type(value) is int:
        value = _NUMBERS[value] if 0 <= value < len(_NUMBERS) else "OTHER"
    word = loose.text(value).upper()
    return "" if word == "FINISH_REASON_UNSPECIFIED" else word


def finish_reason(value: object, *, calls: bool, said: bool) -> FinishReason:
    """Return why the answer ended. Raises ServerError for one that is of no use."""
    word = word_of(value)
    if word in _BROKEN or (word in _DOUBTFUL and not said):
        raise ServerError(f"the model's answer is of no use: {word}")
    if word in _FILTERED and not (word == "OTHER" and calls):
        return "content_filter"
    # A word we do not know is a plain end; beside calls Google says STOP as well.
    found = _FINISHED.get(word, "stop")
    return "tool_calls" if found == "stop" and calls else found


def refuse_blocked(answer: Json) -> None:
    """Raise ContentFilterError if *answer* says that the prompt was blocked."""
    feedback = camel(loose.object_of(answer.get("promptFeedback")))
    reason = feedback.get("blockReason")
    if reason:
        more = loose.text(feedback.get("blockReasonMessage"))
        raise ContentFilterError(f"the prompt was blocked: {more or reason}", upstream_status=200)
