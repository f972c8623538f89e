"""Make a snapshot from the `genai-prices` data set: at build time, and when the user asks for fresh prices."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from mini_llm.catalogue import (
    FIELDS,
    FORMAT,
    REFRESHED,
    SIZE_LIMIT,
    Catalogue,
    Row,
    Snapshot,
    is_exact,
    matches,
    newest,
)
from mini_llm.errors import DeadlineError, NetworkError, ProtocolError, UsageError
from mini_llm.types import Model

if TYPE_CHECKING:
    from decimal import Decimal

# What upstream's own package reads its updates from (genai-prices 0.2.3, 2026-11-10).
SOURCE = "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
HIGHEST = 1_000_000  # dollars per million tokens; what is dearer is a mistake
LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Providers that the data set calls otherwise than we do.
OURS = {"google": "gemini", "x-ai": "xai", "moonshotai": "moonshot"}
# What the data set prices by token, and our word for it; a later line wins over an earlier one.
PRICED = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "cache_audio_read_mtok": "cache_read_audio",
}
# A unit that `Usage` has no word for (pixels, images, citations) makes its side unknown: no bill may be too low.
UNCOUNTED = {"input": "input", "output": "output", "cache": "cache_read"}


class Change(NamedTuple):
    """One model that came (`before` is None), went (`after` is None), or has another price."""

    before: Model | None
    after: Model | None


def compact(raw: Any, *, snapshot: str, source: str, providers: Collection[str]) -> Snapshot:
    """Return the snapshot of *providers* (our names) in *raw*, the data set as its `data.json` has it.

    Numbers in *raw* are `int` or `Decimal`, never floats. Prices no longer in force on the day *snapshot* are left
    out, announced ones are kept with their day. Raises ValueError if *raw* is not what we know.
    """
    prices: dict[str, int] = {}
    found: dict[str, dict[str, Any]] = {}
    try:
        for entry in raw:
            name = OURS.get(entry["id"], entry["id"])
            if name not in providers:
                continue
            models = [model for model in entry["models"] if _belongs(name, model["id"])]
            found[name] = {"models": [_row(name, model, snapshot, prices) for model in models]}
            also = [OURS.get(other, other) for other in entry.get("fallback_model_providers") or ()]
            if name != "gemini" and also:
                found[name]["also"] = [other for other in also if other in providers]
    except (LookupError, TypeError, AttributeError, StopIteration, ArithmeticError, re.error) as error:
        raise ValueError(f"not the data set we know: {type(error).__name__} {error}") from error
    # Those that only lend others' models stand last: they are not the first to recommend.
    ordered = dict(sorted(found.items(), key=lambda item: "also" in item[1]))
    return {
        "format": FORMAT,
        "snapshot": snapshot,
        "source": source,
        "prices": [orjson.loads(price) for price in prices],
        "providers": ordered,
    }


def dump(snapshot: Snapshot) -> bytes:
    """Return *snapshot* as JSON, one model a line, so that a change is seen where it is."""
    text = orjson.dumps(snapshot).decode()
    return re.sub(r'(?<=[\[\]{,])(?=\["|"[a-z-]+":\{"models")', "\n", text).encode() + b"\n"


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
    shipped = newest(None)
    current = newest(cache)
    try:
        fresh = compact(parse(data), snapshot=today, source="genai-prices", providers=tuple(shipped["providers"]))
    except ValueError as error:
        raise ProtocolError(f"the price data can't be used: {error}", hint="the prices at hand stay in use") from error
    had, has = len(_all_models(current)), len(_all_models(fresh))
    if has * 2 < had:
        raise ProtocolError(f"the price data shrank from {had} models to {has}", hint="the prices at hand stay in use")
    _write(cache / REFRESHED, dump(fresh))
    return differences(current, fresh)


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
        raise NetworkError(f"can't fetch prices from {address.host}: {error}") from error


def _belongs(provider: str, id: str) -> bool:
    """Say whether *provider* answers to *id*: the data set also lists what its other doors sell."""
    if provider == "gemini":
        return not id.startswith("claude-")  # those are Vertex AI's
    if provider == "openrouter":
        return "/" in id  # the others are former names without their vendor
    return True


def _row(provider: str, model: Mapping[str, Any], snapshot: str, prices: dict[str, int]) -> Row:
    id, name, window = model["id"], model.get("name") or "", model.get("context_window") or 0
    if not isinstance(id, str) or not isinstance(name, str) or not isinstance(window, int):
        raise TypeError(f"a model that is none: {id!r}")
    dated = [[when, _index(price, id, prices)] for when, price in _in_order(model, snapshot)]
    names = {_text(rule): rule for rule in _rules(model["match"])}
    if not any(matches(rule, id.lower()) for rule in names.values()):
        # Only a label of the data set's own: the wire knows the first of the names.
        id = next((rule for rule in names.values() if isinstance(rule, str) and is_exact(rule)), id)
    if provider == "zai":
        id = id.lower()  # as recorded clients send it: glm-4.6v (2026-06)
    names.pop(_text(id.lower()), None)
    price = dated[0][1] if len(dated) == 1 else dated
    return [id, name, window, price, *names.values()]


def _in_order(model: Mapping[str, Any], snapshot: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (when, price), the last that holds wins; without what is no longer in force."""
    entries = model["prices"]
    if isinstance(entries, Mapping):
        entries = [{"prices": entries}]
    always = 0
    for place, entry in enumerate(entries):
        if _when(entry) <= snapshot and "/" not in _when(entry):
            always = place
    yield "", entries[always]["prices"]
    for entry in entries[always + 1 :]:
        yield _when(entry), entry["prices"]


