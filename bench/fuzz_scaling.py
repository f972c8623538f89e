"""Find what takes quadratic time: repeat one piece of a seed more and more often, and watch the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import fuzz_targets
import orjson

SMALL, LARGE = 500, 4000
TOO_MUCH = 3.0  # how much more than its share of CPU the large one may take
NOTEWORTHY = 0.03  # seconds; below this there is nothing but noise

Repeat = Callable[[int], bytes]


def run(names: Sequence[str]) -> int:
    """Print every piece of a seed whose repetition takes too much; return 1 if there is one."""
    found = tried = 0
    seen: set[str] = set()
    for name in names or list(fuzz_targets.TARGETS):
        for kind in fuzz_targets.kinds(name):
            read = fuzz_targets.of(f"{name}.{kind}", judged=False)
            for seed in fuzz_targets.seeds(f"{name}.{kind}"):
                for label, repeat in _pieces(seed, kind):
                    if (key := f"{name}.{kind} {label}") in seen:
                        continue
                    seen.add(key)
                    tried += 1
                    took, ratio = _measured(read, repeat)
                    if ratio > TOO_MUCH:
                        found += 1
                        print(
                            f"{key}: {took:.2f} s for {len(repeat(LARGE))} bytes, {ratio:.1f} times its share",
                            flush=True,
                        )
    print(f"{tried} pieces, {found} too slow")
    return 1 if found else 0


def _measured(read: Callable[[bytes], None], repeat: Repeat) -> tuple[float, float]:
    """Return the CPU for the large input, and how many times its share of the small one's that is."""
    large = _cpu(read, repeat(LARGE))
    if large < NOTEWORTHY:
        return large, 0.0
    small = min(_cpu(read, repeat(SMALL)) for _ in range(2))
    ratio = large / (small * LARGE / SMALL)
    if ratio > TOO_MUCH:  # once more: the machine may have been busy
        large = min(large, _cpu(read, repeat(LARGE)))
    return large, large / (small * LARGE / SMALL)


def _cpu(read: Callable[[bytes], None], raw: bytes) -> float:
    before = time.process_time()
    read(raw)
    return time.process_time() - before


def _pieces(seed: bytes, kind: str) -> Iterator[tuple[str, Repeat]]:
    """Yield what of *seed* can be repeated, with a label that pieces of the same form share."""
    if kind != "stream":
        document = fuzz_targets.parsed(seed)
        if document is not None:
            yield from _places(document, document, "")
        return
    end = b"\r\n\r\n" if b"\r\n\r\n" in seed else b"\n\n" if b"\n\n" in seed else b"\n"
    events = seed.split(end)
    for at, event in enumerate(events):
        document = fuzz_targets.parsed(event.partition(b"data: ")[2] or event)
        if isinstance(document, dict):
            yield _form(document), lambda n, at=at: end.join([*events[:at], *[events[at]] * n, *events[at + 1 :]])  # type: ignore[misc]


def _places(document: Any, value: Any, path: str) -> Iterator[tuple[str, Repeat]]:
    """Yield the strings and lists inside *value*, each of which can be made longer."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        inner = value[key]
        below = f"{path}.{key if isinstance(key, str) else ''}"
        if (isinstance(inner, str) and inner) or (isinstance(inner, list) and inner):

            def repeat(n: int, key: Any = key, inner: Any = inner) -> bytes:
                value[key] = inner * n
                try:
                    return orjson.dumps(document)
                finally:
                    value[key] = inner

            yield below, repeat
        yield from _places(document, inner, below)


def _form(value: Any, depth: int = 0) -> str:
    """Return which fields *value* has, and the kinds it names: what pieces of the same form share."""
    if isinstance(value, dict) and depth < 5:
        fields = (
            f"{key}={inner}" if key == "type" else f"{key}{_form(inner, depth + 1)}" for key, inner in value.items()
        )
        return "{" + " ".join(sorted(fields)) + "}"
    return f"[{_form(value[0], depth + 1)}]" if isinstance(value, list) and value else ""
