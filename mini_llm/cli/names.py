"""The names a shell completes: plain lines in the cache folder, so that Tab needs no Python."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mini_llm.config import Paths
    from mini_llm.runtime import Runtime

# A shell puts a name on the command line as it is: one that it would expand is left out.
SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+=,-]*")
FOLDER = "names"  # below the cache folder; the completion scripts read `models`, `aliases` and `providers` in it


def remember_all(runtime: Runtime) -> None:
    """Write all that is known without asking anybody."""
    names = {"aliases": list(runtime.loaded.config.aliases), "providers": list(runtime.registry.names())}
    remember(runtime.loaded.paths, **names)


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
