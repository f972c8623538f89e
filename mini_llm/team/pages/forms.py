"""What people typed: read strictly, told back kindly. A value that is wrong is a problem of its field, not an error."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

from mini_llm.errors import UsageError

TYPE = "application/x-www-form-urlencoded"
LARGEST = 64 * 1024
MOST_FIELDS = 60
LONGEST = 2000
MOST_DOLLARS = 1_000_000
NANOS = 10**9
_MONEY = re.compile(r"\$?\s*[0-9]{1,7}(?:\.[0-9]{1,9})?")
_EMAIL = re.compile(r"[^\s@<>\"'(),;:\\]{1,64}@[^\s@<>\"'(),;:\\]{1,189}")
_HIDDEN = frozenset({"password", "current", "again", "csrf"})


class Form:
    """The fields of a form as they came. `problems` tells what is wrong, by field; "" is about the whole."""

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, str] = {}
        self.problems: dict[str, str] = {}
        for name, value in fields:
            if name in self._fields:
                raise UsageError("a field came more than once")
            self._fields[name] = value

    def get(self, name: str, default: str = "") -> str:
        """Return a field as it came, for showing it again. What is secret is never shown again."""
        return default if name in _HIDDEN else self._fields.get(name, default)

    def raw(self, name: str) -> str:
        """Return a field as it came, "" if it did not."""
        return self._fields.get(name, "")

    def wrong(self, name: str, what: str) -> None:
        """Note what is wrong with a field; the first word on it stays."""
        self.problems.setdefault(name, what)

    def text(self, name: str, *, most: int = 200, needed: str = "") -> str:
        """Return a line of text without blanks around it. *needed* is what to say where it is empty."""
        value = self._fields.get(name, "").strip()
        if not value and needed:
            self.wrong(name, needed)
        elif len(value) > most:
            self.wrong(name, f"use at most {most} characters")
        elif not value.isprintable():
            self.wrong(name, "it has characters that can't be shown")
        else:
            return value
        return ""

    def email(self, name: str, *, needed: str = "") -> str:
        """Return an email address as it was typed."""
        value = self.text(name, most=254, needed=needed)
        if value and not _EMAIL.fullmatch(value):
            self.wrong(name, "this is no email address")
            return ""
        return value

    def secret(self, name: str) -> str:
        """Return a password, unchanged; "" where it can't be one."""
        value = self._fields.get(name, "")
        return value if len(value) <= LONGEST else ""

    def choice(self, name: str, options: Collection[str], *, default: str = "") -> str:
        """Return one of *options*."""
        value = self._fields.get(name, default)
        if value in options:
            return value
        self.wrong(name, "choose one of these")
        return default

    def names(self, name: str, *, most: int = 50) -> tuple[str, ...]:
        """Return names separated by commas or blanks, each once."""
        self._fields[name] = " ".join(self._fields.get(name, "").split())
        found = tuple(dict.fromkeys(part for part in re.split(r"[, ]+", self.text(name, most=LONGEST)) if part))
        if len(found) > most:
            self.wrong(name, f"name at most {most}")
        return found

    def money(self, name: str, *, needed: str = "") -> int | None:
        """Return an amount of US dollars in nano-dollars, None where the field is empty."""
        value = self._fields.get(name, "").strip()
        if not value:
            if needed:
                self.wrong(name, needed)
            return None
        try:
            amount = Decimal(value.lstrip("$ ")) if _MONEY.fullmatch(value) else None
        except InvalidOperation:
            amount = None
        if amount is None or amount > MOST_DOLLARS:
            self.wrong(name, f"enter an amount such as 25 or 2.50, at most {MOST_DOLLARS:,}")
            return None
        return int(amount * NANOS)


def read(body: bytes, content_type: str) -> Form:
    """Return the form in *body*. Raises UsageError for what is none."""
    if content_type.partition(";")[0].strip().lower() != TYPE:
        raise UsageError("this is not the form that was shown")
    return Form(fields(body.decode("ascii", "replace")))


def fields(text: str) -> list[tuple[str, str]]:
    """Return the fields of a query or a form. Raises UsageError for what is malformed or too much."""
    if len(text) > LARGEST:
        raise UsageError("this is more than a form can hold")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:  # too many fields, or no UTF-8
        raise UsageError("this form can't be read") from None
