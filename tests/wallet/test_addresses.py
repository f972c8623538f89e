"""Addresses of a wallet: which are asked, which reach a browser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.errors import ProtocolError, UsageError
from mini_llm.wallet import addresses

ISSUER = "https://ai.example.com"


@pytest.mark.parametrize(
    ("told", "issuer"),
    [
        ("https://passy.ai", "https://passy.ai"),
        ("https://Passy.AI:443/", "https://passy.ai"),
        ("ai.example.com", "https://ai.example.com"),
        ("https://example.com/ai/", "https://example.com/ai"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_issuer_is_written_in_one_way(told: str, issuer: str) -> None:
    assert addresses.issuer_of(told) == issuer


@pytest.mark.parametrize(
    "told",
    [
        *("", "http://example.com", "ftp://example.com", "https://a@example.com", "https://exa mple.com"),
        *("http+unix://%2Fx", "https://example.com/?x=1", "https://example.com/#x", "javascript:alert(1)", "--help"),
        "http://127.0.0.1.evil.com",
    ],
)
def test_what_is_no_issuer_is_refused(told: str) -> None:
    with pytest.raises(UsageError):
        addresses.issuer_of(told)


@pytest.mark.parametrize("host", ["ai.example.com", "login.ai.example.com", "AI.example.com"])
def test_the_issuer_s_own_hosts_may_be_opened(host: str) -> None:
    url = f"https://{host}/auth?user_code=WDJB-MJHT"
    assert addresses.to_open(url, ISSUER, "page") == url


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "-x", "--new-window", "", None, 7, ["x"]),
        *("https://evil.com/auth", "https://ai.example.com.evil.com/", "https://evilai.example.com/", "https://com/"),
        *("https://ai.example.com@evil.com/", "https://evil.com\\@ai.example.com/", "https://evil.com#@ai.example.com"),
        *("http://ai.example.com/auth", "http://127.0.0.1/auth", "//ai.example.com/auth", "https:ai.example.com"),
        *("https://ai.example.com/$(reboot)", "https://ai.example.com/`x`", "https://ai.example.com/;x"),
        *(
            "https://ai.example.com/a b",
            "https://ai.example.com/\x1b]0;x\x07",
            "https://ai.example.com/\n",
            "https://аi.example.com/",
        ),
        *(
            "https://ai.example.com/'x'",
            'https://ai.example.com/"x"',
            "https://ai.example.com/|x",
            "https://ai.example.com/x&&y|z",
        ),
        *("https://ai.example.com:99999/", "https://ai.example.com/" + "x" * 3000, " https://ai.example.com/"),
    ],
)
def test_nothing_else_reaches_a_browser(url: object) -> None:
    with pytest.raises(ProtocolError):
        addresses.to_open(url, ISSUER, "page")


@given(st.text(max_size=60) | st.from_regex(r"https?://[ -~]{0,40}", fullmatch=True))
def test_whatever_is_let_through_is_plainly_the_issuer_s(url: str) -> None:
    try:
        addresses.to_open(url, ISSUER, "page")
    except ProtocolError:
        return
    assert url.lower().startswith("https://")
    host = url[8:].partition("/")[0].partition("?")[0].partition(":")[0].lower()
    assert host == "ai.example.com" or host.endswith(".ai.example.com")
    assert not set(url) & set(" $`'\"\\|;<>(){}^!*\n\r\t\x1b")


def test_a_service_elsewhere_cannot_lead_to_this_machine() -> None:
    with pytest.raises(ProtocolError, match="this machine"):
        addresses.endpoint("http://127.0.0.1:6464/x", issuer=ISSUER, api="http://127.0.0.1:6464", what="token_endpoint")


def test_nothing_stands_below_a_number() -> None:
    assert not addresses.is_within("http://1.127.0.0.1/", "http://127.0.0.1")
