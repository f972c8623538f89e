"""The file for secrets where there is no keyring: `secrets.json`, readable by its owner alone, and always announced."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from json import dumps, loads
from pathlib import Path

from mini_llm.config import files
from mini_llm.errors import ConfigError, CredentialError

NAME = "secrets.json"


class Vault:
    """The secrets file of one home folder."""

    def __init__(self, home: Path) -> None:
        self.file = home / NAME

    def get(self, name: str) -> tuple[str, str] | None:
        """Return a secret and the origin it is bound to."""
        with _as_credential_errors():
            entry = self._read().get(name)
        if entry is None:
            return None
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in ("secret", "origin")):
            raise CredentialError(f"{self.file} is damaged at {name}", hint=f"store the key of {name} again")
        return entry["secret"], entry["origin"]

    def put(self, name: str, secret: str, origin: str) -> None:
        """Store a secret."""
        self._change(lambda entries: {**entries, name: {"secret": secret, "origin": origin}})

    def drop(self, name: str) -> bool:
        """Delete an entry; say whether there was one."""
        with _as_credential_errors():
            if name not in self._read():
                return False
        self._change(lambda entries: {key: entry for key, entry in entries.items() if key != name})
        return True

    def _change(self, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
        with _as_credential_errors(), files.locked(self.file) as target:
            changed = change(self._read())
            files.write(target, (dumps(changed, indent=2) + "\n").encode())

    def _read(self) -> dict[str, object]:
        data = files.read(self.file)
        if data is None:
            return {}
        if files.exposed(self.file):
            with suppress(OSError):
                self.file.chmod(0o600)
        try:
            entries = loads(files.decode(data, self.file))
        except (ValueError, RecursionError):
            entries = None
        if not isinstance(entries, dict):
            raise ConfigError(f"{self.file} is damaged", hint="mend or move it; nothing in it was changed")
        return entries


class _as_credential_errors:  # noqa: N801  reads as a word in `with`
    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ConfigError):
            raise CredentialError(error.message, hint=error.hint) from error
