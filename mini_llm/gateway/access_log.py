"""One line of JSON for each request, and for what the package has to say: written by a thread, never a prompt or a key.

On a terminal, each request also shows as a short line for people.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import orjson

from mini_llm import pricing
from mini_llm.errors import ConfigError, MiniLLMError
from mini_llm.gateway.calls import Exchange
from mini_llm.gateway.log_file import LogFile

NAME = "gateway.log"
FLUSH_SECONDS = 0.2
LONGEST = 500  # characters of one text
LONGEST_TRACE = 20_000
MOST_WAITING = 50_000
MOST_UNWRITTEN = 16 * 1024 * 1024
LOGGERS = ("mini_llm", "asyncio", "opentelemetry")

_Redact = Callable[[str], str]


class AccessLog:
    """An observer of exchanges. Lines wait in memory while the disk is full; `trouble` says so."""

    def __init__(self, path: Path, redact: _Redact, *, screen: TextIO | None = None, limit: int | None = None) -> None:
        self._file = LogFile(path) if limit is None else LogFile(path, limit=limit)
        self._texts = _Texts(redact)
        self._screen = screen if screen is not None and screen.isatty() else None
        self._waiting: deque[Exchange | _Note] = deque()
        self._unwritten = b""
        self._lost = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._handler = _Handler(self._note)
        self._levels: list[tuple[logging.Logger, int]] = []
        self.trouble = ""

    def __call__(self, exchange: Exchange) -> None:
        """Note an exchange that has ended; it is written a moment later."""
        self._note(exchange)

    def start(self, *, level: int | None = None) -> None:
        """Begin to write. With *level*, what the package logs goes here too, from that level on."""
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
        self._thread.start()
        if level is None:
            return
        for name in LOGGERS:
            logger = logging.getLogger(name)
            self._levels.append((logger, logger.level))
            logger.addHandler(self._handler)
            logger.setLevel(level if name == "mini_llm" else logging.WARNING)

    def close(self) -> None:
        """Write what waits, then stop."""
        for logger, level in self._levels:
            logger.removeHandler(self._handler)
            logger.setLevel(level)
        self._levels.clear()
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._file.close()

    def _note(self, item: Exchange | _Note) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._lost += 1
        else:
            self._waiting.append(item)

    def _run(self) -> None:
        ended = False
        while not ended:
            ended = self._ended.wait(FLUSH_SECONDS)
            try:
                self._flush()
            except Exception as error:  # a log must not end the process it tells of
                self.trouble = f"the log can't be written: {type(error).__name__}"

    def _flush(self) -> None:
        """Write all that waits."""
        items = [self._waiting.popleft() for _ in range(len(self._waiting))]
        lines = [self._texts.line(item) for item in items]
        if self._lost:
            lost, self._lost = self._lost, 0
            lines.append(self._texts.line(_Note(time.time(), logging.ERROR, __name__, f"{lost} lines were lost")))
        if self._screen is not None and items:
            self._show(items)
        self._texts.forget()
        data = self._unwritten + b"".join(lines)
        if not data:
            return
        try:
            self._unwritten = data[self._file.write(data) :]
            self.trouble = "the disk takes no more of the log" if self._unwritten else ""
        except (OSError, ConfigError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.message
            self._unwritten, self.trouble = data, f"the log can't be written: {reason}"
        if len(self._unwritten) > MOST_UNWRITTEN:
            self._lost += self._unwritten.count(b"\n")
            self._unwritten = b""

    def _show(self, items: Sequence[Exchange | _Note]) -> None:
        assert self._screen is not None
        try:
            self._screen.write("".join(self._texts.shown(item) for item in items))
            self._screen.flush()
        except (OSError, ValueError):  # the terminal has gone
            self._screen = None


class _Note:
    """Something that was logged."""

    __slots__ = ("level", "logger", "text", "time", "trace")

    def __init__(self, moment: float, level: int, logger: str, text: str, trace: str = "") -> None:
        self.time = moment
        self.level = level
        self.logger = logger
        self.text = text
        self.trace = trace


class _Handler(logging.Handler):
    """Takes what is logged, without what an exception quotes: that may be a part of a prompt."""

    def __init__(self, note: Callable[[_Note], None]) -> None:
        super().__init__()
        self._take = note

    def emit(self, record: logging.LogRecord) -> None:
        """Note *record*."""
        error = record.exc_info[1] if record.exc_info else None
        trace = trace_of(error) if error is not None else ""
        self._take(_Note(record.created, record.levelno, record.name, text_of(record), trace))


def text_of(record: logging.LogRecord) -> str:
    """Return what was logged; of asyncio the first line alone: below, it shows tasks with the values they hold."""
    text = record.getMessage()
    return text.partition("\n")[0] if record.name == "asyncio" else text


def trace_of(error: BaseException) -> str:
    """Return where *error* and what led to it arose, and what they are: types, not words, which may quote a prompt."""
    told: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(told) < 10:
        frames = "".join(f"  {f.filename}:{f.lineno} {f.name}\n" for f in traceback.extract_tb(cause.__traceback__))
        kind = type(cause).__name__
        if isinstance(cause, MiniLLMError):
            kind = f"{kind}: {cause.code}"
        elif isinstance(cause, OSError) and cause.strerror:
            kind = f"{kind}: {cause.strerror}"
        told.append(frames + kind)
        cause = cause.__cause__ or cause.__context__
    return "\nafter\n".join(told)


class _Texts:
    """Write items as lines. A text that comes again in one batch is redacted once."""

    def __init__(self, redact: _Redact) -> None:
        self._redact = redact
        self._known: dict[str, str] = {}
        self._common: dict[tuple[str, ...], str] = {}
        self._second, self._written = -1, ""

    def forget(self) -> None:
        """Forget what was redacted: new secrets may have been learned."""
        self._known.clear()
        self._common.clear()

    def line(self, item: Exchange | _Note) -> bytes:
        """Return *item* as a line of JSON."""
        return self._request(item) if isinstance(item, Exchange) else self._noted(item)

    def shown(self, item: Exchange | _Note) -> str:
        """Return *item* as a line for people."""
        if isinstance(item, _Note):
            return f"{_clock(item.time)} {logging.getLevelName(item.level).lower()}: {self._clean(item.text)}\n"
        clean = self._clean
        target = f" → {clean(item.provider)}/{clean(item.target)}" if item.provider else ""
        asked = clean(item.model) or f"{clean(item.method)} {clean(item.path)}"
        words = [_clock(item.started + item.seconds), str(item.status or "-"), asked + target, f"{item.seconds:.2f} s"]
        if item.usage is not None:
            words.append(f"{item.usage.input_tokens} in, {item.usage.output_tokens} out")
        if item.cost_nanos:
            words.append(pricing.dollars(item.cost_nanos))
        if item.attempts > 1:
            words.append(f"{item.attempts} attempts")
        if item.outcome != "ok":
            words.append(clean(item.outcome))
        return "  ".join(words) + "\n"

    def _request(self, exchange: Exchange) -> bytes:
        """Return a request's line. What many requests have in common is written once: a third of the time."""
        same = (
            exchange.peer, exchange.caller, exchange.tool, exchange.method, exchange.path, exchange.dialect,
            exchange.model, exchange.provider, exchange.target, exchange.outcome,
        )  # fmt: skip
        common = self._common.get(same)
        if common is None:
            names = ("peer", "caller", "tool", "method", "path", "dialect", "model", "provider", "target", "outcome")
            told = {name: self._clean(text) for name, text in zip(names, same, strict=True)}
            common = self._common[same] = orjson.dumps(told)[1:-1].decode()
        usage, cost = exchange.usage, exchange.cost_nanos
        client_id = orjson.dumps(self._clean(exchange.client_id)).decode() if exchange.client_id else '""'
        return (
            f'{{"time":"{self._stamp(exchange.started + exchange.seconds)}","event":"request","id":"{exchange.id}",'
            f'"client_id":{client_id},{common},"stream":{"true" if exchange.stream else "false"},'
            f'"attempts":{exchange.attempts},"status":{exchange.status},'
            f'"input_tokens":{"null" if usage is None else usage.input_tokens},'
            f'"output_tokens":{"null" if usage is None else usage.output_tokens},'
            f'"cost_nanos":{"null" if cost is None else cost},'
            f'"first_content":{_number(exchange.first_content)},"overhead":{_number(exchange.overhead)},'
            f'"seconds":{exchange.seconds:.6f},'
            f'"request_bytes":{exchange.request_bytes},"sent_bytes":{exchange.sent_bytes}}}\n'
        ).encode()

    def _noted(self, note: _Note) -> bytes:
        told = {
            "time": self._stamp(note.time),
            "event": "log",
            "level": logging.getLevelName(note.level).lower(),
            "logger": note.logger,
            "message": self._clean(note.text, LONGEST_TRACE),
        }
        if note.trace:
            told["trace"] = self._clean(note.trace, LONGEST_TRACE)
        return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)

    def _stamp(self, moment: float) -> str:
        second = int(moment)
        if second != self._second:
            self._second, self._written = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._written}.{int((moment - second) * 1000):03d}Z"

    def _clean(self, text: str, most: int = LONGEST) -> str:
        """Return *text* without secrets, and without what would drive a terminal; not too long."""
        if not text:
            return ""
        known = self._known.get(text)
        if known is None:
            known = self._redact(text)
            if not known.isprintable():
                known = "".join(c if c.isprintable() or (c == "\n" and most > LONGEST) else "\ufffd" for c in known)
            known = known if len(known) <= most else f"{known[:most]}…"
            self._known[text] = known
        return known


def _number(seconds: float | None) -> str:
    return "null" if seconds is None else f"{seconds:.6f}"


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
