"""Write `completions/`, the man page and the reference pages anew: `python scripts/completions.py`."""

from pathlib import Path

import reference
from mini_llm.cli import shells

FOLDER = Path(__file__).parent.parent / "completions"

for shell, name in shells.FILES.items():
    (FOLDER / name).write_text(shells.script(shell), encoding="utf-8", newline="\n")
reference.write()  # of the same help: whoever changes it runs one script
