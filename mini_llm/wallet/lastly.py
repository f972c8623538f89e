"""What was last known of the account, for when its service can't be asked: `wallet-account.json` in the cache."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal, InvalidOperation
from json import dumps, loads
from pathlib import Path
from typing import Any, NamedTuple

from mini_llm.config import files
from mini_llm.errors import ConfigError
from mini_llm.wallet.account import Account

FILE = "wallet-account.json"


class Seen(NamedTuple):
    """An account as it was told at a Unix time; `told` are the values of `Account.to_json`."""

    told: dict[str, Any]
    seen_at: float

    @property
    def discount(self) -> Decimal:
        """What the wallet took off its prices, as a part of one; 0 if it said nothing sensible."""
        with suppress(InvalidOperation, TypeError, ValueError):
            found = Decimal(self.told.get("discount") or 0)
            return found if 0 < found < 1 else Decimal(0)
        return Decimal(0)


class Lastly:
    """The file of one cache folder; it holds one account, by its service and key."""

    def __init__(self, cache: Path) -> None:
        self.file = cache / FILE

    def keep(self, api: str, reference: str, account: Account, seen_at: float) -> None:
        """Keep what was told. A cache that can't be written is none."""
        entry = {"api": api, "reference": reference, "seen_at": seen_at, "account": account.to_json()}
        with suppress(ConfigError, OSError), files.locked(self.file) as target:
            files.write(target, dumps(entry).encode())

    def get(self, api: str, reference: str) -> Seen | None:
        """Return what is known of the account that *reference* is the key of."""
        with suppress(ConfigError, OSError, ValueError, KeyError, TypeError, RecursionError):
            entry = loads(files.read(self.file) or b"null")
            if entry and (entry["api"], entry["reference"]) == (api, reference) and isinstance(entry["account"], dict):
                return Seen(entry["account"], float(entry["seen_at"]))
        return None

    def forget(self) -> None:
        """Keep nothing any more."""
        for file in (self.file, self.file.with_name(f"{FILE}.lock")):
            with suppress(OSError):
                file.unlink(missing_ok=True)
