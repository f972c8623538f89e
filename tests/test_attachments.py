"""What bytes are, and the part of a message they become."""

from __future__ import annotations

import pytest

from mini_llm import attachments
from mini_llm.attachments import attach, media_type
from mini_llm.errors import UsageError
from mini_llm.types import Audio, Document, Image, Text


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n...", "x.jpg", "image/png"),
        (b"\xff\xd8\xff\xe0", "", "image/jpeg"),
        (b"GIF89a", "", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "", "image/heic"),
        (b"%PDF-1.7\n", "x.txt", "application/pdf"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "", "audio/wav"),
        (b"ID3\x03\x00", "", "audio/mp3"),
        (b"\xff\xfb\x90\x00", "", "audio/mp3"),
        (b"\x01\x02\x03\x00", "voice.mp3", "audio/mp3"),
        (b"OggS\x00", "", "audio/ogg"),
        (b"plain", "x.png", "text/plain"),
        ("größer".encode(), "", "text/plain"),
        ("größer".encode("utf-16"), "", "text/plain"),
        (b"<svg xmlns=''/>", "x.svg", "text/plain"),
        (b"\x1b[31mred\x1b[0m log", "", "text/plain"),
        (b"", "", "text/plain"),
    ],
)
def test_the_bytes_decide_what_a_file_is(data: bytes, name: str, kind: str) -> None:
    assert media_type(data, name) == kind


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04", b"\x7fELF\x02\x01", b"a\x00b", b"RIFF\x00\x00\x00\x00AVI ", b"\x01\x02"]
)
def test_what_no_model_reads_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"cannot read thing\.bin: it is not text, an image, a PDF or audio"):
        media_type(data, "thing.bin")


def test_each_kind_becomes_its_part() -> None:
    assert attach(b"GIF89a", "a.gif") == Image(data="R0lGODlh", media_type="image/gif", name="a.gif")
    assert attach(b"ID3", "a.mp3") == Audio(data="SUQz", format="mp3", name="a.mp3")
    assert attach(b"%PDF-", "dir/a.pdf") == Document(data="JVBERi0=", media_type="application/pdf", name="a.pdf")
    assert attach(b"\xef\xbb\xbfhi", "dir/a.txt") == Text('<file name="a.txt">\nhi\n</file>')


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a" * (attachments.LIMITS["text"] + 1), "text may have 8 MB"),
        (b"GIF89a" + b"\x00" * attachments.LIMITS["image"], "image may have 20 MB"),
        (b"ID3" + b"\x00" * attachments.LIMITS["audio"], "audio may have 25 MB"),
        (b"%PDF-" + b"\x00" * attachments.LIMITS["application"], "PDF may have 32 MB"),
    ],
    ids=["text", "image", "audio", "PDF"],
)
def test_what_is_too_large_says_how_large_it_may_be(data: bytes, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        attach(data, "big")
