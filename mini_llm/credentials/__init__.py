"""Find, store and forget secrets. A secret is bound to one origin and shows itself to no other.

A reference says where a secret is: `${NAME}` or `env:NAME`, `keyring:NAME`, `file:PATH`, `cmd:PROGRAM ARGUMENT …`,
`wallet:LOGIN` for a token that runs out and is renewed; any other text is the key itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

from mini_llm.config import Paths, files, origin_of
from mini_llm.credentials import sources
from mini_llm.credentials.redactor import Redactor
from mini_llm.credentials.safe import LONGEST, Safe, SafeError
from mini_llm.credentials.vault import NAME as VAULT
from mini_llm.credentials.vault import Vault
from mini_llm.errors import CredentialError, UsageError

__all__ = ["Credentials", "Redactor", "Renews", "Secret", "Stored", "origin_of"]

WALLET = "wallet:"
LOGIN = "passy"  # how the names of the wallet's secrets begin

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:/+-]{0,127}")
_KEY = re.compile(r"[!-~]+")
_UNKNOWN: tuple[None, None] = (None, None)
_HEADER_TEXT = re.compile(r"[ -~]*")


class Secret:
    """A value for one origin. Neither `repr` nor `str` shows it, and it can't be pickled."""

    __slots__ = ("_value", "origin", "reference")

    def __init__(self, value: str, *, origin: str, reference: str) -> None:
        self._value = value
        self.origin = origin
        self.reference = reference

    def reveal(self, origin: str) -> str:
        """Return the value for its own origin; CredentialError for any other."""
        if origin != self.origin and origin_of(origin) != self.origin:
            raise CredentialError(f"a key for {self.origin} is not sent to {origin_of(origin)}")
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference!r}, origin={self.origin!r})"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class Stored(NamedTuple):
    """Where a secret went: the reference for the config, the place for people, and what they must be told."""

    reference: str
    where: str
    announced: str = ""


class Renews(Protocol):
    """Who gives tokens that run out, by the name of their login (`mini_llm.wallet.renewal`)."""

    def find(self, name: str) -> tuple[str, str]:
        """Return the token to use now, and the origin it is for; may wait for the network."""

    def stamp(self, name: str) -> object:
        """Return what stays the same while the token that was found last is the one to use."""

    def refused(self, name: str) -> None:
        """Note that the token found last is worth nothing any more."""


