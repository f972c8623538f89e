"""Pictures, documents and sound: bytes in the request, or files that Google itself fetches."""

from __future__ import annotations

from mini_llm.dialects import media
from mini_llm.dialects.gemini.words import CANNOT, Words, version
from mini_llm.types import Audio, Document, Image, Json, Part

_FILES = "https://generativelanguage.googleapis.com/"
_TYPES = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "bmp": "image/bmp", "pdf": "application/pdf", "txt": "text/plain",
    "md": "text/markdown", "csv": "text/csv", "html": "text/html", "xml": "text/xml", "json": "application/json",
}  # fmt: skip
_SOUNDS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "x-flac": "flac", "x-aiff": "aiff"}
_DETAILS = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}


def read_blob(part: Words) -> Part | None:
    """Read the `inlineData` of a part; None for what we have no word for (video)."""
    blob = part.inner("inlineData")
    if blob is None:
        return None
    kind, data, name = blob.needed("mimeType").lower(), blob.text("data"), blob.text("displayName")
    family, _, form = kind.partition("/")
    if family == "image":
        return Image(data=data, media_type=kind, detail=_detail(part))
    if family == "audio" and ";" not in form:
        return Audio(data=data, format=_SOUNDS.get(form, form))
    return None if family in ("audio", "video") else Document(data=data, media_type=kind, name=name)


def read_file(part: Words) -> Part | None:
    """Read the `fileData` of a part; None for what we have no word for (video, sound by address)."""
    file = part.inner("fileData")
    if file is None:
        return None
    url, kind, name = file.needed("fileUri"), file.text("mimeType").lower(), file.text("displayName")
    family = (kind or _type_of(url)).partition("/")[0]
    if family == "image":
        return Image(url=url, media_type=kind, detail=_detail(part))
    return Document(url=url, media_type=kind, name=name) if family in ("application", "text") else None


def _detail(part: Words) -> str:
    resolution = part.inner("mediaResolution")
    level = resolution.text("level") if resolution else ""
    return next((detail for detail, known in _DETAILS.items() if known == level), "")


def written_file(part: Image | Document | Audio, path: str, *, model: str, ours: bool) -> Json:
    """Return a part for *part* at *path* of the request. Raises TranslationError for what Google does not fetch."""
    written = _written(part, path, model)
    if ours and isinstance(part, Image) and part.detail in _DETAILS:
        written["mediaResolution"] = {"level": _DETAILS[part.detail]}
    if ours and isinstance(part, Document) and part.name:
        next(iter(written.values()))["displayName"] = part.name
    return written


def _written(part: Image | Document | Audio, path: str, model: str) -> Json:
    if isinstance(part, Audio):
        if not part.data:
            raise CANNOT.error(path, "the sound of an earlier answer is known only to its provider")
        return _inline(part.data, f"audio/{part.format or 'wav'}")
    if isinstance(part, Image) and part.data:
        return _inline(part.data, part.media_type or media.picture_type(part.data))
    if isinstance(part, Document) and part.data:
        return _inline(part.data, part.media_type or "application/pdf")
    url = part.url
    if isinstance(part, Document) and not url:
        url = f"{_FILES}v1beta/{part.file_id}" if part.file_id.startswith("files/") else part.file_id
    _check(url, path, model)
    kind = part.media_type or _type_of(url)
    return {"fileData": {"fileUri": url} | ({"mimeType": kind} if kind else {})}


def _inline(data: str, kind: str) -> Json:
    return {"inlineData": {"mimeType": kind, "data": data}}


def _check(url: str, path: str, model: str) -> None:
    """Raise unless Google fetches *url* itself. https://ai.google.dev/gemini-api/docs/file-input-methods (2026-11)"""
    if url.startswith(("gs://", _FILES)):
        return
    if not url.startswith("https://"):
        raise CANNOT.error(path, "Google fetches only https and gs addresses and its own files; send base64")
    if version(model) < (2, 5) and "youtube.com/" not in url and "//youtu.be/" not in url:
        raise CANNOT.error(path, f"{model} fetches no addresses; send base64")


def _type_of(url: str) -> str:
    return _TYPES.get(url.partition("?")[0].rpartition(".")[2].lower(), "")
