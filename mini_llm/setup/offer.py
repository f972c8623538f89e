"""What the gateway has for a tool: its address, a model, a token, and the command that prints it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mini_llm.config import Paths
from mini_llm.gateway import binding, process
from mini_llm.gateway.binding import Options
from mini_llm.gateway.tokens import Tokens
from mini_llm.setup import record
from mini_llm.setup.tool import Offer
from mini_llm.types import Model

if TYPE_CHECKING:
    from mini_llm.runtime import Runtime

MOST_LISTED = 20  # where nothing is named in the config: a catalogue is no list to choose from
OURS = ("MINI_LLM_HOME", "MINI_LLM_PROFILE", "MINI_LLM_CONFIG")


def make(runtime: Runtime, tool: str, *, model: str = "", small: str = "", asks: bool = True) -> Offer:
    """Return what *tool* is told, without a model unless it *asks* for one.

    Raises UnknownModelError, NoProviderError, CredentialError.
    """
    paths = runtime.loaded.paths
    for asked in filter(None, (model, small)):
        runtime.decide(asked)
    tokens = Tokens(paths.home)
    chosen = model or (_default(runtime) if asks else "")
    return Offer(
        url=url(runtime),
        model=chosen,
        small=small or (chosen if model else ""),
        named=bool(model),
        models=lambda: _models(runtime, chosen, small),
        native=lambda beginning: _native(runtime, beginning),
        token_file=tokens.file(tool),
        helper=helper(tool, paths.home, runtime.environ),
        folder=paths.home / record.FOLDER,
        token=lambda: tokens.create(tool),
    )


def url(runtime: Runtime) -> str:
    """Return the gateway's address: of the one that runs, else the one that it will have."""
    found = process.find(runtime.loaded.paths.home)
    if found is not None:
        return found.url
    options = Options().over(runtime.loaded.config.gateway)
    if not options.port:
        raise process.NotRunningError  # its port will be any
    return binding.url(options, options.port)


def helper(tool: str, home: Path, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that prints the tool's token, whatever the environment it is run in."""
    usual = Paths.find({name: value for name, value in environ.items() if name not in OURS}).home
    elsewhere = ("--home", str(home)) if home != usual else ()
    return (*ourselves(), "auth", "token", "--for", tool, *elsewhere)


def ourselves() -> tuple[str, ...]:
    """Return how this program is called, by its whole path: applications have no PATH of ours."""
    name = "mini-llm.exe" if sys.platform == "win32" else "mini-llm"
    called = Path(sys.argv[0])
    for found in (called, Path(sys.executable).with_name(name)):
        if found.name == name and found.is_file():
            return (str(found.absolute()),)
    return (sys.executable, "-m", "mini_llm")


def quoted(words: Sequence[str], platform: str = sys.platform) -> str:
    """Return a command as one line for the platform's shell."""
    return subprocess.list2cmdline(words) if platform == "win32" else shlex.join(words)


def _default(runtime: Runtime) -> str:
    """Return what is asked for when nothing is named."""
    return runtime.loaded.config.default or str(runtime.decide("").choices[0].target)


def _models(runtime: Runtime, chosen: str, small: str) -> tuple[Model, ...]:
    """Return what a tool may list: what was chosen, every alias, and the models that the config names."""
    from mini_llm.gateway.models import HERE, known, listed  # with the rooms of the server

    config = runtime.loaded.config
    named = [f"{provider.name}/{id}" for provider in runtime.registry.configured() for id in provider.models]
    ids = list(dict.fromkeys([chosen, *([small] if small else []), *config.aliases, *named]))
    if len(ids) <= 2:
        ids += [model.id for model in listed(runtime) if model.provider != HERE and model.id not in ids][:MOST_LISTED]
    return tuple(known(runtime, id) for id in ids)


def _native(runtime: Runtime, beginning: str) -> bool:
    """Tell whether a provider has models whose names begin so."""
    return any(
        model.id.startswith(beginning)
        for provider in runtime.registry.configured()
        for model in runtime.catalogue.models(provider.name)
    )
