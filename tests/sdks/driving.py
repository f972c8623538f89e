"""What every driver does: read cases as JSON lines, ask the SDK for each, tell what it parsed as JSON lines.

Runs in the SDK's own environment: standard library only, nothing of ours.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field


@dataclass
class Parsed:
    """What the SDK made of one answer. `usage` is input, output, and what was read from a cache."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)  # id, name, arguments as JSON text
    finish: str = ""
    usage: tuple[int, int, int] | None = None
    # what was raised, if anything: its class and those above it, what it says, and where the SDK found them
    raised: list[str] = field(default_factory=list)
    message: str = ""
    status: int = 0
    request_id: str = ""


def drive(ask: Callable[[dict[str, str], Parsed], None]) -> None:
    """Call *ask* for each case on stdin with what it is to fill in, and write that to stdout."""
    for line in sys.stdin:
        case = json.loads(line)
        parsed = Parsed()
        try:
            ask(case, parsed)
        except Exception as error:  # whatever the SDK raises is what a caller would see
            parsed.raised = [kind.__name__ for kind in type(error).__mro__]
            parsed.message = f"{error} {error.__cause__ or ''}"
            # A stream's errors keep the status of the answer they came in, if any.
            parsed.status = getattr(error, "status_code", None) or getattr(error, "code", None) or 0
            parsed.request_id = getattr(error, "request_id", None) or ""
        print(json.dumps({"case": case["case"], **asdict(parsed)}))
