"""The command reference and the man page, written from the very texts that `--help` shows. Pure: text out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Rows = tuple[tuple[str, str], ...]

INTRODUCTION = """\
# Commands

What `mini-llm COMMAND --help` says, on one page. Made by `python scripts/reference.py`; do not edit it by hand.

Data goes to stdout, talk to stderr. Every command that lists has `--json` beside its table. Nothing is asked where
nobody sits: a missing answer is an error that names the flag to use.
"""
ENVIRONMENT: Rows = (
    ("MINI_LLM_HOME", "The folder with settings, data, cache and logs, instead of ~/.mini-llm and the system's own"),
    ("MINI_LLM_CONFIG", "The config file"),
    ("MINI_LLM_PROFILE", "The profile, as --profile"),
    ("MINI_LLM_...", "Any setting: MINI_LLM_GATEWAY_PORT is gateway.port"),
    ("OPENAI_API_KEY, ANTHROPIC_API_KEY, ...", "A key in the environment makes its provider available"),
    ("HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE", "The way out, and whom to trust besides the system's certificates"),
    ("NO_COLOR, CLICOLOR_FORCE", "No colour; colour also in a pipe"),
    ("VISUAL, EDITOR", "What `mini-llm config edit` opens"),
)
FILES: Rows = (
    ("~/.mini-llm/config.json", "The settings; `mini-llm config path` tells where they are here"),
    ("mini-llm.config.json", "Settings of a project, from the working folder upwards; see `mini-llm config trust`"),
)


class Entry(NamedTuple):
    """One command: its words, the call in one line, what it does, and what may follow it."""

    path: str
    usage: str
    about: str
    arguments: Rows
    options: Rows
    below: Rows
    end: str


def entries() -> tuple[Entry, ...]:
    """Return every command, each before what is below it. Imports them all."""
    import typer

    from mini_llm.cli import COMMANDS, command

    group = command()
    return tuple(_entries(group, typer.Context(group, info_name="mini-llm"), "mini-llm", COMMANDS))


def markdown() -> str:
    """Return the page of the documentation."""
    root, *commands = entries()
    lines = [INTRODUCTION, "## Options that work with every command\n", *_table("option", root.options)]
    lines += ["", "## Exit codes\n", _exits(root), ""]
    lines += ["## The commands\n", *_table("command", root.below)]
    for entry in commands:
        lines += [f"\n{'##' if entry.path.count(' ') == 1 else '###'} {entry.path}\n", f"{entry.about}\n"]
        lines += [f"    {entry.usage}\n"]
        lines += [*_table("argument", entry.arguments), ""] if entry.arguments else []
        lines += [*_table("option", entry.options), ""] if entry.options else []
        lines += [_code(entry.end)] if entry.end else []
    return "\n".join(line.rstrip() if "\n" not in line else line for line in lines).rstrip() + "\n"


def man() -> str:
    """Return the manual page in roff."""
    root, *commands = entries()
    lines = ['.TH MINI-LLM 1 "" "mini-llm" "User Commands"', ".SH NAME", _roff(f"mini-llm - {_short(root.about)}")]
    lines += [".SH SYNOPSIS", ".B mini-llm", r"[\fIOPTION\fR]... \fICOMMAND\fR [\fIARGUMENT\fR]..."]
    lines += [".SH DESCRIPTION", _roff(root.about), ".SH OPTIONS", *_items(root.options), ".SH COMMANDS"]
    for entry in commands:
        lines += [f".SS {_roff(entry.usage)}", *_paragraphs(entry.about)]
        lines += [*_items((*entry.arguments, *entry.options))]
        lines += [".PP", *_verbatim(entry.end)] if entry.end else []
    lines += [".SH EXIT STATUS", *_verbatim(_exits(root)), ".SH ENVIRONMENT", *_items(ENVIRONMENT)]
    return "\n".join([*lines, ".SH FILES", *_items(FILES)]) + "\n"


def _entries(command: Any, ctx: Any, path: str, known: Any = None) -> Iterator[Entry]:
    import typer

    names = command.list_commands(ctx) if hasattr(command, "list_commands") else []
    found = {name: command.get_command(ctx, name) for name in names}
    below = tuple((name, (known or {}).get(name) or _short(child.help or "")) for name, child in found.items())
    records: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and "--help" not in record[0]:
            records[param.param_type_name].append((record[0], record[1].removesuffix("[required]").rstrip()))
    usage = " ".join([path, *command.collect_usage_pieces(ctx)])
    about = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    end = command.epilog or ""
    yield Entry(path, usage, about, tuple(records["argument"]), tuple(records["option"]), below, end)
    for name, child in found.items():
        yield from _entries(child, typer.Context(child, info_name=name, parent=ctx), f"{path} {name}")


def _short(text: str) -> str:
    return text.partition("\n")[0].rstrip(".")


def _exits(root: Entry) -> str:
    """Return the exit codes, one a line."""
    said = " · ".join(line.strip() for line in root.end.splitlines()[1:])
    return "\n".join(f"    {code.strip()}" for code in said.split(" · "))


def _table(what: str, rows: Rows) -> list[str]:
    return [f"| {what} | |", "| --- | --- |", *(f"| `{_cell(name)}` | {_cell(told)} |" for name, told in rows)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(end: str) -> str:
    """Return examples as a block to copy."""
    first, *rest = end.splitlines()
    return "\n".join([first, "", *(f"    {line.strip()}" for line in rest)])


def _items(rows: Rows) -> list[str]:
    return [line for name, told in rows for line in (".TP", rf"\fB{_roff(name)}\fR", _roff(told))]


def _paragraphs(text: str) -> list[str]:
    return [line for part in text.split("\n\n") for line in (_roff(part), ".PP")][:-1]


def _verbatim(text: str) -> list[str]:
    return [".nf", *map(_roff, text.splitlines()), ".fi"]


def _roff(text: str) -> str:
    """Return *text* so that nothing in it is a command of roff's."""
    told = text.replace("\\", r"\e").replace("-", r"\-").replace("...", r".\|.\|.")
    told = "".join(sign if sign.isascii() else rf"\[u{ord(sign):04X}]" for sign in told)
    return rf"\&{told}" if told.startswith((".", "'")) else told
