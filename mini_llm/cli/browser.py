"""Whether a browser may be opened from here, and how. What is opened was looked at before (`wallet.addresses`)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

CONTAINERS = ("/.dockerenv", "/run/.containerenv")
_OFF = ("", "0", "false")


def hindrance(
    environ: Mapping[str, str],
    *,
    platform: str = sys.platform,
    exists: Callable[[str], bool] = os.path.exists,
) -> str:
    """Say why no browser is opened from here, "" if one may be. `BROWSER` names one that works where none would."""

    def told(*names: str) -> bool:
        return any(environ.get(name, "").lower() not in _OFF for name in names)

    if told("MINI_LLM_NO_BROWSER"):
        return "MINI_LLM_NO_BROWSER is set"
    if told("CI"):
        return "this is a CI job"
    if told("BROWSER"):
        return ""
    if told("SSH_CONNECTION", "SSH_TTY"):
        return "this is a remote session"
    if told("container", "KUBERNETES_SERVICE_HOST") or any(exists(path) for path in CONTAINERS):
        return "this is a container"
    desktop = not platform.startswith("linux") or told("DISPLAY", "WAYLAND_DISPLAY") or is_wsl(environ)
    return "" if desktop else "there is no display"


def is_wsl(environ: Mapping[str, str]) -> bool:
    """Tell whether this is Linux inside Windows, whose browser can be used."""
    return bool(environ.get("WSL_DISTRO_NAME") or environ.get("WSL_INTEROP"))


def open_at(url: str, environ: Mapping[str, str], failed: Callable[[], None]) -> None:
    """Ask for a browser at *url*, beside everything else; *failed* is called if there certainly is none."""
    from threading import Thread  # some browsers come back only when they are closed

    Thread(target=_try, args=(url, environ, failed), daemon=True).start()


def _try(url: str, environ: Mapping[str, str], failed: Callable[[], None]) -> None:
    if not _open(url, environ):
        failed()


def _open(url: str, environ: Mapping[str, str]) -> bool:
    try:
        if is_wsl(environ) and not environ.get("BROWSER"):
            return _open_on_windows(url)
        import webbrowser  # 10 ms, and few logins need it

        return webbrowser.open(url)
    except Exception:  # whatever a browser's starter raises: the address is on the screen
        return False


def _open_on_windows(url: str) -> bool:
    import subprocess  # only here

    ways = [["wslview", url], ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", f"Start-Process '{url}'"]]
    for words in ways:
        program = shutil.which(words[0])
        if program is None:
            continue
        done = subprocess.run(  # noqa: S603  an address holds no quote and no blank: `addresses.to_open`
            [program, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=Path("/"),
            timeout=20,
            check=False,
        )
        if done.returncode == 0:
            return True
    return False