class Credentials:
    """The secrets of one process, and the redactor that knows them all."""

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        paths: Paths,
        keyring: Callable[[], Any] | None = None,
        seconds: float = 3.0,
        renews: Callable[[Credentials], Renews] | None = None,
    ) -> None:
        self._environ = environ
        self._paths = paths
        self._open_renews = renews
        self._renews: Renews | None = None
        self._safe = Safe(environ, profile=paths.profile, open=keyring, seconds=seconds)
        self._vault = Vault(paths.home)
        self._redactor = Redactor()
        self._found: dict[str, tuple[str, str]] = {}
        self._secrets: dict[str, tuple[Secret, object]] = {}
        self._notices: dict[str, None] = {}

    @property
    def notices(self) -> tuple[str, ...]:
        """One line for each thing the user should know, such as a key file that others can read."""
        return tuple(self._notices)

    def find(self, reference: str, *, origin: str) -> Secret:
        """Return the secret for *origin*; CredentialError if it is missing, malformed or bound to another origin."""
        origin = origin_of(origin)
        stamp = self._stamp(reference)
        value, bound = self._look_up(reference)
        if reference.startswith(WALLET):
            stamp = self._stamp(reference)  # only now is it known how long the token is good
        self._redactor.learn(value)
        if not _KEY.fullmatch(value):
            what = "is empty" if not value else "holds a blank, a line break or a character no key has"
            raise CredentialError(f"the key from {self.describe(reference)} {what}")
        if bound and bound != origin:
            raise CredentialError(
                f"the key from {self.describe(reference)} was stored for {bound} and is not sent to {origin}",
                hint="store it again if that address is right: mini-llm login, or mini-llm providers add NAME --key",
            )
        secret = Secret(value, origin=origin, reference=_named(reference))
        self._secrets[reference] = (secret, stamp)
        return secret

    def known(self, reference: str, *, origin: str) -> Secret | None:
        """Return the secret that `find` found for *origin*, None if it must be found anew. Never waits for anything."""
        secret, stamp = self._secrets.get(reference, _UNKNOWN)
        if secret is None or stamp != self._stamp(reference):
            return None
        return secret if origin == secret.origin or origin_of(origin) == secret.origin else None

    def fill(self, text: str) -> str:
        """Return a header's value with every ${NAME} filled in; what was filled in is redacted from now on."""
        told = sources.VARIABLE.sub(self._fill_one, text)
        if not _HEADER_TEXT.fullmatch(told):
            names = ", ".join(sources.VARIABLE.findall(text)) or "the config"
            raise CredentialError(f"a header's text from {names} holds a line break or a character no header has")
        return told

    def store(
        self, name: str, value: str, *, origin: str, insecure: bool = False, require_keyring: bool = False
    ) -> Stored:
        """Keep a secret: in the system's keyring, else in a file of its own, which `announced` tells.

        `insecure` chooses the file; with `require_keyring` there is no file.
        """
        if insecure and require_keyring:
            raise UsageError("a key goes either to the keyring or to a file")
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} can't name a secret")
        self._redactor.learn(value)
        _check(value)
        origin = origin_of(origin)
        self._found.clear()
        self._secrets.clear()
        reason = "as asked"
        if not insecure:
            try:
                self._safe.put(name, value, origin)
            except SafeError as error:
                if require_keyring:
                    raise CredentialError(f"the system keyring can't be used: {error}") from None
                reason = f"the system keyring can't be used: {error}"
            else:
                self._vault.drop(name)  # an older copy in the clear must not stay behind
                return Stored(f"keyring:{name}", "the system keyring")
        self._vault.put(name, value, origin)
        where = str(self._vault.file)
        told = f"the key of {name} is stored in plain text, readable by you alone: {where} ({reason})"
        return Stored(f"file:{VAULT}#{name}", where, told)

    def probe_keyring(self) -> str:
        """Keep, read and delete an entry of the largest size in the system's keyring, and return the keyring's name.

        Raises CredentialError if that can't be done.
        """
        try:
            return self._safe.probe()
        except SafeError as error:
            raise CredentialError(f"the system keyring can't be used: {error}") from None

    def forget(self, reference: str) -> bool:
        """Delete a secret that `store` kept; say whether there was one. What is the user's own is left alone."""
        self._found.clear()
        self._secrets.clear()
        if name := self._vault_name(reference):
            return self._vault.drop(name)
        if reference.startswith("keyring:"):
            try:
                return self._safe.drop(reference.removeprefix("keyring:"))
            except SafeError as error:
                raise CredentialError(f"the system keyring can't be used: {error}") from None
        return False

    def refresh(self, reference: str) -> None:
        """Ask anew for a secret next time: a provider refused it, or it was edited."""
        if self._renews is not None and reference.startswith(WALLET):
            self._renews.refused(reference.removeprefix(WALLET))
        self._found.pop(reference, None)
        self._secrets.pop(reference, None)

    def hide(self, value: str) -> None:
        """Redact this value from now on, wherever it came from."""
        self._redactor.learn(value)

    def redact(self, text: str) -> str:
        """Return the text without any secret seen by this object, and without what looks like one."""
        return self._redactor.redact(text)

    def describe(self, reference: str) -> str:
        """Say where a reference leads, never the value: `environment OPENAI_API_KEY`, `keyring`, `file …`."""
        kind, separator, told = reference.partition(":")
        if not reference:
            return "nowhere"
        if found := sources.VARIABLE.fullmatch(reference):
            return f"environment {found[1]}"
        if separator and kind == "env":
            return f"environment {told}"
        if separator and kind == "keyring":
            return "keyring"
        if separator and kind == "file":
            return f"file {self._vault.file if self._vault_name(reference) else self._path(told)}"
        if reference.startswith(WALLET):
            return "login, renewed in time"
        if separator and kind == "cmd":
            return f"command {told.split()[0] if told.split() else ''}".rstrip()
        names = sources.VARIABLE.findall(reference)
        return f"environment {', '.join(names)}" if names else "config (plain)"

    def _look_up(self, reference: str) -> tuple[str, str]:
        """Return a value and the origin it was stored for, "" if it came without."""
        kind, separator, told = reference.partition(":")
        if separator and kind == "env":
            return sources.from_environment(told.strip(), self._environ), ""
        if separator and kind == "file":
            return self._from_file(reference, told)
        if separator and kind in ("keyring", "cmd"):
            if reference not in self._found:  # slow: asked once
                self._found[reference] = self._from_safe(told) if kind == "keyring" else (self._run(told), "")
            return self._found[reference]
        if reference.startswith(WALLET):
            return self._renewing().find(told)
        return sources.filled(reference.strip(), self._environ), ""

    def _renewing(self) -> Renews:
        if self._renews is None:
            if self._open_renews is None:
                raise CredentialError("tokens are not renewed here")
            self._renews = self._open_renews(self)
        return self._renews

    def _from_safe(self, name: str) -> tuple[str, str]:
        hint = _again(name)
        try:
            found = self._safe.get(name)
        except SafeError as error:
            raise CredentialError(f"the key of {name} is in the system keyring, but {error}", hint=hint) from None
        if found is None:
            raise CredentialError(f"the system keyring holds no key of {name}", hint=hint)
        return found

    def _from_file(self, reference: str, told: str) -> tuple[str, str]:
        if name := self._vault_name(reference):
            found = self._vault.get(name)
            if found is None:
                raise CredentialError(f"{self._vault.file} holds no key of {name}", hint=_again(name))
            return found
        path = self._path(told)
        value = sources.from_file(path)
        if files.exposed(path):
            self._notices[f"others can read the key file {path}: chmod 600 {path}"] = None
        return value, ""

    def _run(self, told: str) -> str:
        return sources.from_command(told, self._environ, self._paths.home)

    def _path(self, told: str) -> Path:
        return sources.path_of(told, self._paths, self._environ)

    def _stamp(self, reference: str) -> object:
        """Return what changes when the file or the variable behind *reference* does."""
        if reference[:2] == "${" and reference[-1:] == "}":
            return self._environ.get(reference[2:-1])
        if not reference.startswith("file:"):
            if reference.startswith(WALLET):
                return self._renewing().stamp(reference.removeprefix(WALLET))
            return object() if "${" in reference or reference.startswith("env:") else None
        try:
            path = self._vault.file if self._vault_name(reference) else self._path(reference.removeprefix("file:"))
            found = path.stat()
        except (OSError, CredentialError):
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _vault_name(self, reference: str) -> str:
        before, _, name = reference.partition("#")
        return name if before == f"file:{VAULT}" else ""

    def _fill_one(self, found: re.Match[str]) -> str:
        value = sources.from_environment(found[1], self._environ)
        self._redactor.learn(value)
        return value


def _again(name: str) -> str:
    """Say how to store a secret again that is not where it should be."""
    is_login = name.partition("/")[0] == LOGIN
    return "sign in again: mini-llm login" if is_login else f"store it again: mini-llm providers add {name} --key"


def _named(reference: str) -> str:
    """Return a reference that may be shown: a plain key is none."""
    named = reference.startswith(("env:", "keyring:", "file:", "cmd:", WALLET)) or sources.VARIABLE.fullmatch(reference)
    return reference if named else "config (plain)"


def _check(value: str) -> None:
    if not value:
        raise CredentialError("the key is empty")
    if not _KEY.fullmatch(value):
        raise CredentialError("the key holds a blank, a line break or a character no key has", hint="copy it once more")
    if len(value) > LONGEST:
        raise CredentialError(f"the key is too long: {len(value)} characters, at most {LONGEST}")
