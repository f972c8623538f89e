"""Packages that are really installed: the example of docs/plugins.md, and small ones written by hand."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
BUILD = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"


def example() -> dict[str, str]:
    """Return the files of the example in the documentation."""
    found = re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return dict(found)


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write *files* below *folder*."""
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")


def install_example(source: Path, target: Path) -> None:
    """Build the example's wheel and unpack it into *target*, as installers do."""
    write(source, example())
    built = subprocess.run(
        [sys.executable, "-c", BUILD, str(source)], cwd=source, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(source / built.stdout.split()[-1]) as wheel:
        wheel.extractall(target)


def install(target: Path, name: str, code: str, *, package: str = "", files: Mapping[str, str] | None = None) -> None:
    """Install a plugin *name* whose module is *code*, as an installer leaves it: the module and its dist-info."""
    package = package or f"plugin_{name}"
    info = f"{package}-1.0.dist-info"
    write(
        target,
        {
            f"{package}.py": code,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n",
            f"{info}/entry_points.txt": f"[mini_llm]\n{name} = {package}:plugin\n",
            **(files or {}),
        },
    )
