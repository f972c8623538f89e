"""Notice that Enter was pressed, without ever waiting for it."""

from __future__ import annotations

import os
import sys


class Enter:
    """Asks the terminal whether Enter was pressed. Where there is no terminal it never was."""

    def __init__(self) -> None:
        self.there = bool(sys.stdin and sys.stdin.isatty())

    def pressed(self) -> bool:
        """Tell whether Enter was pressed since the last time."""
        if not self.there:
            return False
        if sys.platform == "win32":
            return _pressed_on_windows()
        return self._pressed()

    def _pressed(self) -> bool:
        if sys.platform == "win32":
            return False
        import select

        handle = sys.stdin.fileno()
        try:
            if os.getpgrp() != os.tcgetpgrp(handle):  # in the background reading would stop us
                return False
            if not select.select([handle], [], [], 0)[0]:
                return False
            typed = os.read(handle, 1024)
        except OSError:
            typed = b""
        if not typed:  # Ctrl-D, or the terminal is gone
            self.there = False
        return b"\n" in typed


def _pressed_on_windows() -> bool:
    if sys.platform != "win32":
        return False
    import msvcrt  # only there on Windows

    found = False
    while msvcrt.kbhit():
        found = msvcrt.getwch() in "\r\n" or found
    return found
