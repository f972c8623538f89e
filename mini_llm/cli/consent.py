"""Whether the wallet may pay for what the user's own providers were to serve: asked once, where somebody can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from mini_llm.cli import output
from mini_llm.cli.flags import interactive
from mini_llm.config import set_value
from mini_llm.errors import MiniLLMError
from mini_llm.providers import WALLET, Registry
from mini_llm.routing import Decision

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags

KEY = "wallet.features.fallback"
QUESTION = "May {wallet} answer instead, now and whenever your own providers fail, paid from your credits?"


def may_pay(flags: Flags, decision: Decision, registry: Registry, error: MiniLLMError) -> bool:
    """Tell that own providers ended with *error*, and ask whether the wallet may do it; the answer is kept.

    False, and nothing is asked, where it was asked before, or nobody is there.
    """
    if decision.withheld is None or not interactive():
        return False
    endpoint = registry.get(WALLET).base_url
    service = (urlsplit(endpoint).hostname or "").removeprefix("api.")
    output.talk(f"error: {output.clean(error.message)}")
    agreed = typer.confirm(QUESTION.format(wallet=service), default=False, err=True)
    set_value(flags.paths(), KEY, agreed)
    flags.say_dim(f"noted; `mini-llm config set {KEY} {str(not agreed).lower()}` changes it")
    return agreed
