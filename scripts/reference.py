"""Write the man page and the two reference pages anew: `python scripts/reference.py`."""

from pathlib import Path

from mini_llm.cli import reference as commands
from mini_llm.config import reference as settings

ROOT = Path(__file__).parent.parent
PAGES = {
    "man/mini-llm.1": commands.man,
    "docs/commands.md": commands.markdown,
    "docs/configuration.md": settings.markdown,
}


def write() -> None:
    """Write every page."""
    for name, text in PAGES.items():
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_text(text(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
