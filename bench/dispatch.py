"""CPU a call of everything between an entrance and the transport: route, turn, request, health, row.

    python bench/dispatch.py [--rounds 7] [--calls 5000] [--beside PATH]

The transport is a stub that answers at once and the ledger keeps nothing, so neither is in the figures. `--beside`
names another checkout, which is measured in the same run, by turns; the ratio compares the least CPU of each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

HERE = Path(__file__).resolve()
CASES = {"direct": "openai/gpt-4o-mini", "alias of two": "both"}
SETTINGS = {
    "providers": {"openai": {}, "groq": {}},
    "aliases": {"both": ["openai/gpt-4o-mini", "groq/llama-3.3-70b-versatile"]},
    "wallet": {"type": "none"},
}
ENVIRON = {"OPENAI_API_KEY": "sk-0123456789abcdef", "GROQ_API_KEY": "gsk_0123456789abcdef"}
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'


class StubExchange:
    """Answers before it was asked."""

    status = 200
    reused = True

    def __init__(self, headers: Any) -> None:
        self.headers = headers

    async def __aenter__(self) -> StubExchange:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def content_came(self) -> None:
        """There is no deadline to lift."""


class StubTransport:
    """Sends nothing."""

    FIELDS: ClassVar = (
        *(("date", "Sun, 22 Nov 2026 20:00:00 GMT"), ("content-type", "application/json")),
        *(("content-length", "670"), ("x-request-id", "req_0123456789"), ("server", "stub")),
    )

    def __init__(self) -> None:
        from mini_llm.transport import Headers

        self._exchange = StubExchange(Headers(self.FIELDS))

    def send(self, method: str, url: str, **options: Any) -> StubExchange:
        return self._exchange

    def heading(self, method: str, url: str, headers: Any = ()) -> None:
        """Nothing is sent, so it has no head."""

    def send_to(self, heading: None, body: bytes, timeouts: Any) -> StubExchange:
        return self._exchange


class NoLedger:
    """Counts rows, keeps none."""

    rows = 0

    def check(self) -> None:
        pass

    def append(self, entry: Any) -> None:
        self.rows += 1


def measure(calls: int) -> dict[str, float]:
    """Return the CPU microseconds a call takes in this checkout, for each case."""
    from mini_llm.dispatch import Dispatch
    from mini_llm.runtime import Runtime
    from mini_llm.upstream import Upstream

    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "config.json").write_text(json.dumps(SETTINGS))
        runtime = Runtime.open(environ={"MINI_LLM_HOME": home, **ENVIRON}, cwd=Path(home))
        stub: Any = StubTransport()
        signers: Any = None
        ledger: Any = NoLedger()
        upstream = Upstream(stub, runtime.registry, runtime.credentials, signers)
        parts = (runtime.router, runtime.registry, runtime.catalogue, upstream, runtime.health, ledger)
        found = asyncio.run(_measured(Dispatch(*parts), calls))
        assert ledger.rows == len(CASES) * (calls + calls // 10)
    return found


async def _measured(dispatch: Any, calls: int) -> dict[str, float]:
    from mini_llm.dispatch import Call
    from mini_llm.routing import Needs
    from mini_llm.translation import Body
    from mini_llm.types import Usage

    body = Body(BODY)
    usage = Usage(input_tokens=10, output_tokens=5)
    needs: Any = Needs(20, 100)
    lazy = "needed" in dir(sys.modules["mini_llm.routing"])

    async def receive(reply: Any, body: Any, meter: Any) -> bytes:
        meter.whole(usage)
        return BODY

    async def ask(model: str, count: int) -> float:
        before = time.process_time()
        for number in range(count):
            call = Call(
                model, (lambda: needs) if lazy else needs, False, lambda provider, target: body, receive, f"r-{number}"
            )
            async with dispatch.answer(call) as answer:
                answer.content  # noqa: B018
        return (time.process_time() - before) / count * 1e6

    found = {}
    for name, model in CASES.items():
        await ask(model, calls // 10)
        found[name] = await ask(model, calls)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--checkout", type=Path, help=argparse.SUPPRESS)  # one round, as a process of its own
    options = parser.parse_args()
    if options.checkout:
        sys.path.insert(0, str(options.checkout))
        json.dump(measure(options.calls), sys.stdout)
        return
    checkouts = {"this": HERE.parent.parent} | ({"beside": options.beside} if options.beside else {})
    least: dict[str, dict[str, float]] = {name: {} for name in checkouts}
    for _ in range(options.rounds):
        for name, folder in checkouts.items():
            command = [sys.executable, str(HERE), "--calls", str(options.calls), "--checkout", str(folder)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            least[name] = {case: min(found[case], least[name].get(case, found[case])) for case in found}
    for case in CASES:
        told = [f"{name} {figures[case]:.1f} µs" for name, figures in least.items()]
        ratio = f"  ratio {least['this'][case] / least['beside'][case]:.2f}" if options.beside else ""
        print(f"{case:<14} {', '.join(told)}{ratio}")


if __name__ == "__main__":
    main()
