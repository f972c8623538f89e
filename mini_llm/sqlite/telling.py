"""What the database or the system says about a file, as an error of the room that keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from mini_llm.errors import MiniLLMError


class Kind(NamedTuple):
    """What a room calls its file, its error, and what to do where the file is damaged, has no room, or else."""

    name: str
    error: type[MiniLLMError]
    mend: str
    room: str = "free space"
    otherwise: str = ""


@contextmanager
def told(kind: Kind, file: Path, what: str) -> Iterator[None]:
    """Raise what the database or the system says as *kind*'s error: *file* can't be *what*."""
    failed = f"{kind.name} {file} can't be {what}"
    try:
        yield
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise kind.error(f"{failed}: it is damaged ({error})", hint=kind.mend) from error
    except apsw.FullError as error:
        raise kind.error(f"{failed}: the disk is full", hint=kind.room) from error
    except apsw.BusyError as error:
        raise kind.error(f"{failed}: another program holds it", hint="close that program") from error
    except (apsw.Error, OSError) as error:
        raise kind.error(f"{failed}: {error}", hint=kind.otherwise) from error
