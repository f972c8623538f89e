"""Chromium and axe-core, for tests that look at pages as people do.

    python tests/chromium.py     once: about 20 seconds; as root it installs Debian's `chromium`, and axe-core by npm

Where one of them is missing the tests that need it are skipped. axe-core lies in ~/.cache/mini-llm (XDG_CACHE_HOME
moves it); MINI_LLM_CHROMIUM names another browser.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

AXE = "4.14.1"
AXE_SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without a sandbox, for root; the rest asks nothing of graphics, of /dev/shm or of the network.
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
RULES = "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"


def executable() -> str:
    """Return where the browser is, "" if there is none."""
    if named := os.environ.get("MINI_LLM_CHROMIUM"):
        return named
    return next((found for name in NAMES if (found := shutil.which(name))), "")


def axe() -> Path:
    """Return where axe-core is, or is to be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mini-llm"
    return cache / f"axe-core-{AXE}.js"


def missing() -> str:
    """Tell what is missing for looking at pages, "" if nothing is."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    if not executable():
        return "no Chromium here: run `python tests/chromium.py`"
    return "" if axe().exists() else "no axe-core here: run `python tests/chromium.py`"


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run the browser, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def watched(context: BrowserContext) -> BrowserContext:
    """Have axe on every page of *context*; the policy of a page does not keep it out."""
    context.add_init_script(path=axe())
    return context


def violations(page: Page) -> list[str]:
    """Return what axe finds wrong on *page*, of a context that is watched: each with the first place where it is."""
    found: list[dict[str, Any]] = page.evaluate(RULES)
    return [f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found]


def install() -> None:
    """Fetch what is missing, as far as that can be done here."""
    if not executable() and shutil.which("apt-get") and os.name == "posix" and os.geteuid() == 0:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        _run(["apt-get", "update", "-qq"], environ, 60)
        packages = ["chromium", "fonts-dejavu-core"]
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], environ, 180)
    if not axe().exists() and shutil.which("npm"):
        with tempfile.TemporaryDirectory() as folder:
            _run(["npm", "pack", "--silent", f"--pack-destination={folder}", f"axe-core@{AXE}"], dict(os.environ), 60)
            _unpack(Path(folder) / f"axe-core-{AXE}.tgz")
    if told := missing():
        print(f"error: {told}", file=sys.stderr)
        sys.exit(1)


def _unpack(package: Path) -> None:
    """Put axe-core's one file into the cache, if it is the one we know."""
    with tarfile.open(package) as archive:
        file = archive.extractfile("package/axe.min.js")
        assert file is not None
        script = file.read()
    if hashlib.sha256(script).hexdigest() != AXE_SHA256:
        print(f"error: axe-core {AXE} is not the file we know", file=sys.stderr)
        sys.exit(1)
    axe().parent.mkdir(parents=True, exist_ok=True)
    unfinished = axe().with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(script)
    unfinished.replace(axe())


def _run(command: list[str], environ: dict[str, str], seconds: float) -> None:
    """Run *command*, or end in one line that tells what went wrong: where it hangs the tests are to go on."""
    quiet = subprocess.DEVNULL
    try:
        subprocess.run(command, env=environ, check=True, stdin=quiet, stdout=quiet, timeout=seconds)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"error: {command[0]}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    install()
