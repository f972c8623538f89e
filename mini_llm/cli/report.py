"""How an error reaches a person: what happened, what to run next, and the exit code. The one place that tells."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from mini_llm.cli import output
from mini_llm.errors import ConfigError, MiniLLMError, NoProviderError, UpstreamError

if TYPE_CHECKING:
    from mini_llm.cli.flags import Flags

REPORT = "https://passy.ai/docs"
INTERRUPTED = 130


def report(error: BaseException, flags: Flags) -> int:
    """Tell *error* on stderr and return the exit code it stands for."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return INTERRUPTED
    if flags.verbose:
        _trace(error, flags)
    told, code = _words(error)
    output.talk(flags.redact("\n".join(told)))
    return code


def _words(error: BaseException) -> tuple[list[str], int]:
    if isinstance(error, NoProviderError):
        return [error.message, "", error.hint], error.exit_code
    if isinstance(error, ConfigError) and error.problems:
        return _listed(error), error.exit_code
    if isinstance(error, MiniLLMError):
        return [f"error: {_with_provider(error)}", *_hint(error.hint)], error.exit_code
    if hasattr(error, "format_message"):  # the framework's own usage errors
        return _usage(error), 2
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return [f"error: this is a bug in mini-llm: {what}", *_hint(f"report it, with what `--verbose` adds: {REPORT}")], 1


def _with_provider(error: MiniLLMError) -> str:
    """Return the message; one in a provider's own words says whose they are."""
    provider = getattr(error, "provider", "")
    if not isinstance(error, UpstreamError) or not provider or provider in error.message:
        return error.message
    said = f" answered {error.upstream_status}" if error.upstream_status else ""
    return f"{provider}{said}: {error.message}"


def _hint(hint: str) -> list[str]:
    first, *rest = hint.split("\n")
    return [f"hint: {first}", *(f"      {line}" if line else "" for line in rest)] if hint else []


def _listed(error: ConfigError) -> list[str]:
    if len(error.problems) == 1:
        return [f"error: {error.problems[0]}", *_hint(error.hint)]
    return [f"error: {error.message}", *(f"  {problem}" for problem in error.problems), *_hint(error.hint)]


def _usage(error: BaseException) -> list[str]:
    message = getattr(error, "format_message")().rstrip(".")  # noqa: B009 -- typer does not export the class
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx else "mini-llm"
    return [f"error: {message[:1].lower()}{message[1:]}", *_hint(f"`{path} --help` shows how")]


def _trace(error: BaseException, flags: Flags) -> None:
    from traceback import format_exception

    text = "".join(format_exception(error)).rstrip()
    output.talk(flags.redact(text))
    sys.stderr.flush()
