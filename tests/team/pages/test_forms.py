"""What people type: taken where it is good, told back where it is not, refused where no page of ours sends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.errors import UsageError
from mini_llm.team.pages import forms
from mini_llm.team.pages.forms import Form
from mini_llm.team.pages.rendering import money, seen


@pytest.mark.parametrize(
    ("typed", "nanos"),
    [
        ("5", 5_000_000_000),
        ("5.00", 5_000_000_000),
        (" $ 2.50 ", 2_500_000_000),
        ("0.000000001", 1),
        ("0", 0),
        ("1000000", 10**15),
        ("", None),
    ],
)
def test_amounts_are_read_to_the_nano_dollar(typed: str, nanos: int | None) -> None:
    form = Form([("amount", typed)])
    assert form.money("amount") == nanos
    assert not form.problems


@pytest.mark.parametrize("typed", ["-5", "5,00", "1e3", "NaN", "1000001", "0.0000000001", "five", "٥", "5.", "5\n5"])
def test_what_is_no_amount_is_told_and_is_never_a_number(typed: str) -> None:
    form = Form([("amount", typed)])
    assert form.money("amount") is None
    assert "amount" in form.problems


@given(st.text())
def test_no_text_makes_a_form_fail(text: str) -> None:
    form = Form([("x", text)])
    form.text("x")
    form.email("x")
    form.names("x")
    form.money("x")
    form.choice("x", ["a"])
    form.secret("x")


def test_a_field_that_came_twice_is_refused() -> None:
    with pytest.raises(UsageError):
        Form([("role", "member"), ("role", "owner")])


@pytest.mark.parametrize("body", [b"a=1&" * 100, b"a=%FF", b"x" * (forms.LARGEST + 1), b"a=%C3%28"])
def test_what_no_page_sends_is_refused(body: bytes) -> None:
    with pytest.raises(UsageError):
        forms.read(body, forms.TYPE)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "multipart/form-data; boundary=x"])
def test_another_type_is_refused(kind: str) -> None:
    with pytest.raises(UsageError):
        forms.read(b"a=1", kind)


def test_a_password_is_never_shown_again() -> None:
    form = Form([("password", "hunter2"), ("name", "Ada")])
    assert form.get("password") == ""
    assert form.get("name") == "Ada"


@pytest.mark.parametrize("typed", ["a@b", "ada@example.com", "a.b+c@sub.example.co.uk"])
def test_addresses_are_taken(typed: str) -> None:
    assert Form([("email", typed)]).email("email") == typed


@pytest.mark.parametrize("typed", ["a", "a@", "@b", "a b@c", "a@b@c", "<a@b>", "a@b\x00", f"{'a' * 300}@b"])
def test_what_is_no_address_is_told(typed: str) -> None:
    form = Form([("email", typed)])
    assert form.email("email") == ""
    assert "email" in form.problems


def test_names_may_be_separated_by_commas_and_blanks_and_count_once() -> None:
    assert Form([("m", " openai/*, gpt-5.5\tgpt-5.5,,x ")]).names("m") == ("openai/*", "gpt-5.5", "x")


@pytest.mark.parametrize(
    ("nanos", "told"),
    [
        (0, "$0.00"),
        (5 * 10**9, "$5.00"),
        (1_234_567_890_000, "$1,234.57"),
        (20_000, "$0.000020"),
        (1, "$0.000000001"),
        (12_345_678, "$0.0123"),
        (-2_500_000_000, "−$2.50"),
        (999_999_999_999, "$1,000.00"),
        (123_456_789, "$0.1235"),
        (999_949_999, "$0.9999"),
        (999_950_000, "$1.00"),
        (None, "unknown"),
    ],
)
def test_money_is_told_as_people_read_it(nanos: int | None, told: str) -> None:
    assert money(nanos) == told


def test_what_cannot_be_seen_is_shown_as_missing() -> None:
    assert seen("a\u202egnp.exe\x00\u200b") == "a�gnp.exe��"
    assert seen("tab\tand\nline") == "tab\tand\nline"
