"""Refresh the catalogue when the user asks for it: fetch the data set, tell what changes, keep what was."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from mini_llm.catalogue import ARCHIVE, REFRESHED, SIZE_LIMIT, Catalogue, Snapshot, newest
from mini_llm.catalogue.dataset import compact, dump
from mini_llm.errors import DeadlineError, NetworkError, ProtocolError, UsageError
from mini_llm.types import Model

# What upstream's own package reads its updates from (genai-prices 0.2.3, 2026-11-10).
SOURCE = "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ARCHIVED = 60  # former snapshots kept: what rows of these days cost can be worked out again


class Change(NamedTuple):
    """One model that came (`before` is None), went (`after` is None), or has another price."""

    before: Model | None
    after: Model | None


def differences(old: Snapshot, new: Snapshot) -> tuple[Change, ...]:
    """Return what changes for someone who goes from *old* to *new*, in *old*'s order, what is new last."""
    before, after = _all_models(old), _all_models(new)
    return tuple(
        Change(before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if key not in before or key not in after or before[key].price != after[key].price
    )


def refresh(data: bytes, cache: Path, *, today: str) -> tuple[Change, ...]:
    """Make *data* (a `data.json`) the catalogue from now on; return what changed.

    Raises ProtocolError, and keeps what there is, if *data* is nonsense or has less than half of the models.
    """
    current = newest(cache)
    providers = tuple(newest(None)["providers"])
    snapshot = _unused(cache, today, str(current["snapshot"]))
    try:
        fresh = compact(parse(data), snapshot=snapshot, source="genai-prices", providers=providers)
    except ValueError as error:
        raise ProtocolError(f"the price data can't be used: {error}", hint="the prices at hand stay in use") from error
    had, has = len(_all_models(current)), len(_all_models(fresh))
    if has * 2 < had:
        raise ProtocolError(f"the price data shrank from {had} models to {has}", hint="the prices at hand stay in use")
    _archive(cache / ARCHIVE, current)
    _write(cache / REFRESHED, dump(fresh))
    return differences(current, fresh)


def _unused(cache: Path, today: str, current: str) -> str:
    """Return a name for a snapshot of *today* that no other has: the ledger's rows name theirs."""
    name, number = today, 1
    while name == current or (cache / ARCHIVE / f"{name}.json").exists():
        number += 1
        name = f"{today}.{number}"
    return name


def _archive(folder: Path, snapshot: Snapshot) -> None:
    """Keep *snapshot*, which is to be replaced; the oldest of very many go."""
    _write(folder / f"{snapshot['snapshot']}.json", dump(snapshot))
    for path in sorted(folder.glob("*.json"))[:-ARCHIVED]:
        path.unlink(missing_ok=True)


def parse(data: bytes) -> Any:
    """Return JSON with its decimals exact. Raises ValueError."""
    import json  # orjson reads decimals as floats
    from decimal import Decimal  # only here and at build time

    try:
        return json.loads(data, parse_float=Decimal)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def fetch(url: str = SOURCE, *, timeout: float = 20.0) -> bytes:
    """Return what *url* answers, at most 10 MiB; https only, except on this machine.

    Raises UsageError, NetworkError, ProtocolError.
    """
    import httpx  # 60 ms; only `models update` needs it

    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(f"{url} is no URL: {error}") from error
    if address.scheme != "https" and not (address.scheme == "http" and address.host in LOOPBACK):
        raise UsageError(f"prices come over https only, not from {url}")
    data = bytearray()
    end = time.monotonic() + timeout
    try:
        with httpx.stream("GET", address, timeout=timeout) as response:
            if response.status_code != 200:
                raise ProtocolError(f"{address.host} answered with status {response.status_code}")
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > SIZE_LIMIT:
                    raise ProtocolError(f"{address.host} sent more than {SIZE_LIMIT >> 20} MiB of prices")
                if time.monotonic() > end:
                    raise DeadlineError(f"{address.host} took more than {timeout:g} s for its prices", phase="total")
            return bytes(data)
    except httpx.HTTPError as error:
        why = str(error).rpartition("] ")[2] or type(error).__name__  # "[Errno -2] Name or service not known"
        hint = "nothing was changed; `mini-llm doctor` tests the network"
        raise NetworkError(f"can't fetch prices from {address.host}: {why}", hint=hint) from error


def _all_models(snapshot: Snapshot) -> dict[str, Model]:
    """Return every model of *snapshot*, by `provider/model`."""
    catalogue = Catalogue(lambda: snapshot, {})
    return {f"{provider}/{model.id}": model for provider in catalogue.providers for model in catalogue.models(provider)}


def _write(path: Path, data: bytes) -> None:
    """Put *data* at *path* whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".catalogue-", delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
