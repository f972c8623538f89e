"""The system's own safe for secrets, through `keyring`: only backends we know, never for longer than 3 s."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from json import dumps, loads
from typing import Any, TypeVar

from mini_llm.errors import CredentialError

SERVICE = "mini-llm"

# Windows keeps at most 1,280 UTF-16 characters an entry (https://github.com/jaraco/keyring/issues/763).
LONGEST = 1200

# Everything else may be a file in the clear, or nothing at all.
KNOWN = frozenset(
    {
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.libsecret.Keyring",
        "keyring.backends.kwallet.DBusKeyring",
        "keyring.backends.kwallet.DBusKeyringKWallet4",
        "keyring.backends.kwallet.DBusKeyringKWallet6",
        "keyring.backends.macOS.Keyring",
        "keyring.backends.Windows.WinVaultKeyring",
    }
)

_Result = TypeVar("_Result")


class SafeError(Exception):
    """The system's keyring can't be used; the text says why."""


class Safe:
    """The keyring of this user. One that hung is not asked again."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        profile: str = "",
        open: Callable[[], Any] | None = None,
        seconds: float = 3.0,
    ) -> None:
        self._environ = environ
        self._service = f"{SERVICE}/{profile}" if profile else SERVICE
        self._open = open or _system
        self._seconds = seconds
        self._backend: Any = None
        self._broken = ""

    def get(self, name: str) -> tuple[str, str] | None:
        """Return a secret and the origin it is bound to."""
        entry = self._call(lambda backend: backend.get_password(self._service, name))
        if entry is None:
            return None
        try:
            told = loads(entry)
            secret, origin = told["secret"], told["origin"]
        except (ValueError, TypeError, KeyError, RecursionError):
            secret = origin = None
        if not isinstance(secret, str) or not isinstance(origin, str):
            raise CredentialError(f"the keyring's entry for {name} is not ours", hint=f"store the key of {name} again")
        return secret, origin

    def put(self, name: str, secret: str, origin: str) -> None:
        """Store a secret and read it back; SafeError if it did not arrive."""
        entry = dumps({"secret": secret, "origin": origin})
        if len(entry) > LONGEST:
            raise SafeError(f"the key is too long for it ({len(entry)} characters of {LONGEST})")
        self._call(lambda backend: backend.set_password(self._service, name, entry))
        if self._call(lambda backend: backend.get_password(self._service, name)) != entry:
            self.drop(name)
            raise SafeError("it did not keep what was stored")

    def drop(self, name: str) -> bool:
        """Delete an entry; say whether there was one."""

        def delete(backend: Any) -> bool:
            if backend.get_password(self._service, name) is None:
                return False
            backend.delete_password(self._service, name)
            return True

        return self._call(delete)

    def probe(self) -> str:
        """Store an entry of the largest size, read it, delete it; return the backend's name."""
        name, origin = f"probe-{os.getpid()}", "https://probe.invalid"
        room = LONGEST - len(dumps({"secret": "", "origin": origin}))
        self.put(name, "0" * room, origin)
        self.drop(name)
        return _name(self._ready()).removeprefix("keyring.backends.")

    def _call(self, use: Callable[[Any], _Result]) -> _Result:
        if self._broken:
            raise SafeError(self._broken)
        try:
            return within(self._seconds, lambda: use(self._ready()))
        except SafeError:
            raise
        except TimeoutError:
            self._broken = f"it did not answer within {self._seconds:g} s"
            raise SafeError(self._broken) from None
        except Exception as error:  # whatever a backend raises: D-Bus, ctypes, its own errors
            # Not its text, which may hold what was to be stored.
            raise SafeError(f"it failed with {type(error).__name__}") from None

    def _ready(self) -> Any:
        if self._backend is None:
            if sys.platform.startswith("linux") and not self._environ.get("DBUS_SESSION_BUS_ADDRESS"):
                raise SafeError("there is no session bus here")
            self._backend = _allowed(self._open())
        return self._backend


def within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """Do some work in a thread of its own; TimeoutError, and it is left behind, if that takes too long."""
    from threading import Thread  # only where a keyring is asked

    results: list[_Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # carried over to the caller's thread
            failures.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if not results:
        raise TimeoutError
    return results[0]


def _system() -> Any:
    import keyring  # 110 ms, and most keys come from the environment

    return keyring.get_keyring()


def _allowed(backend: Any) -> Any:
    """Return the backend, or the first good one of a chain."""
    name = _name(backend)
    choices = backend.backends if name == "keyring.backends.chainer.ChainerBackend" else [backend]
    for choice in choices:
        if _name(choice) in KNOWN:
            return choice
    raise SafeError(f"{name} is no safe place for a secret")


def _name(backend: Any) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"
