"""Cursor. Its own servers ask the models, so an address of this machine can't be one.

"Access to private networks is forbidden": https://github.com/askalf/dario/issues/190 (2026-11)
"""

from __future__ import annotations

from mini_llm.setup.tool import Tool

TOOL = Tool(
    name="cursor",
    title="Cursor",
    programs=("cursor",),
    refused="Cursor can't use a gateway on this machine: its servers ask the models, and refuse private addresses",
    hint=(
        "give the gateway a public address with encryption and a key of its own, then enter both in Cursor's settings"
        " (Models, Override OpenAI Base URL): `mini-llm start --help`"
    ),
)
