"""What is known of models: names, context windows, prices; layered and dated. Read on the first question.

A compact snapshot of the `genai-prices` data set ships with the package (`snapshot.json`, which
`scripts/catalogue.py` makes). A newer one that the user fetched wins over it, what the wallet says of its own prices
over both, the user's prices over all. Every price has a name by which it is found again: `Model.snapshot`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from mini_llm.catalogue.traits import Traits, traits_of
from mini_llm.errors import ConfigError
from mini_llm.types import Model, Price

__all__ = ["Catalogue", "Traits", "newest", "price_from", "traits_of"]

Snapshot: TypeAlias = dict[str, Any]
Row: TypeAlias = list[Any]  # id, display name, context window, price, then the names it answers to

SHIPPED = Path(__file__).with_name("snapshot.json")
REFRESHED = "catalogue.json"
ARCHIVE = "catalogues"
OWN, WALLET = "config", "wallet"  # the layers above the data
FORMAT = 1
SIZE_LIMIT = 10 << 20
NAME_LIMIT = 256
KEPT_ANSWERS = 4096
# The order of a price's numbers in the snapshot, and what a user's own price may name.
FIELDS = (
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "output_audio",
    "cache_read_audio",
    "request",
    "input_image",
    "web_search",
)
COMPACT_DATE = r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=[-:]|$)"


class Catalogue:
    """Answers from the newest snapshot at hand, under the user's own prices."""

    def __init__(
        self,
        load: Callable[[], Snapshot],
        prices: Mapping[str, Price],
        now: Callable[[], float] = time.time,
        *,
        wallet: Mapping[str, Price] | None = None,
        former: Callable[[str], Snapshot] | None = None,
    ) -> None:
        self._load = load
        self._layers = tuple((name, layer) for name, layer in ((OWN, prices), (WALLET, wallet)) if layer)
        self._now = now
        self._former = former
        self._formers: dict[str, Catalogue] = {}
        self._loaded: Snapshot | None = None
        self._shelves: dict[str, _Shelf] = {}
        self._models: dict[tuple[str, str, str], Model] = {}
        self._moment = (0, "", "")

    @classmethod
    def open(
        cls,
        *,
        cache: Path | None = None,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
        wallet: Mapping[str, Price] | None = None,
        now: Callable[[], float] = time.time,
    ) -> Catalogue:
        """Return the catalogue; *overrides* are the user's prices, `provider/model` → `price_from`'s words.

        A user's price replaces the whole known price: what it leaves out is unknown. *wallet* is what the wallet
        asks, discount included, by the same names.
        """
        prices = {name: price_from(words, name) for name, words in (overrides or {}).items()}
        return cls(lambda: newest(cache), prices, now, wallet=wallet, former=lambda day: former(cache, day))

    @property
    def snapshot(self) -> str:
        """The day the data is from, `YYYY-MM-DD`."""
        return str(self._data["snapshot"])

    @property
    def providers(self) -> tuple[str, ...]:
        """Every provider the data knows."""
        return tuple(self._data["providers"])

    def get(self, provider: str, model: str) -> Model | None:
        """Return what is known of *model* at *provider*, also by a dated or other name of its; None if nothing."""
        row = self._find(provider, model)
        own = self._own_price(provider, model, row) if self._layers else None
        if own is not None:
            name, window = row[1:3] if row else ("", 0)
            has = traits_of(model).has
            layer, price = own
            return Model(provider, model, name, window, capabilities=has, price=price, snapshot=_named(layer, price))
        return self._model(provider, row) if row else None

    def price(self, provider: str, model: str, snapshot: str) -> Price | None:
        """Return the price that *snapshot* (a `Model.snapshot`) told of *model*, None if it told none.

        Raises LookupError if it is not at hand any more.
        """
        day, _, when = snapshot.partition("@")
        layer, _, _ = day.partition("-")
        if layer in (OWN, WALLET):
            own = self._own_price(provider, model, self._find(provider, model))
            if own is None or _named(*own) != snapshot:
                raise LookupError(f"the price {snapshot} is not at hand")
            return own[1]
        if day != self.snapshot:
            return self._of_day(day).price(provider, model, snapshot)
        row = self._find(provider, model)
        return self._at(provider, row, when or day) if row else None

    def providers_of(self, model: str) -> tuple[str, ...]:
        """Return the providers that have *model*, by any of its names."""
        own = [name.partition("/")[0] for name in self._priced() if name.partition("/")[2] == model]
        return tuple(dict.fromkeys([*own, *(name for name in self.providers if self._find(name, model))]))

    def models(self, provider: str) -> tuple[Model, ...]:
        """Return every model known at *provider*."""
        ids = [row[0] for row in self._data["providers"].get(provider, {}).get("models", ())]
        ids += [name.partition("/")[2] for name in self._priced() if name.partition("/")[0] == provider]
        return tuple(model for id in dict.fromkeys(ids) if (model := self.get(provider, id)))

    def nearest(self, name: str, among: Iterable[str]) -> tuple[str, ...]:
        """Return up to three of *among* that look like *name*, best first."""
        from difflib import get_close_matches  # only for a message

        by_case = {other.lower(): other for other in among}
        return tuple(by_case[near] for near in get_close_matches(name[:NAME_LIMIT].lower(), by_case, n=3))

    @property
    def _data(self) -> Snapshot:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _find(self, provider: str, model: str) -> Row | None:
        known = self._data["providers"].get(provider)
        if known is None:
            return None
        row = self._shelf(provider).find(model)
        if row is None:
            others = (self._shelf(other).find(model) for other in known.get("also", ()))
            row = next((found for found in others if found), None)
        return row

    def _shelf(self, provider: str) -> _Shelf:
        if provider not in self._shelves:
            rows = self._data["providers"].get(provider, {}).get("models", [])
            self._shelves[provider] = _Shelf(rows)
        return self._shelves[provider]

    def _priced(self) -> Iterable[str]:
        return (name for _, layer in self._layers for name in layer)

    def _own_price(self, provider: str, model: str, row: Row | None) -> tuple[str, Price] | None:
        """Return the layer with a price for the very name asked for, else for the model it belongs to, and that."""
        for layer, prices in self._layers:
            price = prices.get(f"{provider}/{model}") or (prices.get(f"{provider}/{row[0]}") if row else None)
            if price is not None:
                return layer, price
        return None

    def _model(self, provider: str, row: Row) -> Model:
        id, name, window, price = row[:4]
        when = self._in_force(price) if isinstance(price, list) else ""
        known = self._models.get((provider, id, when))
        if known is None:
            usual = when == _at_noon(price, self.snapshot) if isinstance(price, list) else True
            known = self._models[provider, id, when] = Model(
                provider,
                id,
                name,
                window,
                capabilities=traits_of(id).has,
                price=self._at(provider, row, when or _FIRST),
                snapshot=self.snapshot if usual else f"{self.snapshot}@{when or _FIRST}",
            )
        return known

    def _in_force(self, dated: list[tuple[str, int | None]]) -> str:
        """Return when the last of the prices that holds now does: from a day on, at times of day (UTC), or always."""
        now = self._now()
        minute, day, clock = self._moment
        if minute != int(now // 60):
            day, _, clock = time.strftime("%Y-%m-%d %H:%M", time.gmtime(now)).partition(" ")
            self._moment = (int(now // 60), day, clock)
        return next((when for when, _ in reversed(dated) if _holds(when, day, clock)), "")

    def _at(self, provider: str, row: Row, when: str) -> Price | None:
        """Return the price in *row* that is called *when*; if none is, the one that held on that day."""
        dated = row[3]
        if isinstance(dated, list):
            named = [index for name, index in dated if name == when]
            index = named[0] if named else dict(map(tuple, dated))[_at_noon(dated, when)]
        else:
            index = dated
        if index is None:
            return None
        price = _price(self._data["prices"][index])
        # What another class of service costs elsewhere does not tell what it costs at who lends the model.
        return price if self._shelf(provider).owns(row) else price._replace(services=())

    def _of_day(self, day: str) -> Catalogue:
        """Return the catalogue as it was. Raises LookupError if it is not at hand."""
        if day not in self._formers:
            if self._former is None:
                raise LookupError(f"the catalogue of {day} is not at hand")
            snapshot = self._former(day)
            self._formers[day] = Catalogue(lambda: snapshot, {}, self._now)
        return self._formers[day]


_FIRST = "0"  # a day before any other: the price before all that are dated


class _Shelf:
    """One provider's models, by their exact names first, then by the data set's rules in its order."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._exact: dict[str, Row] = {}
        self._rules: list[tuple[Any, Row]] = []
        self._answers: dict[str, Row | None] = {}
        for row in rows:
            for rule in row[4:]:
                if isinstance(rule, str) and is_exact(rule):
                    self._exact.setdefault(rule, row)
                else:
                    self._rules.append((rule, row))
            self._exact[row[0].lower()] = row

    def find(self, model: str) -> Row | None:
        """Return the row for *model*; `-20250929` at its end is also tried as `-2025-09-29`."""
        name = model.lower()
        if name in self._exact:
            return self._exact[name]
        if name not in self._answers:
            if len(self._answers) >= KEPT_ANSWERS or len(name) > NAME_LIMIT:
                return None if len(name) > NAME_LIMIT else self._match(name)
            self._answers[name] = self._match(name)
        return self._answers[name]

    def owns(self, row: Row) -> bool:
        """Tell whether *row* stands here."""
        return self._exact.get(row[0].lower()) is row

    def _match(self, name: str) -> Row | None:
        for spelling in dict.fromkeys((name, re.sub(COMPACT_DATE, r"-\1-\2-\3", name))):
            if spelling in self._exact:
                return self._exact[spelling]
            for rule, row in self._rules:
                if matches(rule, spelling):
                    return row
        return None


def is_exact(rule: str) -> bool:
    """Say whether *rule* is a name as it stands."""
    return "*" not in rule and not rule.startswith("/")


def matches(rule: str | list[Any], name: str) -> bool:
    """Say whether *name* (lower case) fits: `is`, `begins*`, `*ends`, `*has*`, `/regex/`, or all of a list."""
    if isinstance(rule, list):
        return all(matches(part, name) for part in rule)
    if rule.startswith("/"):
        return re.search(rule[1:-1], name) is not None
    if rule.endswith("*"):
        return rule[1:-1] in name if rule.startswith("*") else name.startswith(rule[:-1])
    return name.endswith(rule[1:]) if rule.startswith("*") else name == rule


def newest(cache: Path | None) -> Snapshot:
    """Return the snapshot to use: the refreshed one in *cache* if it is sound and newer than the shipped one."""
    shipped = snapshot_from(SHIPPED.read_bytes())
    try:
        refreshed = snapshot_from((cache / REFRESHED).read_bytes()) if cache else shipped
    except (OSError, ValueError):
        return shipped
    return max(refreshed, shipped, key=lambda snapshot: str(snapshot["snapshot"]))


def former(cache: Path | None, day: str) -> Snapshot:
    """Return the snapshot of *day*: shipped, refreshed, or kept when it was replaced. Raises LookupError."""
    places = [SHIPPED]
    if cache is not None and re.fullmatch(r"[\d-]+(\.\d+)?", day):
        places += [cache / REFRESHED, cache / ARCHIVE / f"{day}.json"]
    for place in places:
        try:
            snapshot = snapshot_from(place.read_bytes())
        except (OSError, ValueError):
            continue
        if snapshot["snapshot"] == day:
            return snapshot
    raise LookupError(f"the catalogue of {day} is not at hand")


def snapshot_from(raw: bytes) -> Snapshot:
    """Return the snapshot in *raw*. Raises ValueError if it is none that this version reads."""
    if len(raw) > SIZE_LIMIT:
        raise ValueError("too large for a catalogue")
    data = orjson.loads(raw)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError("not a catalogue of this version")
    if not isinstance(data.get("providers"), dict) or not isinstance(data.get("prices"), list):
        raise ValueError("a catalogue without providers or prices")
    return data


def price_from(words: Mapping[str, str], name: str = "a price") -> Price:
    """Return the price that *words* tell in US dollars per million tokens, as decimal text ("0.50").

    Words are the fields of `Price`; `cache_write` stands for `cache_write_5m`; `request` is dollars a call.
    Raises ConfigError.
    """
    found: dict[str, Any] = {}
    for word, text in words.items():
        field = "cache_write_5m" if word == "cache_write" else word
        if field not in FIELDS:
            raise ConfigError(f"prices of {name}: `{word}` is no price", hint=f"known: {', '.join(FIELDS)}")
        try:
            found[field] = nanos(text)
        except ValueError as error:
            hint = 'write dollars as text, as in "0.50"'
            raise ConfigError(f"prices of {name}: `{word}` {error}", hint=hint) from error
    return Price(**found)


def nanos(text: str) -> int:
    """Return an amount of dollars written as a decimal in billionths, exactly. Raises ValueError."""
    match = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,9}))?", text) if isinstance(text, str) else None
    if match is None or not text.isascii():
        raise ValueError(f"can't be {text!r}")
    return int(match[1]) * 10**9 + int((match[2] or "0").ljust(9, "0"))


def _price(numbers: Any) -> Price:
    """Return a price of the snapshot: a list in the order of FIELDS, or an object with more than such a list."""
    if isinstance(numbers, list):
        return Price(**dict(zip(FIELDS, numbers, strict=False)))
    base = numbers["base"]
    tiers = tuple((start, _price(price)) for start, price in numbers.get("tiers", ()))
    services = tuple((service, _price(price)) for service, price in numbers.get("services", {}).items())
    return Price(**dict(zip(FIELDS, base, strict=False)), tiers=tiers, services=services)


@lru_cache(maxsize=1024)
def _named(layer: str, price: Price) -> str:
    """Return the name of a price that stands in no snapshot: another price has another."""
    return f"{layer}-{sha256(repr(price).encode()).hexdigest()[:12]}"


def _at_noon(dated: list[tuple[str, int | None]], day: str) -> str:
    """Return which of the prices that hold from a day on held on *day*; those for times of day are left out."""
    return next((when for when, _ in reversed(dated) if "/" not in when and when <= day), "")


def _holds(when: str, day: str, clock: str) -> bool:
    if not when:
        return True
    begin, _, end = when.partition("/")
    if not end:
        return begin <= day
    return begin <= clock < end if begin <= end else clock >= begin or clock < end
