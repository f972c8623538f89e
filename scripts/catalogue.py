"""Make `mini_llm/catalogue/snapshot.json` from the installed `genai-prices` package (it is in the test extra).

    python scripts/catalogue.py            write the snapshot
    python scripts/catalogue.py --check    only say whether the committed one is what this makes

Prices of a new provider need no change here: every provider with a TOML file gets its models.
"""

from __future__ import annotations

import dataclasses
import sys
from datetime import date, time
from importlib.metadata import version
from typing import Any

from genai_prices.data import providers
from genai_prices.types import ModelPrice

from mini_llm import providers as ours
from mini_llm.catalogue import SHIPPED
from mini_llm.catalogue.dataset import compact, dump

# The day each version was published, from https://pypi.org/project/genai-prices/#history
PUBLISHED = {"0.2.3": "2026-11-10"}


def snapshot() -> bytes:
    """Return the snapshot as it is to be committed."""
    release = version("genai-prices")
    names = {path.stem for path in ours.SHIPPED.glob("*.toml")}
    raw = [plain(provider) for provider in providers]
    return dump(compact(raw, snapshot=PUBLISHED[release], source=f"genai-prices {release}", providers=names))


def plain(value: Any) -> Any:
    """Return the package's objects in the shape of the data set's `data.json`."""
    if isinstance(value, ModelPrice):
        return {key: plain(price) for key, price in vars(value).items() if price is not None}
    if dataclasses.is_dataclass(value):
        fields = {field.name.rstrip("_"): getattr(value, field.name) for field in dataclasses.fields(value)}
        return {name: plain(part) for name, part in fields.items() if name in WANTED and part is not None}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date | time) else value


WANTED = {
    *("id", "name", "models", "fallback_model_providers", "match", "context_window", "prices", "constraint"),
    *("price_variants", "when"),
    *("start_date", "start_time", "end_time", "base", "tiers", "start", "price"),
    *("or", "and", "equals", "starts_with", "ends_with", "contains", "regex"),
}


def main() -> int:
    """Write, or check; 1 if the committed snapshot is another one."""
    made = snapshot()
    if "--check" in sys.argv:
        same = SHIPPED.exists() and SHIPPED.read_bytes() == made
        print("the snapshot is fresh" if same else "the snapshot is old: run `python scripts/catalogue.py`")
        return 0 if same else 1
    SHIPPED.write_bytes(made)
    print(f"{SHIPPED}: {len(made):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
