"""The names a shell completes: plain lines in the cache folder, so that Tab needs no Python."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mini_llm.errors import MiniLLMError

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags
    from mini_llm.config import Paths
    from mini_llm.runtime import Runtime

# A shell puts a name on the command line as it is: one that it would expand is left out.
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+=,-]*")
FOLDER = "names"  # below the cache folder; the completion scripts read `models`, `aliases` and `providers` in it


def remember_all(runtime: Runtime) -> None:
    """Write all that is known without asking anybody."""
    names = {"aliases": list(runtime.loaded.config.aliases), "providers": list(runtime.registry.names())}
    remember(runtime.loaded.paths, **names, models=_models(runtime))


def remember_anew(known: Flags) -> None:
    """Write them again after the settings changed; settings that can't be read are told elsewhere."""
    from mini_llm.runtime import Runtime

    config = Path(known.config) if known.config else None
    with suppress(MiniLLMError):
        opened = Runtime.open(environ=known.environ, cwd=known.folder(), config=config, profile=known.profile)
        remember_all(opened)


def _models(runtime: Runtime) -> set[str]:
    """Return the models of the providers in use, and those that local servers told of when they were asked."""
    found = set()
    for provider in runtime.registry.usable():
        ids = [*provider.models, *(model.id for model in runtime.catalogue.models(provider.name))]
        found |= {f"{provider.name}/{name}" for name in ids}
    try:
        before = (runtime.loaded.paths.cache / FOLDER / "models").read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        before = []
    for name in before:
        with suppress(MiniLLMError):  # a provider that is no more
            if runtime.registry.get(name.partition("/")[0]).local:
                found.add(name)
    return found


def remember(paths: Paths, **names: Iterable[str]) -> None:
    """Write names by kind: `models`, `aliases`, `providers`. A cache that cannot be written is no error."""
    folder = paths.cache / FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kind, found in names.items():
            fresh = folder / f".{kind}.{os.getpid()}"
            fresh.write_text("".join(f"{name}\n" for name in sorted(found) if SAFE.fullmatch(name)), encoding="utf-8")
            fresh.replace(folder / kind)
    except OSError:
        return
