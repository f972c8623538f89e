"""What installed packages add: provider files, dialects, strategies, a command, a hook on the ledger's rows.

A package offers a `Plugin` as an entry point in the group `mini_llm`. Nothing of it is imported unless the user's own
config names it in `plugins`; each part is imported when it is first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from mini_llm.errors import ConfigError, MiniLLMError
from mini_llm.plugins import finding

__all__ = ["Kind", "Plugin", "PluginError", "command", "hook", "part", "provider_files", "told"]

Kind = Literal["dialects", "strategies"]
LONGEST_REASON = 300


class PluginError(ConfigError):
    """A plugin is missing, broken, or does what it may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """What one package adds. Whatever is left out it does not add; docs/plugins.md shows an example of each.

    `providers` is a folder of provider files, NAME.toml. The others are references, `package.module` or
    `package.module:name`: `dialects` to modules that have what `mini_llm.dialects.TargetDialect` says, `strategies` to
    functions that order `mini_llm.routing.added.Candidate`s, `command` to a function of the arguments that returns an
    exit code, `on_row` to a function that takes a `mini_llm.ledger.Entry`.
    """

    providers: Path | None = None
    dialects: Mapping[str, str] = field(default_factory=dict)
    strategies: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    on_row: str = ""


def provider_files(name: str) -> Mapping[str, Path]:
    """Return the provider files of the plugin *name*, by provider. Raises PluginError."""
    folder = _declared(name).providers
    if folder is None:
        return {}
    try:
        return {path.stem: path for path in sorted(Path(folder).iterdir()) if path.suffix == ".toml"}
    except (OSError, TypeError) as error:
        raise broken(name, f"its folder of providers can't be read: {told(error)}") from error


def part(kind: Kind, reference: str, named: Sequence[str]) -> Any:
    """Import what *reference*, `PLUGIN:NAME`, stands for. Raises PluginError, also if PLUGIN is not *named*."""
    name, _, wanted = reference.partition(":")
    if name not in named:
        raise PluginError(
            f"{reference} needs the plugin {name}, which is not switched on",
            hint=f"run `mini-llm config set plugins {','.join([*named, name])}`",
        )
    offered = getattr(_declared(name), kind)
    if wanted not in offered:
        what = ", ".join(offered) or "none"
        raise broken(name, f"it has no {wanted} among its {kind} ({what})")
    return _imported(name, offered[wanted])


def command(name: str) -> Callable[[Sequence[str]], int | None] | None:
    """Import the command of the plugin *name*, None if it has none. Raises PluginError."""
    return _function(name, _declared(name).command)


def hook(name: str) -> Callable[[Any], object] | None:
    """Import what the plugin *name* wants to do with rows, None if nothing. Raises PluginError."""
    return _function(name, _declared(name).on_row)


def broken(name: str, why: str) -> PluginError:
    """Return the error that says why a plugin can't be used, and how to do without it."""
    return PluginError(
        f"plugin {name} can't be used: {why}",
        hint="install or mend it, or do without: `mini-llm config set plugins '[]'`, or the names of the others in it",
    )


def told(error: BaseException) -> str:
    """Return what went wrong in somebody else's code, in one line."""
    if isinstance(error, MiniLLMError):
        return error.message
    try:
        said = " ".join(str(error).split())
    except Exception:  # even that is their code
        said = ""
    kind = type(error).__name__
    return f"{kind}: {said[:LONGEST_REASON]}" if said else kind


def _function(name: str, reference: str) -> Callable[[Any], Any] | None:
    found = _imported(name, reference) if reference else None
    if found is not None and not callable(found):
        raise broken(name, f"{reference} is no function")
    return found


@lru_cache(maxsize=64)
def _declared(name: str) -> Plugin:
    """Return what the package says that it adds."""
    try:
        reference = finding.reference(name)
    except LookupError as error:
        raise broken(name, str(error.args[0])) from None
    found = _imported(name, reference)
    if not isinstance(found, Plugin):
        raise broken(name, f"{reference} is no mini_llm.plugins.Plugin")
    tables = (found.dialects, found.strategies)
    if not all(isinstance(table, Mapping) for table in tables):
        raise broken(name, "its dialects and strategies must be mappings of names to references")
    references = [found.command, found.on_row, *(value for table in tables for value in table.values())]
    if not all(isinstance(value, str) for value in references):
        raise broken(name, "a reference must be text: package.module:name")
    return found


@lru_cache(maxsize=256)
def _imported(name: str, reference: str) -> Any:
    """Import `package.module` or `package.module:name`, unless that lies in the working folder."""
    try:
        return finding.imported(reference)
    except LookupError as error:
        raise broken(name, str(error.args[0])) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may even call sys.exit
        raise broken(name, f"{reference} can't be imported: {told(error)}") from error
