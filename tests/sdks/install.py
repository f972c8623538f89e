"""The official SDKs, each version in an environment of its own: what our callers parse our answers with.

    python tests/sdks/install.py     once: about 4 seconds and 50 MB each with uv, longer with pip

Standard library only. Everything lives in ~/.cache/mini-llm/sdks (MINI_LLM_SDK_CACHE moves it); delete it at will.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import NamedTuple


class Sdk(NamedTuple):
    """One version of one SDK; `driver` is the file here that speaks through it."""

    package: str
    version: str
    driver: str

    def __str__(self) -> str:
        return f"{self.package}-{self.version}"

    @property
    def python(self) -> Path:
        """Return where the interpreter stands that can import it."""
        return _python(cache() / str(self))

    @property
    def ready(self) -> bool:
        """Whether it is installed and its interpreter still there."""
        return self.python.exists()


# The current version, and the last of the major before it.
SDKS = (
    Sdk("openai", "3.54.0", "drive_openai.py"),
    Sdk("openai", "2.54.0", "drive_openai.py"),
    Sdk("openai", "1.109.1", "drive_openai.py"),
    Sdk("anthropic", "2.12.0", "drive_anthropic.py"),
    Sdk("anthropic", "1.17.0", "drive_anthropic.py"),
    Sdk("google-genai", "3.4.0", "drive_genai.py"),
    Sdk("google-genai", "2.34.0", "drive_genai.py"),
)


def cache() -> Path:
    """Return the folder that holds everything this script makes."""
    if moved := os.environ.get("MINI_LLM_SDK_CACHE"):
        return Path(moved).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mini-llm" / "sdks"


def install(sdk: Sdk) -> None:
    """Make *sdk* ready; safe to interrupt and to run twice at once. Raises CalledProcessError where it can't be had."""
    if sdk.ready:
        return
    cache().mkdir(parents=True, exist_ok=True)
    target = cache() / str(sdk)
    with tempfile.TemporaryDirectory(prefix="work-", dir=cache()) as work:
        folder = Path(work) / "env"
        uv = _uv()
        venv.create(folder, with_pip=uv is None, symlinks=os.name != "nt")
        python = str(_python(folder))
        command = (
            [uv, "pip", "install", "--compile-bytecode", "--python", python] if uv else [python, "-m", "pip", "install"]
        )
        environ = {**os.environ, "UV_SYSTEM_CERTS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        wanted = f"{sdk.package}=={sdk.version}"
        subprocess.run([*command, "--quiet", wanted], env=environ, check=True, stdin=subprocess.DEVNULL)
        if target.exists() and not sdk.ready:  # made for an interpreter that has gone
            shutil.rmtree(target)
        try:
            folder.rename(target)
        except OSError:
            if not sdk.ready:  # not by another run at the same time
                raise


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def main() -> int:
    """Install all that are missing; return 1 if one can't be had."""
    missing = [sdk for sdk in SDKS if not sdk.ready]
    for sdk in missing:
        print(f"  SDK: {sdk.package} {sdk.version}", file=sys.stderr)
        try:
            install(sdk)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"error: {sdk} can't be installed: {error}", file=sys.stderr)
    return int(any(not sdk.ready for sdk in missing))


if __name__ == "__main__":
    sys.exit(main())
