"""Tell plugins of rows. In threads of their own: a hook that fails or hangs costs no answer and no row."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from mini_llm import plugins

MOST_WAITING = 1000  # rows for one hook; what comes while it hangs is not told
CLOSING_SECONDS = 2.0


class Hooks:
    """The hooks of all plugins; each has its own thread while there are rows for it."""

    def __init__(self, names: Sequence[str]) -> None:
        self._hooks = [Hook(name) for name in names]

    def tell(self, row: object) -> None:
        """Hand *row* to all of them, without waiting."""
        for hook in self._hooks:
            hook.tell(row)

    def close(self) -> None:
        """Wait a moment for those that are still at it."""
        end = time.monotonic() + CLOSING_SECONDS
        for hook in self._hooks:
            hook.wait(end - time.monotonic())


class Hook:
    """One plugin's. It is imported with the first row; its first failure is told, the others are not."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: deque[object] = deque()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._told = self._off = False

    def tell(self, row: object) -> None:
        """Hand it one row."""
        if self._off:
            return
        with self._lock:
            full = len(self._rows) >= MOST_WAITING
            if not full:
                self._rows.append(row)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"plugin {self._name}", daemon=True)
                self._thread.start()
        if full:
            self._complain(
                f"plugin {self._name}: its hook is slower than the answers: {MOST_WAITING} rows wait, more are not told"
            )

    def wait(self, seconds: float) -> None:
        """Wait until it has seen all, but not for long."""
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, seconds))

    def _run(self) -> None:
        while (row := self._next()) is not None:
            try:
                hook = plugins.hook(self._name)
                if hook is None:
                    self._off = True
                else:
                    hook(row)
            except plugins.PluginError as error:
                self._off = True
                self._complain(f"{error.message}; its hook is off. {error.hint}")
            except BaseException as error:  # whatever it does, it ends here
                self._complain(f"plugin {self._name}: its hook failed: {plugins.told(error)}")

    def _next(self) -> object | None:
        with self._lock:
            if self._rows and not self._off:
                return self._rows.popleft()
            self._rows.clear()
            self._thread = None
            return None

    def _complain(self, what: str) -> None:
        if not self._told:
            self._told = True
            import logging  # where something went wrong

            logging.getLogger(__name__).warning("%s", what)
