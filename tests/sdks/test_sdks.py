"""The official SDKs parse what we write: each recorded answer in each dialect, each version, over a real socket."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.reading import Meaning, known
from tests.sdks.cases import Case, cases
from tests.sdks.install import SDKS, Sdk
from tests.sdks.replay import Replay

Parsed = dict[str, Any]
SPOKEN = {
    "openai": ("openai_chat", "openai_responses"), "anthropic": ("anthropic_messages",), "google-genai": ("gemini",),
}  # fmt: skip
KINDS = ("answers", "streams", "errors", "broken streams")
FINISHED = {
    "end_turn": "stop", "stop_sequence": "stop", "completed": "stop", "STOP": "stop",
    "max_tokens": "length", "max_output_tokens": "length", "MAX_TOKENS": "length", "tool_use": "tool_calls",
    "content_filter": "refused", "refusal": "refused", "SAFETY": "refused",
}  # fmt: skip
CUT = "cut off"
RAISED = {
    400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
    409: "ConflictError", 422: "UnprocessableEntityError", 429: "RateLimitError",
}  # fmt: skip


@pytest.fixture(scope="module")
def everything() -> list[Case]:
    found = cases()
    if not found:
        pytest.skip("no recordings in ../shared/wire")
    return found


@pytest.fixture(scope="module")
def parsed(everything: list[Case]) -> Iterator[Callable[[Sdk], list[tuple[Case, Parsed]]]]:
    """Return what an SDK made of its cases. All that are installed run at once, two at a time."""
    replies = {f"case-{at}": case.reply for at, case in enumerate(everything)}
    with Replay(replies) as server, ThreadPoolExecutor(2) as pool:
        running: dict[Sdk, Future[list[tuple[Case, Parsed]]]] = {
            sdk: pool.submit(_driven, sdk, server.url, everything) for sdk in SDKS if sdk.ready
        }

        def of(sdk: Sdk) -> list[tuple[Case, Parsed]]:
            if sdk not in running:
                pytest.skip(f"{sdk} is not here: run `python tests/sdks/install.py`")
            return running[sdk].result()

        yield of


def _driven(sdk: Sdk, url: str, everything: list[Case]) -> list[tuple[Case, Parsed]]:
    wanted = {f"case-{at}": case for at, case in enumerate(everything) if case.dialect in SPOKEN[sdk.package]}
    asked = [
        json.dumps({"case": name, "dialect": case.dialect, "way": case.way, "strict": case.translated})
        for name, case in wanted.items()
    ]
    done = _run([str(sdk.python), str(Path(__file__).with_name(sdk.driver)), url], "\n".join(asked))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(asked), f"{sdk} stopped after {len(lines)} of {len(asked)}:\n{done.stderr[-3000:]}"
    return [(wanted[line["case"]], line) for line in lines]


def _run(command: list[str], asked: str) -> subprocess.CompletedProcess[str]:
    """Run an SDK's driver. A machine short of something may refuse to start a program; it is asked three times."""
    for pause in (1, 5):
        with contextlib.suppress(OSError):
            return subprocess.run(command, input=asked, capture_output=True, text=True, timeout=280, check=False)
        time.sleep(pause)
    return subprocess.run(command, input=asked, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.timeout(300)  # the first one waits for its SDK to get through all cases
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("sdk", "dialect"),
    [pytest.param(sdk, dialect, id=f"{sdk}-{dialect}") for sdk in SDKS for dialect in SPOKEN[sdk.package]],
)
def test_an_official_sdk_reads_what_we_write(
    sdk: Sdk,
    dialect: str,
    kind: str,
    parsed: Callable[[Sdk], list[tuple[Case, Parsed]]],
    record_property: Callable[[str, object], None],
) -> None:
    mine = [(case, line) for case, line in parsed(sdk) if (case.dialect, case.kind) == (dialect, kind)]
    assert len(mine) > 10
    wrong = [f"{case.name}: {told}" for case, line in mine if (told := _difference(sdk, case, line))]
    record_property("sdk", (f"{sdk.package} {sdk.version}", dialect, kind, len(mine) - len(wrong), len(mine)))
    assert not wrong, f"{len(wrong)} of {len(mine)}:\n" + "\n".join(wrong)


def _difference(sdk: Sdk, case: Case, line: Parsed) -> str:
    """Return what the SDK made of *case* that it should not have; "" if all is well."""
    if case.error is None:
        if line["raised"]:
            return f"raised {line['raised'][0]}: {line['message'][:600]}"
        got, wanted = _heard(case, line), _meant(case.meaning)
        return "" if got == wanted else f"\n  parsed  {got}\n  expected {wanted}"
    if case.error.message not in line["message"].replace("\\\\", "\\").replace("\\'", "'").replace("\\n", "\n"):
        return f"lacks {case.error.message!r}: {line['raised'][:1]} {line['message'][:600]}"
    if (said := line["text"] + line["refusal"]) != case.before:
        return f"said {said!r} before, not {case.before!r}"
    if case.reply.status != 200 and line["status"] != case.reply.status:
        return f"the status is {line['status']}"
    if sdk.package != "google-genai" and case.reply.status != 200 and line["request_id"] != f"req_{line['case']}":
        return f"the request's id is {line['request_id']!r}"
    expected = _raised(sdk, case)
    return "" if expected in line["raised"] else f"raised {line['raised']}, not {expected}"


def _heard(case: Case, line: Parsed) -> Meaning:
    calls = tuple((known(identity), name, _arguments(text)) for identity, name, text in line["calls"])
    finish = FINISHED.get(line["finish"], line["finish"])
    if finish == "stop":
        finish = "tool_calls" if calls else "refused" if line["refusal"] else "stop"
    usage = line["usage"] or (0, 0, 0)
    if any(arguments == CUT for *_, arguments in _meant(case.meaning).calls):
        calls = tuple((identity, name, CUT) for identity, name, _ in calls)
    return Meaning(line["text"] + line["refusal"], line["reasoning"], calls, finish, tuple(usage))


def _meant(what: Meaning) -> Meaning:
    """Return *what* as it must be heard: refusals are text in some dialects, and usage is always told in others."""
    calls = tuple((identity, name, _arguments(text)) for identity, name, text in what.calls)
    return what._replace(text=what.text + what.refusal, refusal="", calls=calls, usage=what.usage or (0, 0, 0))


def _arguments(text: str) -> str:
    """Return arguments in one form; those that were cut off are what each SDK makes of them."""
    try:
        return json.dumps(json.loads(text or "{}"), sort_keys=True)
    except ValueError:
        return CUT


def _raised(sdk: Sdk, case: Case) -> str:
    """Return the class that the SDK's documentation names for this error."""
    assert case.error is not None
    if case.reply.status == 200:
        return {
            "openai_chat": "APIError", "openai_responses": "Failed", "anthropic_messages": "APIStatusError",
            "gemini": "ServerError" if case.error.status >= 500 else "ClientError",
        }[case.dialect]  # fmt: skip
    if sdk.package == "google-genai":
        return "ServerError" if case.reply.status >= 500 else "ClientError"
    if case.reply.status >= 500:
        return "InternalServerError"
    return RAISED.get(case.reply.status, "APIStatusError")
