"""The recordings, all of them: which of our code each is for, and the table of what came of it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from mini_llm import dialects
from tests.dialects import reading, targets

Recording = reading.Recording | targets.Recording

# The other wires. Those without a word can only be passed through; nothing is claimed of them but their errors.
BESIDE = {
    "anthropic-count-tokens": "", "bedrock-count-tokens": "", "bedrock-invoke": "", "cohere-embeddings": "",
    "cohere-v1": "", "gemini-count-tokens": "count", "gemini-embeddings": "vectors", "model-list": "models",
    "moderation": "", "ollama-embeddings": "", "ollama-generate": "", "openai-completions": "",
    "openai-count-tokens": "", "openai-embeddings": "vectors", "rerank": "",
}  # fmt: skip


SHORT = {"openai_chat": "chat", "openai_responses": "responses", "anthropic_messages": "anthropic"}


class Row(NamedTuple):
    """One recording. `chat` is how it is read if it is a conversation; `caller` the dialect in which callers ask so."""

    name: str
    wire: str
    status: int
    whole: dict[str, Any]
    chat: Recording | None = None
    caller: str = ""

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        found: dict[str, Any] = self.whole["response"]["body"]
        return found

    @property
    def raw(self) -> bytes:
        """The bytes of the answer."""
        response = self.whole["response"]
        return response["text"].encode() if "text" in response else json.dumps(response["body"]).encode()


def rows() -> list[Row]:
    """Return every recording; none where the folder is missing."""
    if not (reading.WIRE / "index.jsonl").exists():
        return []
    chats: dict[str, Recording] = {item.name: item for item in reading.recordings()}
    callers = {name: item.dialect for name, item in chats.items()}
    chats |= {item.name: item for item in targets.recordings()}
    found = []
    for line in (reading.WIRE / "index.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        name = entry["file"].removesuffix(".json")
        whole = json.loads((reading.WIRE / entry["file"]).read_text(encoding="utf-8"))
        chat, caller = chats.get(name) or _invoked(name, entry, whole), callers.get(name, "")
        found.append(Row(name, entry["dialect"], entry["status"], whole, chat, caller))
    return found


def _invoked(name: str, entry: dict[str, Any], whole: dict[str, Any]) -> Recording | None:
    """Return an answer of Bedrock's older way to call a model: its body is the model's own dialect."""
    if entry["dialect"] != "bedrock-invoke" or entry["status"] != 200 or "body" not in whole["response"]:
        return None
    if whole["response"]["body"].get("type") == "message":
        return reading.Recording(name, "anthropic_messages", 200, whole["request"]["body"], whole["response"])
    return targets.Recording(name, "bedrock_converse", 200, whole["request"], whole["response"])


def plain(recording: Recording) -> reading.Meaning:
    """Return what a recording says by the plain reader."""
    if isinstance(recording, targets.Recording):
        return targets.raw_meaning(recording)
    return reading.raw_meaning(recording)


class Cell(NamedTuple):
    """What came of one recording in one column: "passed", "refused" (a request whose target lacks the words for it),
    "unread" (it can only be passed through), or "failed"."""

    wire: str
    column: str
    verdict: str = "passed"


COLUMNS = ("read", *(f"{side} {name}" for side in ("to callers of", "to targets of") for name in dialects.NAMES))


def table(cells: Iterable[Cell]) -> list[str]:
    """Return the lines of the table: a wire a line, and in each column how many passed, + refused, of how many."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for cell in cells:
        counts[cell.wire, cell.column][cell.verdict] += 1
    wires = sorted({wire for wire, _ in counts}, key=lambda wire: (wire in BESIDE, -counts[wire, "read"].total(), wire))
    body = {wire: [counts[wire, column] for column in COLUMNS] for wire in wires}
    body["all"] = [sum((counts[wire, column] for wire in wires), Counter()) for column in COLUMNS]
    width = max(map(len, body))
    names = [SHORT.get(name, name) for name in dialects.NAMES]
    lines = [f"{'':{width}}  {'':>15}  {'answers, for callers of':^40}{'requests, for targets of (+ refused)':^40}"]
    lines.append(_line("recorded as", ["read", *names, *names], width))
    return lines + [_line(wire, map(_told, line), width) for wire, line in body.items()]


def _line(wire: str, cells: Iterable[str], width: int) -> str:
    read, *others = cells
    return f"{wire:{width}}  {read:<15}" + "".join(f"{cell:>10}" for cell in others)


def _told(count: Counter[str]) -> str:
    read = f"{count['passed'] or '-'}" + (f" of {count.total()}" if count["failed"] else "")
    refused = f"+{count['refused']}" if count["refused"] else ""
    if count["unread"]:
        return f"{read} ({count['unread']} unread)"
    return read + refused
