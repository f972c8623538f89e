"""Write `completions/` anew from the command table: `python scripts/completions.py`."""

from pathlib import Path

from mini_llm.cli import shells

FOLDER = Path(__file__).parent.parent / "completions"

for shell, name in shells.FILES.items():
    (FOLDER / name).write_text(shells.script(shell), encoding="utf-8", newline="\n")