def _when(entry: Mapping[str, Any]) -> str:
    """Return when a price holds: "" always, `2027-01-01` from then on, `01:00/04:00` between the two each day (UTC)."""
    constraint = entry.get("constraint")
    if not constraint:
        return ""
    if "start_date" in constraint:
        return str(constraint["start_date"])
    times = str(constraint["start_time"]), str(constraint["end_time"])
    if not all(re.fullmatch(r"\d\d:\d\d:00(Z|\+00:00)", time) for time in times):
        raise ValueError(f"a time of day that is not in UTC: {times}")
    return "/".join(time[:5] for time in times)


def _index(price: Mapping[str, Any], id: str, prices: dict[str, int]) -> int | None:
    """Return the place of *price* in *prices*, which keep each different one once; None if it is unknown."""
    if not price:
        # An empty price may be "free" or "nobody knows"; only the name tells.
        return prices.setdefault(_text([0] * len(FIELDS)), len(prices)) if id.endswith(":free") else None
    starts = sorted(
        {tier["start"] for value in price.values() if isinstance(value, Mapping) for tier in value["tiers"]}
    )
    base = _numbers(price, 0)
    # The data set's tiers begin above their start, ours at the first count that pays them.
    tiers = [[start + 1, _numbers(price, start + 1)] for start in starts]
    return prices.setdefault(_text({"base": base, "tiers": tiers} if tiers else base), len(prices))


def _numbers(price: Mapping[str, Any], tokens: int) -> list[int | None]:
    """Return nano-dollars per million, in the order of FIELDS, for a request of *tokens* input tokens."""
    found: dict[str, int | None] = {}
    for key, word in PRICED.items():
        if price.get(key) is not None:
            found[word] = _nanos(_at(price[key], tokens))
    if price.get("requests_kcount") is not None:
        found["request"] = _nanos(_at(price["requests_kcount"], tokens)) // 1000
    for key in price.keys() - PRICED.keys():
        if side := UNCOUNTED.get(key.partition("_")[0]):
            found[side] = None
    numbers = [found.get(word) for word in FIELDS]
    while numbers and numbers[-1] is None:
        numbers.pop()
    return numbers


def _at(value: Any, tokens: int) -> Any:
    """Return the price that holds for a request of *tokens* input tokens: the last tier that begins below."""
    if not isinstance(value, Mapping):
        return value
    begun = [tier for tier in value["tiers"] if tokens > tier["start"]]
    return max(begun, key=lambda tier: tier["start"])["price"] if begun else value["base"]


def _nanos(amount: int | Decimal) -> int:
    """Return dollars in billionths; a decimal that goes on further (a twelfth) is rounded to the nearest."""
    if isinstance(amount, float | bool) or not 0 <= amount < HIGHEST:
        raise ValueError(f"a price can't be {amount!r}")
    return round(amount * 10**9)


def _rules(match: Mapping[str, Any]) -> list[Any]:
    """Return the data set's match logic as the catalogue's rules, any of which may fit."""
    (kind, value), *more = match.items()
    if more:
        raise ValueError(f"a match with more than one clause: {match}")
    if kind == "or":
        return [rule for part in value for rule in _rules(part)]
    if kind == "and":
        return [[rule for part in value for rule in _rules(part)]]
    if kind == "regex":
        re.compile(value)
        return [f"/{value}/"]
    text = value.lower()
    if "*" in text or text.startswith("/"):
        raise ValueError(f"a name that would be read as a rule: {text}")
    return [{"equals": text, "starts_with": f"{text}*", "ends_with": f"*{text}", "contains": f"*{text}*"}[kind]]


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


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
