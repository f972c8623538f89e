"""media limits: what is too large, or stands where the target cannot fetch it, is refused before it is sent."""

from __future__ import annotations

import pytest

from mini_llm import dialects
from mini_llm.dialects import media_limits
from mini_llm.dialects.media_limits import LIMITS
from mini_llm.errors import TranslationError
from mini_llm.types import ChatRequest, Document, Image, Message, Part, Text, ToolResult

GOOGLES = "https://generativelanguage.googleapis.com/v1beta/files/1"
HOSTS = {"web": "https://example.com/a.png", "plain": "http://example.com/a.png", "bucket": "gs://bucket/a.png",
         "Google's own": GOOGLES, "disk": "file:///etc/passwd", "ftp": "ftp://example.com/a.png"}  # fmt: skip
FETCHED = {
    "openai_chat": {"web", "plain"},
    "openai_responses": {"web", "plain"},
    "anthropic_messages": {"web"},
    "gemini": {"web", "bucket", "Google's own"},
}


def request(*parts: Part) -> ChatRequest:
    return ChatRequest("m", (Message("user", (Text("Look"), *parts)),))


def refusal(asked: ChatRequest, dialect: str) -> TranslationError:
    with pytest.raises(TranslationError) as caught:
        media_limits.check(asked, dialect)
    return caught.value


@pytest.mark.parametrize("dialect", [name for name in LIMITS if LIMITS[name].image])
def test_a_picture_may_be_just_as_large_as_the_vendor_takes_it(dialect: str) -> None:
    most = LIMITS[dialect].image
    media_limits.check(request(Image(data="a" * most)), dialect)
    error = refusal(request(Image(data="a"), Image(data="a" * (most + 1))), dialect)
    assert error.field == "messages[0].content[2]"
    assert error.field in error.message and f"{most // 1024 // 1024} MB" in error.message and error.hint


@pytest.mark.parametrize("dialect", [name for name in LIMITS if LIMITS[name].document])
def test_a_document_may_be_just_as_large_as_the_vendor_takes_it(dialect: str) -> None:
    most = LIMITS[dialect].document
    media_limits.check(request(Document(data="a" * most)), dialect)
    assert refusal(request(Document(data="a" * (most + 1))), dialect).field == "messages[0].content[1]"


@pytest.mark.parametrize("dialect", [name for name in LIMITS if LIMITS[name].whole])
def test_all_of_a_request_together_has_a_limit(dialect: str) -> None:
    piece = Image(data="a" * (8 * 1024 * 1024))
    count = LIMITS[dialect].whole // len(piece.data)
    media_limits.check(request(*[piece] * count), dialect)
    assert refusal(request(*[piece] * (count + 1)), dialect).field == f"messages[0].content[{count + 1}]"


def test_what_a_tool_gave_back_is_measured_too() -> None:
    result = ToolResult("call_1", (Text("See"), Image(data="a" * (11 * 1024 * 1024))))
    asked = ChatRequest("m", (Message("user", (Text("Hi"),)), Message("tool", (result,))))
    assert refusal(asked, "anthropic_messages").field == "messages[1].content[0].content[1]"


@pytest.mark.parametrize("dialect", dialects.NAMES)
@pytest.mark.parametrize("host", HOSTS)
def test_an_address_goes_to_who_fetches_it_and_nobody_else(dialect: str, host: str) -> None:
    asked = request(Image(url=HOSTS[host]))
    if host in FETCHED[dialect]:
        media_limits.check(asked, dialect)
    else:
        error = refusal(asked, dialect)
        assert error.field == "messages[0].content[1]"
        assert "base64" in error.hint


def test_local_servers_have_no_known_limit() -> None:
    media_limits.check(request(Image(data="a" * 60 * 1024 * 1024)), "ollama")
