"""The AI router that just works.

    from mini_llm import Client

    with Client() as client:
        print(client.chat("Why is the sky blue?").text)

Names are loaded on first use, so `import mini_llm` costs next to nothing.
"""

from __future__ import annotations

from mini_llm._version import __version__

TYPE_CHECKING = False  # what type checkers take for true; `typing` itself costs 5 ms a start
if TYPE_CHECKING:
    from typing import Any

    from mini_llm.client import Answer, AsyncClient, Client
    from mini_llm.errors import (
        AllTargetsFailedError,
        ConfigError,
        CredentialError,
        MiniLLMError,
        TranslationError,
        UnknownModelError,
        UpstreamError,
    )
    from mini_llm.types import Audio, Delta, Document, Image, Message, Text, Tool, ToolResult, Usage

_ROOMS = {
    "client": ("Answer", "AsyncClient", "Client"),
    "errors": (
        "AllTargetsFailedError", "ConfigError", "CredentialError", "MiniLLMError", "TranslationError",
        "UnknownModelError", "UpstreamError",
    ),
    "types": ("Audio", "Delta", "Document", "Image", "Message", "Text", "Tool", "ToolResult", "Usage"),
}  # fmt: skip

__all__ = [
    "AllTargetsFailedError",
    "Answer",
    "AsyncClient",
    "Audio",
    "Client",
    "ConfigError",
    "CredentialError",
    "Delta",
    "Document",
    "Image",
    "Message",
    "MiniLLMError",
    "Text",
    "Tool",
    "ToolResult",
    "TranslationError",
    "UnknownModelError",
    "UpstreamError",
    "Usage",
    "__version__",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module  # PEP 562: a name is fetched when it is first asked for

    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
