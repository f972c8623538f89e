"""`countTokens`: how long a prompt would be."""

from __future__ import annotations

from mini_llm.dialects import loose
from mini_llm.dialects.gemini.read_request import decode_request as decode_chat
from mini_llm.dialects.gemini.response import opened
from mini_llm.dialects.gemini.words import Words
from mini_llm.dialects.gemini.write_request import encode_request as encode_chat
from mini_llm.errors import ProtocolError
from mini_llm.types import ChatRequest, Json, Usage

PATH = "/models/{model}:countTokens"


def decode_request(body: Json) -> ChatRequest:
    """Read a caller's request: turns alone, or a whole generateContent request in a field of its own."""
    inner = Words(body).json("generateContentRequest")
    return decode_chat(body if inner is None else inner)


def encode_request(request: ChatRequest) -> Json:
    """Return the body that counts all of *request*, its system prompt and tools included."""
    model = f"models/{request.model.removeprefix('models/')}"
    return {"generateContentRequest": {"model": model, **encode_chat(request)}}


def decode_response(body: Json) -> Usage:
    """Return the count, as the input of a request that has no output yet."""
    told = opened(body)
    if type(told.get("totalTokens")) is not int:
        raise ProtocolError("the answer holds no count of tokens")
    total = loose.count(told["totalTokens"])
    read = min(loose.count(told.get("cachedContentTokenCount")), total)
    return Usage(input_tokens=total, cache_read_tokens=read, raw=told)


def encode_response(usage: Usage) -> Json:
    """Write the count for a caller."""
    read = {"cachedContentTokenCount": usage.cache_read_tokens} if usage.cache_read_tokens else {}
    return {"totalTokens": usage.input_tokens, **read}
