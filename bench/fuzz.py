"""Feed nonsense to everything that reads bytes of others. By hand: `pip install atheris`, then

    python bench/fuzz.py TARGET [--seconds 600] [--corpus FOLDER] [FILE ...]
    python bench/fuzz.py scaling [DIALECT ...]

A target is `sse`, `peek`, or a dialect with what is read of it, such as `gemini.request`, `gemini.response`,
`gemini.stream` or `gemini.error`; a dialect alone takes turns with all of these. The seeds are the recorded exchanges
in ../shared/wire, where that folder exists; mutations know JSON and the framing of events. What may happen is an error
of ours; anything else, more than a second of CPU for one input, or a written stream that is out of order is a finding:
its input is left in the corpus folder as `crash-…`, and `python bench/fuzz.py TARGET FILE` runs it again.

`scaling` needs no atheris: it repeats each piece of each seed 500 to 4,000 times, and names those for which eight
times the input takes much more than eight times the CPU.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

LONGEST_INPUT = 1 << 18  # each is read several times over, so this stands for a megabyte read once
CPU_LIMIT = 1.0


class Slow(Exception):
    """One input took too long."""


def main() -> int:
    """Fuzz one target until its time is over, or until a finding."""
    parser = argparse.ArgumentParser(description="Feed nonsense to what reads bytes of others.")
    parser.add_argument("target", help="sse, peek, DIALECT, DIALECT.request|response|stream|error, or scaling")
    parser.add_argument("files", nargs="*", help="inputs to run instead; for scaling, the dialects")
    parser.add_argument("--seconds", type=int, default=600, help="of CPU")
    parser.add_argument("--corpus", type=Path, help="where inputs are kept; a fresh temporary folder otherwise")
    arguments = parser.parse_args()
    if arguments.target == "scaling":
        import fuzz_scaling

        return fuzz_scaling.run(arguments.files)
    return _fuzz(arguments.target, arguments.files, arguments.seconds, arguments.corpus)


def _fuzz(target: str, files: Sequence[str], seconds: int, corpus: Path | None) -> int:
    try:
        import atheris
    except ImportError:
        print("atheris is missing: `pip install atheris`", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["mini_llm"]):
        import fuzz_targets
    import fuzz_mutations

    run = _bounded(fuzz_targets.of(target), seconds, target)
    if files:
        for file in files:
            run(Path(file).read_bytes())
        return 0
    folder = (corpus or Path(tempfile.mkdtemp(prefix="mini-llm-fuzz-"))) / target
    folder.mkdir(parents=True, exist_ok=True)
    seeds = fuzz_targets.seeds(target)
    for at, seed in enumerate(seeds):
        (folder / f"seed-{at}").write_bytes(seed)
    print(f"{target}: {len(seeds)} seeds, {seconds} s, corpus in {folder}", file=sys.stderr)
    mutate = fuzz_mutations.Mutator(seeds, lambda raw, longest: atheris.Mutate(raw, longest)).mutate
    options = [f"-max_len={LONGEST_INPUT}", "-timeout=60", "-rss_limit_mb=4096", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, str(folder)], run, custom_mutator=mutate)
    atheris.Fuzz()
    return 0


def _bounded(run: Callable[[bytes], None], seconds: int, target: str) -> Callable[[bytes], None]:
    """Return *run* so that it raises Slow after more than a second of CPU, and ends the process after *seconds*."""
    count = 0

    def bounded(raw: bytes) -> None:
        nonlocal count
        before = time.process_time()
        run(raw)
        after = time.process_time()
        count += 1
        if after - before > CPU_LIMIT:
            raise Slow(f"{after - before:.1f} s of CPU for {len(raw)} bytes")
        if after > seconds:
            print(f"{target}: {count} inputs in {after:.0f} s of CPU, no finding", file=sys.stderr, flush=True)
            os._exit(0)  # libFuzzer knows no other way to stop with success

    return bounded


if __name__ == "__main__":
    sys.exit(main())
