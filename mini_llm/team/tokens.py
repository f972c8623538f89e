"""Secrets that people and programs carry: 256 random bits each, of which the server keeps an HMAC only.

One master secret lies in the server's home. Every purpose has a key of its own, derived from it, so a token of one
kind says nothing to the verifier of another.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import sys
from pathlib import Path
from typing import Literal

from mini_llm.errors import ConfigError

Kind = Literal["key", "refresh", "device", "session", "invite"]

PREFIXES: dict[Kind, str] = {"key": "pk-", "refresh": "pr-", "device": "pd-", "session": "ps-", "invite": "pi-"}
SECRET_BYTES = 32
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words; nothing that looks like a digit
CODE_LETTERS = 8

_RANDOM_PART = re.compile(r"[A-Za-z0-9_-]{43}")
_BETWEEN = re.compile(r"[\s-]+")


class Tokens:
    """Makes tokens and what is stored of them."""

    def __init__(self, master: bytes) -> None:
        if len(master) != SECRET_BYTES:
            raise ConfigError(f"the server's secret must have {SECRET_BYTES} bytes, not {len(master)}")
        self._keys = {
            purpose: hkdf(master, f"mini-llm team {purpose}".encode()) for purpose in (*PREFIXES, "user-code", "csrf")
        }

    def __repr__(self) -> str:
        return "Tokens(…)"

    def new(self, kind: Kind) -> str:
        """Return a new token of this kind: its prefix and 43 random characters."""
        return PREFIXES[kind] + secrets.token_urlsafe(SECRET_BYTES)

    def digest(self, kind: Kind, token: str) -> bytes | None:
        """Return what is stored of *token*; None if it has not the form of this kind."""
        prefix = PREFIXES[kind]
        if not token.startswith(prefix) or not _RANDOM_PART.fullmatch(token, len(prefix)):
            return None
        return self._mac(kind, token)

    def code_digest(self, user_code: str) -> bytes | None:
        """Return what is stored of a user code, however it was typed; None if it can't be one."""
        letters = plain_code(user_code)
        return self._mac("user-code", letters) if letters else None

    def csrf(self, session: str) -> str:
        """Return the value that forms of this session carry."""
        return base64.urlsafe_b64encode(self._mac("csrf", session)).decode().rstrip("=")

    def is_csrf(self, session: str, value: str) -> bool:
        """Tell whether *value* came from a form of this session."""
        return hmac.compare_digest(self.csrf(session).encode(), value.encode("utf-8", "replace"))

    def _mac(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self._keys[purpose], text.encode(), hashlib.sha256)


def new_code() -> str:
    """Return a new user code as people read it: WDJB-MJHT."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LETTERS))
    return f"{letters[:4]}-{letters[4:]}"


def plain_code(typed: str) -> str:
    """Return the letters of a user code without case, dash and spaces; "" if it can't be one."""
    letters = _BETWEEN.sub("", typed[:64]).upper()
    return letters if len(letters) == CODE_LETTERS and set(letters) <= set(ALPHABET) else ""


def make_secret(file: Path) -> bytes:
    """Make the server's master secret in *file*, for its owner alone. FileExistsError if there is one."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    master = secrets.token_bytes(SECRET_BYTES)
    with os.fdopen(handle, "w", encoding="utf-8") as written:
        written.write(f"{master.hex()}\n")
        written.flush()
        os.fsync(handle)
    return master


def read_secret(file: Path) -> bytes:
    """Return the master secret in *file*. ConfigError if it is missing, damaged, or others can read it."""
    try:
        if sys.platform != "win32" and file.stat().st_mode & 0o077:
            raise ConfigError(f"others can read the server's secret {file}", hint=f"run `chmod 600 {file}`")
        return _bytes(file.read_text(encoding="ascii"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no team server's secret in {file}", hint="run `mini-llm team init`") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"the server's secret {file} can't be read", hint="put back your backup of it") from error


def _bytes(text: str) -> bytes:
    master = bytes.fromhex(text.strip())
    if len(master) != SECRET_BYTES:
        raise ValueError(f"{len(master)} bytes")
    return master


def hkdf(secret: bytes, info: bytes) -> bytes:
    """Return a key of 32 bytes for one purpose: HKDF with SHA-256 (RFC 5869), without salt."""
    extracted = hmac.digest(bytes(hashlib.sha256().digest_size), secret, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)
