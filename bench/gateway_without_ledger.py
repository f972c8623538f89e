"""A gateway whose ledger takes rows and drops them: what the ledger costs is the difference. `… PORT`."""

from __future__ import annotations

import sys

from mini_llm.gateway.binding import Options
from mini_llm.gateway.opening import start
from mini_llm.ledger import Entry, Ledger, open_sqlite
from mini_llm.runtime import LEDGER_FILE, Runtime


class Dropped(Ledger):
    """Writes nothing."""

    def start(self) -> None:
        """Open nothing."""

    def begin(self, entry: Entry) -> None:
        """Drop it."""

    def append(self, entry: Entry) -> None:
        """Drop it."""


def main() -> None:
    """Serve as `mini-llm start --port PORT` does."""
    runtime = Runtime.open()
    file = runtime.loaded.paths.data / LEDGER_FILE
    runtime.ledger = Dropped(lambda: open_sqlite(file))
    start(runtime, Options(port=int(sys.argv[1])), lambda record: None)


if __name__ == "__main__":
    main()
