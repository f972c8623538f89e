"""Read the `genai-prices` data set and make a snapshot of it: exact, without what we have no word for."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from mini_llm.catalogue import FIELDS, FORMAT, Row, Snapshot, is_exact, matches

if TYPE_CHECKING:
    from decimal import Decimal

HIGHEST = 1_000_000  # dollars per million tokens; what is dearer is a mistake
# Providers that the data set calls otherwise than we do, or that are several doors here.
OURS = {
    "aws": ("bedrock",),
    "azure": ("azure", "azure-deployments"),
    "google": ("gemini", "vertex", "vertex-anthropic"),
    "moonshotai": ("moonshot",),
    "x-ai": ("xai",),
}
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
    "input_image_mtok": "input_image",
}
# What it prices by the thousand calls.
CALLS = {"requests_kcount": "request", "web_searches_kcount": "web_search"}
# A unit that `Usage` has no word for (pixels, citations) makes its side unknown: no bill may be too low.
UNCOUNTED = {"input": "input", "output": "output", "cache": "cache_read"}
# What the data set may make another price depend on and an answer tells: all are classes of service here.
SERVICES = ("service_tier", "processing", "speed")
ALWAYS = ""


def compact(raw: Any, *, snapshot: str, source: str, providers: Collection[str]) -> Snapshot:
    """Return the snapshot of *providers* (our names) in *raw*, the data set as its `data.json` has it.

    Numbers in *raw* are `int` or `Decimal`, never floats. Former and announced prices are kept with their day.
    Raises ValueError if *raw* is not what we know.
    """
    prices: dict[str, int] = {}
    found: dict[str, dict[str, Any]] = {}
    try:
        for entry in raw:
            for name in _ours(entry["id"]):
                if name in providers:
                    found[name] = _shelf(name, entry, providers, prices)
    except (LookupError, TypeError, AttributeError, StopIteration, ArithmeticError, re.error) as error:
        raise ValueError(f"not the data set we know: {type(error).__name__} {error}") from error
    # Those that only lend others' models stand last: they are not the first to recommend.
    ordered = dict(sorted(found.items(), key=lambda item: ("also" in item[1], item[0] in LENDERS)))
    return {
        "format": FORMAT,
        "snapshot": snapshot,
        "source": source,
        "prices": [orjson.loads(price) for price in prices],
        "providers": ordered,
    }


LENDERS = ("bedrock", "vertex")


def dump(snapshot: Snapshot) -> bytes:
    """Return *snapshot* as JSON, one model a line, so that a change is seen where it is."""
    text = orjson.dumps(snapshot).decode()
    return re.sub(r'(?<=[\[\]{,])(?=\["|"[a-z-]+":\{"models")', "\n", text).encode() + b"\n"


def _ours(id: str) -> tuple[str, ...]:
    return OURS.get(id, (id,))


def _shelf(name: str, entry: Mapping[str, Any], providers: Collection[str], prices: dict[str, int]) -> dict[str, Any]:
    """Return the models of the provider that we call *name*, and whose models it sells as well."""
    models = [model for model in entry["models"] if _belongs(name, model["id"])]
    shelf: dict[str, Any] = {"models": [_row(name, model, prices) for model in models]}
    lent = [ours for other in entry.get("fallback_model_providers") or () for ours in _ours(other)[:1]]
    also = [other for other in lent if other in providers]
    if also and name not in ("gemini", "vertex"):
        shelf["also"] = also
    return shelf


def _belongs(provider: str, id: str) -> bool:
    """Say whether *provider* answers to *id*: the data set also lists what its other doors sell."""
    if provider in ("gemini", "vertex"):
        return not id.startswith("claude-")
    if provider == "vertex-anthropic":
        return id.startswith("claude-")
    if provider == "openrouter":
        return "/" in id  # the others are former names without their vendor
    return True


def _row(provider: str, model: Mapping[str, Any], prices: dict[str, int]) -> Row:
    id, name, window = model["id"], model.get("name") or "", model.get("context_window") or 0
    if not isinstance(id, str) or not isinstance(name, str) or not isinstance(window, int):
        raise TypeError(f"a model that is none: {id!r}")
    dated = [[when, _index(price, services, id, prices)] for when, price, services in _in_order(model)]
    names = {_text(rule): rule for rule in _rules(model["match"])}
    if provider == "bedrock":
        id, names = _at_bedrock(id, names)
    if not any(matches(rule, id.lower()) for rule in names.values()):
        # Only a label of the data set's own: the wire knows the first of the names.
        id = next((rule for rule in names.values() if isinstance(rule, str) and is_exact(rule)), id)
    if provider == "zai":
        id = id.lower()  # as recorded clients send it: glm-4.6v (2026-06)
    names.pop(_text(id.lower()), None)
    price = dated[0][1] if len(dated) == 1 else dated
    return [id, name, window, price, *names.values()]


def _at_bedrock(id: str, names: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a model's name there, and its rules: all begin with a vendor, and a place stands before some.

    The data set also takes names without a vendor, which Bedrock does not; `regional` is its own word.
    """
    place, _, bare = id.rpartition("regional.")
    vendor = bare.removeprefix("global.").partition(".")[0] + "."
    kept: dict[str, Any] = {}
    for text, rule in names.items():
        if not isinstance(rule, str) or vendor in rule:
            kept[text] = rule
        elif rule.startswith("*") and rule.endswith("*"):
            whole = f"*{vendor}{rule[1:]}"
            kept[_text(whole)] = whole
    if id == bare:
        return id, kept
    spelled = (f"{prefix}{bare}" for prefix in ("us.", place))
    return next((one for one in spelled if any(matches(rule, one) for rule in kept.values())), id), kept


