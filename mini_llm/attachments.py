"""Turn a file's bytes into a part of a message. What the bytes are decides, not what the name claims.

Pure: reads no file and no address; who calls brings the bytes.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import PurePath

from mini_llm.errors import UsageError
from mini_llm.types import Audio, Document, Image, Part, Text

MIB = 1024 * 1024
# The largest a provider takes: images 20 MB (OpenAI, xAI), PDF 32 MB (Anthropic, OpenAI), audio 25 MB (OpenAI).
# Text: more than any context window holds. https://docs.anthropic.com/en/docs/build-with-claude/pdf-support (2025-06)
LIMITS = {"text": 8 * MIB, "image": 20 * MIB, "application": 32 * MIB, "audio": 25 * MIB}
LARGEST = max(LIMITS.values())

BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mp3"),
    (b"\xff\xf3", "audio/mp3"),
    (b"\xff\xf2", "audio/mp3"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
INSIDE = {  # at offset 8, behind RIFF or an ISO "ftyp" box
    b"WEBP": "image/webp",
    b"WAVE": "audio/wav",
    b"heic": "image/heic",
    b"mif1": "image/heif",
    b"avif": "image/avif",
    b"M4A ": "audio/m4a",
}
BY_SUFFIX = {".mp3": "audio/mp3", ".aac": "audio/aac", ".pcm": "audio/pcm16", ".pdf": "application/pdf"}
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def attach(data: bytes, name: str) -> Part:
    """Return the part of a message that carries *data*; *name* is shown to the model and in errors."""
    kind = media_type(data, name)
    _check_size(data, kind, name)
    if kind == "text/plain":
        return Text(f'<file name="{PurePath(name).name}">\n{text(data, name)}\n</file>')
    encoded = b64encode(data).decode("ascii")
    if kind.startswith("image/"):
        return Image(data=encoded, media_type=kind, name=PurePath(name).name)
    if kind.startswith("audio/"):
        return Audio(data=encoded, format=kind.removeprefix("audio/"), name=PurePath(name).name)
    return Document(data=encoded, media_type=kind, name=PurePath(name).name)


def media_type(data: bytes, name: str = "") -> str:
    """Return what *data* is: `text/plain`, `image/…`, `audio/…` or `application/pdf`; UsageError for anything else."""
    for beginning, kind in BEGINNINGS:
        if data.startswith(beginning):
            return kind
    if data[:4] == b"RIFF" or data[4:8] == b"ftyp":
        kind = INSIDE.get(data[8:12], "")
        if kind:
            return kind
    if is_text(data):
        return "text/plain"
    kind = BY_SUFFIX.get(PurePath(name).suffix.lower(), "")
    if not kind:
        raise UsageError(f"cannot read {name}: it is not text, an image, a PDF or audio")
    return kind


def is_text(data: bytes) -> bool:
    """Tell whether *data* reads as text: UTF-8, UTF-16 with its mark, or an older 8-bit encoding."""
    if data.startswith(UTF16):
        return True
    beginning = data[:4096].translate(None, b"\b\t\n\f\r\x1b")
    return b"\x00" not in data and all(byte >= 32 for byte in beginning)


def text(data: bytes, name: str) -> str:
    """Decode text; bytes that are not UTF-8 become U+FFFD."""
    if not is_text(data):
        raise UsageError(f"cannot read {name}: it is not text")
    if data.startswith(UTF16):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def _check_size(data: bytes, kind: str, name: str) -> None:
    family = kind.partition("/")[0]
    if len(data) > LIMITS[family]:
        what = "PDF" if family == "application" else family
        raise UsageError(f"{name} is too large: {what} may have {LIMITS[family] // MIB} MB, this has more")
