"""Tries are counted by who tries; the count forgets, and does not grow without end."""

from __future__ import annotations

import pytest

from mini_llm.team import limits
from mini_llm.team.errors import TooManyTriesError
from mini_llm.team.limits import Limits, Rule, network_of


def test_so_many_tries_pass_and_the_next_waits_until_the_first_is_old() -> None:
    now = [0.0]
    counted = Limits({"x": Rule(3, 60.0)}, now=lambda: now[0])
    for _ in range(3):
        counted.take("x", "ada")
        now[0] += 10
    with pytest.raises(TooManyTriesError) as refused:
        counted.take("x", "ada")
    assert refused.value.retry_after == 30.0
    counted.take("x", "ben")
    now[0] = 60.0
    counted.take("x", "ada")
    with pytest.raises(TooManyTriesError):
        counted.take("x", "ada")


def test_a_try_that_was_refused_does_not_count() -> None:
    now = [0.0]
    counted = Limits({"x": Rule(1, 60.0)}, now=lambda: now[0])
    counted.take("x", "ada")
    for _ in range(100):
        now[0] += 0.5
        with pytest.raises(TooManyTriesError):
            counted.take("x", "ada")
    now[0] = 60.0
    counted.take("x", "ada")


def test_good_tries_are_given_back() -> None:
    counted = Limits({"x": Rule(2, 60.0)}, now=lambda: 0.0)
    for _ in range(10):
        counted.take("x", "ada")
        counted.give_back("x", "ada")
    counted.take("x", "ada")


def test_the_count_stays_bounded_and_forgets_who_was_quiet_longest() -> None:
    counted = Limits({"x": Rule(1, 60.0)}, now=lambda: 0.0)
    counted.take("x", "first")
    for number in range(limits.MOST_KEPT):
        counted.take("x", str(number))
    assert len(counted._tries) == limits.MOST_KEPT
    counted.take("x", "first")
    with pytest.raises(TooManyTriesError):
        counted.take("x", str(limits.MOST_KEPT - 1))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_one_customers_addresses_count_as_one_place(address: str, network: str) -> None:
    assert network_of(address) == network
