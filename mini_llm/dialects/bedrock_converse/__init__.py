"""Amazon Bedrock's Converse, one form for all its models.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (2026-11)
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from mini_llm.dialects.bedrock_converse.errors import decode_error
from mini_llm.dialects.bedrock_converse.frames import events
from mini_llm.dialects.bedrock_converse.read_answer import decode_response
from mini_llm.dialects.bedrock_converse.read_stream import decode_stream
from mini_llm.dialects.bedrock_converse.words import NAME
from mini_llm.dialects.bedrock_converse.write_request import encode_request

__all__ = ["HEADERS", "NAME", "decode_error", "decode_response", "decode_stream", "encode_request", "events", "path"]

HEADERS: Mapping[str, str] = {}


def path(model: str, *, stream: bool) -> str:
    """Return where requests go below a provider's base URL; the name of a model may be an ARN, slashes and all."""
    return f"/model/{quote(model, safe='')}/{'converse-stream' if stream else 'converse'}"
