"""What is released: small, made the same twice, and nothing in it that runs or calls out before it is asked to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("mini_llm", "completions", "man", "pyproject.toml", *(path.name for path in ROOT.glob("*.md")), "LICENSE")
LARGEST = 1_000_000  # bytes, for the wheel and for the source
# Import each module; to connect or to start a program on the way is a failure.
IMPORTS = """
import importlib, pkgutil, sys
def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        raise SystemExit(f"{event} while {name} was imported: {args}")
name = "mini_llm"
sys.addaudithook(refuse)
import mini_llm
for found in pkgutil.walk_packages(mini_llm.__path__, "mini_llm."):
    name = found.name
    if not name.endswith("__main__"):
        importlib.import_module(name)
"""


def _built(folder: Path, moment: int) -> list[Path]:
    """Build a wheel and a source archive of a copy whose files are as old as *moment* says."""
    for name in SOURCES:
        here = ROOT / name
        if here.is_dir():
            shutil.copytree(here, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy(here, folder / name)
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted((folder / "dist").iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Two builds, from two folders, of files of two ages."""
    folder = tmp_path_factory.mktemp("release")
    return [_built(folder / "one", 1_600_000_000), _built(folder / "another", 1_700_000_000)]


def test_the_same_source_makes_the_same_bytes(built: list[list[Path]]) -> None:
    one, another = built
    assert [path.name for path in one] == [path.name for path in another]
    assert [path.suffix for path in one] == [".whl", ".gz"] or [path.suffix for path in one] == [".gz", ".whl"]
    for first, second in zip(one, another, strict=True):
        assert first.read_bytes() == second.read_bytes(), f"{first.name} differs"
        assert first.stat().st_size < LARGEST


def test_a_wheel_holds_the_package_and_nothing_else(built: list[list[Path]]) -> None:
    (wheel,) = (path for path in built[0] if path.suffix == ".whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    strangers = {name for name in names if not name.startswith("mini_llm/") and ".dist-info/" not in name}
    assert {name.partition("/data/")[2] for name in strangers} == {"share/man/man1/mini-llm.1"}
    assert not [name for name in names if name.endswith((".pth", ".pyc", ".so", ".pyd", ".dll"))]
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "mini_llm").rglob("*") if path.is_file()}
    assert {name for name in ours if "__pycache__" not in name} <= names


def test_the_source_can_be_built_by_who_gets_it(built: list[list[Path]]) -> None:
    (source,) = (path for path in built[0] if path.suffix == ".gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "completions/mini-llm.bash"} <= names


def test_to_import_us_calls_nobody_and_starts_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTS],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_is_locked_is_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    (ours,) = (package for package in locked if package["name"] == "mini-llm")
    asked = {_name(line) for lines in (project["dependencies"], *_extras(project)) for line in lines}
    told = {each["name"] for each in ours["metadata"]["requires-dist"]}
    assert told == asked, "run `uv lock`"
    for package in locked:
        for file in [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]:
            assert file["hash"].startswith("sha256:")


def _extras(project: dict[str, dict[str, list[str]]]) -> list[list[str]]:
    return list(project["optional-dependencies"].values())


def _name(requirement: str) -> str:
    word = requirement.split(";")[0]
    for sign in "<>=!~[ ":
        word = word.split(sign)[0]
    return word.strip().lower().replace("_", "-")
