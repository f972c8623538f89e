"""The man page and the reference pages: fresh, whole, and readable by what reads them."""

from __future__ import annotations

import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from mini_llm.cli import reference
from mini_llm.config.fields import KEYS

ROOT = Path(__file__).parent.parent
PAGES = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_the_page_in_the_repository_is_fresh(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name](), "run `python scripts/reference.py`"


def test_every_command_and_option_is_on_the_page_and_in_the_manual() -> None:
    page, manual = reference.markdown(), reference.man().replace("\\-", "-").replace(".\\|.\\|.", "...")
    for entry in reference.entries():
        assert entry.about, f"{entry.path} has no help"
        for name, told in (*entry.arguments, *entry.options):
            assert name.replace("|", "\\|") in page
            assert name in manual
            assert told or entry.arguments, f"{entry.path} {name} has no help"


def test_every_setting_is_on_its_page() -> None:
    page = PAGES["docs/configuration.md"]()
    assert all(f"`{key.path}`" in page for key in KEYS)


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff here")
def test_the_manual_is_good_roff() -> None:
    command = ["groff", "-man", "-Tutf8", "-ww", str(ROOT / "man" / "mini-llm.1")]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    assert b"budget or credits exhausted" in done.stdout
