"""Errors as the control API tells them: each problem with its place, if it has one."""

from __future__ import annotations

import re
from typing import Any

from mini_llm.errors import ConfigError, MiniLLMError

_IN_FILE = re.compile(r"(?P<file>.+?):(?P<line>\d+)(?::(?P<column>\d+))?: (?P<what>.*)", re.DOTALL)
_AT_SETTING = re.compile(r"(?P<setting>[\w.\"*-]+): (?P<what>.*)", re.DOTALL)


def described(error: MiniLLMError) -> dict[str, Any]:
    """Return *error* as plain JSON values; the keys are stable."""
    problems = [problem(one) for one in error.problems] if isinstance(error, ConfigError) else []
    return {"code": error.code, "message": error.message, "hint": error.hint, "problems": problems}


def problem(told: str) -> dict[str, Any]:
    """Take apart what `config` tells in one line: `file:line:column: what`, or `setting: what`."""
    found = {"file": "", "line": None, "column": None, "setting": "", "what": told}
    if place := _IN_FILE.fullmatch(told):
        line, column = int(place["line"]), place["column"]
        return {**found, "file": place["file"], "line": line, "column": column and int(column), "what": place["what"]}
    if place := _AT_SETTING.fullmatch(told):
        return {**found, "setting": place["setting"], "what": place["what"]}
    return found
