"""Tools that are none: programs under their names, which tell how they were started."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TELLS = """\
#!{python}
import json, os, sys
if sys.argv[1:] == ["--version"]:
    print("9.9.9")
else:
    print(json.dumps({{"args": sys.argv[1:], "environ": dict(os.environ), "pid": os.getpid()}}))
    sys.exit(int(os.environ.get("ENDS_WITH", "0")))
"""


def tool(home: Path, name: str, body: str = TELLS) -> dict[str, str]:
    """Put a program called *name* on a PATH, and return the environment with it."""
    folder = home / "bin"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(body.format(python=sys.executable))
    path.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def told(out: str) -> dict[str, Any]:
    """Return what a tool told."""
    found: dict[str, Any] = json.loads(out)
    return found