def _in_order(model: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Mapping[str, Any]]]]:
    """Yield (when, price, prices of classes of service), the last that holds wins: days in order, then times of day."""
    entries = model["prices"]
    if isinstance(entries, Mapping):
        entries = [{"prices": entries}]
    variants = model.get("price_variants") or ()
    days = [entry for entry in entries if "/" not in _when(entry)]
    starts = {when for entry in (*days, *variants) if (when := _when(entry)) and "/" not in when}
    for day in (ALWAYS, *sorted(starts)):
        price = next(entry["prices"] for entry in (*reversed(days), entries[0]) if _when(entry) <= day)
        yield day, price, _services(variants, day)
    for entry in entries:
        if "/" in _when(entry):
            yield _when(entry), entry["prices"], {}


def _services(variants: Collection[Mapping[str, Any]], day: str) -> dict[str, dict[str, Any]]:
    """Return what classes of service change in a price on *day*; of two that say so the first wins."""
    found: dict[str, dict[str, Any]] = {}
    for variant in variants:
        ((condition, service), *more) = variant["when"].items()
        if more or condition not in SERVICES or "/" in _when(variant) or _when(variant) > day:
            continue
        found[service] = {**variant["prices"], **found.get(service, {})}
    return found


def _when(entry: Mapping[str, Any]) -> str:
    """Return when a price holds: "" always, `2027-01-01` from then on, `01:00/04:00` between the two each day (UTC)."""
    constraint = entry.get("constraint")
    if not constraint:
        return ALWAYS
    if "start_date" in constraint:
        return str(constraint["start_date"])
    times = str(constraint["start_time"]), str(constraint["end_time"])
    if not all(re.fullmatch(r"\d\d:\d\d:00(Z|\+00:00)", time) for time in times):
        raise ValueError(f"a time of day that is not in UTC: {times}")
    return "/".join(time[:5] for time in times)


def _index(
    price: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]], id: str, prices: dict[str, int]
) -> int | None:
    """Return the place of *price* in *prices*, which keep each different one once; None if it is unknown."""
    if not price:
        # An empty price may be "free" or "nobody knows"; only the name tells.
        return prices.setdefault(_text([0] * len(FIELDS)), len(prices)) if id.endswith(":free") else None
    found = _price(price)
    others = {service: _price({**price, **changes}) for service, changes in services.items() if changes}
    # A service whose price is the usual one is named as well: elsewhere one that is not named is unknown.
    others |= {service: found for service, changes in services.items() if not changes and service != "default"}
    if others:
        found = {**(found if isinstance(found, dict) else {"base": found}), "services": others}
    return prices.setdefault(_text(found), len(prices))


def _price(price: Mapping[str, Any]) -> Any:
    """Return *price* as the snapshot has it: its numbers, or an object with those and its tiers."""
    starts = sorted(
        {tier["start"] for value in price.values() if isinstance(value, Mapping) for tier in value["tiers"]}
    )
    base = _numbers(price, 0)
    # The data set's tiers begin above their start, ours at the first count that pays them.
    tiers = [[start + 1, _numbers(price, start + 1)] for start in starts]
    return {"base": base, "tiers": tiers} if tiers else base


def _numbers(price: Mapping[str, Any], tokens: int) -> list[int | None]:
    """Return nano-dollars per million, in the order of FIELDS, for a request of *tokens* input tokens."""
    found: dict[str, int | None] = {}
    for key, word in PRICED.items():
        if price.get(key) is not None:
            found[word] = _nanos(_at(price[key], tokens))
    for key, word in CALLS.items():
        if price.get(key) is not None:
            found[word] = _nanos(_at(price[key], tokens)) // 1000
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
    rule = {"equals": text, "starts_with": f"{text}*", "ends_with": f"*{text}", "contains": f"*{text}*"}[kind]
    if "*" in text or rule.startswith("/"):
        raise ValueError(f"a name that would be read as a rule: {text}")
    return [rule]


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()
