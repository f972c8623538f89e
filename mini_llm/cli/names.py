"""The names a shell completes: plain lines in the cache folder, so that Tab needs no Python."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mini_llm.runtime import Runtime
    from mini_llm.types import Model

# A shell puts a name on the command line as it is: one that it would expand is left out.
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+=,-]*")
FOLDER = "names"  # below the cache folder; the completion scripts read `models`, `aliases` and `providers` in it


def remember(runtime: Runtime, models: Iterable[Model] | None = None) -> None:
    """Write the names that can be completed now. A cache that cannot be written is no error."""
    folder = runtime.loaded.paths.cache / FOLDER
    lists = {"aliases": list(runtime.loaded.config.aliases), "providers": list(runtime.registry.names())}
    if models is not None:
        lists["models"] = [f"{model.provider}/{model.id}" for model in models]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kind, found in lists.items():
            fresh = folder / f".{kind}.{os.getpid()}"
            fresh.write_text("".join(f"{name}\n" for name in found if SAFE.fullmatch(name)), encoding="utf-8")
            fresh.replace(folder / kind)
    except OSError:
        return
