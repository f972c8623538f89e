"""Read small files with limits; write them so that a crash, a full disk or a second writer loses nothing."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mini_llm.errors import ConfigError

LIMIT = 1 << 20
_WINDOWS = sys.platform == "win32"


def read(path: Path, *, limit: int = LIMIT) -> bytes | None:
    """Return a regular file's bytes, None if there is no such file; ConfigError for all that is odd."""
    try:
        # O_NONBLOCK: a named pipe must not hang us.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder, not a file") from None
        raise ConfigError(f"can't read {path}: {_reason(error)}") from error
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        raise ConfigError(
            f"{path} is {'a folder, not a file' if stat.S_ISDIR(facts.st_mode) else 'not a regular file'}"
        )
    with os.fdopen(handle, "rb") as file:
        data = b"" if facts.st_size > limit else file.read(limit + 1)
    if max(facts.st_size, len(data)) > limit:
        raise ConfigError(f"{path} is too large: more than {limit // 1024} KiB")
    return data


def decode(data: bytes, path: Path) -> str:
    """Return the text of a file that must be UTF-8 (a byte order mark is kept)."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0\0" in (data[0:4:2], data[1:4:2]):
        raise ConfigError(f"{path} is UTF-16, not UTF-8", hint="save it as UTF-8")
    if b"\0" in data:
        raise ConfigError(f"{path} is not text: it holds a zero byte")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text (byte 0x{data[error.start]:02x})") from None


def exposed(path: Path) -> bool:
    """Say whether other users of this machine can read the file."""
    with suppress(OSError):
        return not _WINDOWS and bool(path.stat().st_mode & 0o077)
    return False


@contextmanager
def locked(path: Path, *, limit: float = 5.0, now: Callable[[], float] = time.monotonic) -> Iterator[Path]:
    """Hold the lock of a file while it is read and written again; yield the real file behind a symbolic link."""
    target = Path(os.path.realpath(path))
    lock = target.with_name(f"{target.name}.lock")
    make_folder(target.parent)
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise ConfigError(f"can't write {lock}: {_reason(error)}") from error
    try:
        end = now() + limit
        while not try_lock(handle):
            if now() >= end:
                raise ConfigError(f"another program is writing {target} (lock: {lock})", hint="try again in a moment")
            time.sleep(0.001 + os.urandom(1)[0] / 25_600)  # 1 to 11 ms: those who wait spread out
        yield target
    finally:
        os.close(handle)  # which gives the lock back


def make_folder(folder: Path) -> None:
    """Create a folder, and those above it, for this user alone."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"can't create {folder}: {_reason(error)}") from error


def write(target: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file in one step, readable by this user alone unless *mode* says more. Call it while `locked`."""
    if target.exists() and not target.stat().st_mode & stat.S_IWUSR:
        raise ConfigError(f"{target} is read-only", hint=f"allow writing first: chmod u+w {target}")
    _sweep(target)
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.tmp")
    try:
        _write_new(temporary, data, like=target, mode=mode)
        _replace(temporary, target)
    except OSError as error:
        raise ConfigError(f"can't write {target}: {_reason(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _sweep(target: Path) -> None:
    """Remove what a killed writer left; we hold the lock, so none of it is in use."""
    for left in target.parent.iterdir():
        if left.name.startswith(f".{target.name}.") and left.suffix == ".tmp":
            with suppress(OSError):
                left.unlink()


def _write_new(path: Path, data: bytes, *, like: Path, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(handle, "wb") as file:
        if sys.platform != "win32":
            os.fchmod(handle, mode)
            if os.geteuid() == 0 and like.exists():  # under sudo the file stays its owner's
                os.fchown(handle, like.stat().st_uid, like.stat().st_gid)
        file.write(data)
        file.flush()
        os.fsync(handle)


def _replace(temporary: Path, target: Path) -> None:
    for wait in (0.02, 0.1, 0.5) if _WINDOWS else ():
        with suppress(PermissionError):  # a virus scanner has it open
            temporary.replace(target)
            return
        time.sleep(wait)
    temporary.replace(target)
    if not _WINDOWS:
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def try_lock(handle: int) -> bool:
    """Lock an open file for this process, if no other has. The lock falls with the handle, or with the process."""
    try:
        if sys.platform == "win32":
            import msvcrt  # only there on Windows

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # not there on Windows

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__
