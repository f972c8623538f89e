"""Prove who asks where a plain key is not enough: headers made anew for each request.

Each way is one module with a `Signer`. What it needs comes with an extra, and is loaded when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import NamedTuple, Protocol

from mini_llm.errors import CredentialError
from mini_llm.transport import Transport

# What a provider's `auth` says, the module that does it, and the extra that it takes.
WAYS: Mapping[str, tuple[str, str]] = {"aws_sigv4": ("aws", "bedrock"), "google_adc": ("google", "vertex")}


class Outgoing(NamedTuple):
    """A request as it will be sent."""

    method: str
    url: str
    body: bytes


class World(NamedTuple):
    """What a signer may know: the environment, what hides a secret from now on, and the way to the network."""

    environ: Mapping[str, str]
    hide: Callable[[str], None]
    transport: Transport


class Signer(Protocol):
    """One way to sign. It keeps what it has found out between two requests."""

    async def headers(self, outgoing: Outgoing) -> Mapping[str, str]:
        """Return what must go with *outgoing*. Raises CredentialError if there is nothing to sign with."""


class Signers:
    """The signers of one process, each made when first needed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: dict[str, Signer] = {}

    async def headers(self, way: str, outgoing: Outgoing) -> Mapping[str, str]:
        """Return the headers that sign *outgoing* in this *way*."""
        if way not in self._made:
            module, extra = WAYS[way]
            try:
                make: Callable[[World], Signer] = import_module(f"{__name__}.{module}").Signer
            except ImportError as error:
                raise CredentialError(
                    f"{error.name or module} is not installed, which signs these requests",
                    hint=f"install mini-llm[{extra}]",
                ) from error
            self._made[way] = make(self._world)
        return await self._made[way].headers(outgoing)
