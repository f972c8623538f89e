"""health: when a target may be asked, told by a clock that the tests hold in their hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mini_llm.errors import (
    AuthError,
    DeadlineError,
    NetworkError,
    OverloadedError,
    QuotaError,
    RateLimitError,
    RejectedError,
    ServerError,
)
from mini_llm.health import PAUSES, Health

KEY = "openai/gpt-5.5"
CREDENTIAL = "openai ${OPENAI_API_KEY}"


def steady() -> Health:
    """A Health whose pauses have no jitter."""
    return Health(draw=lambda: 0.5)


def broken(health: Health, now: float = 0.0, times: int = 5) -> Health:
    for _ in range(times):
        health.fail(KEY, CREDENTIAL, NetworkError("refused"), now)
    return health


def test_four_failures_in_a_row_leave_the_breaker_closed() -> None:
    assert broken(steady(), times=4).state(KEY, 0.0) == "closed"


def test_the_fifth_failure_in_a_row_opens_it_for_five_seconds() -> None:
    health = broken(steady())
    assert health.state(KEY, 4.9) == "open"
    assert health.trouble(KEY, 1.0) == "resting for 4 s (upstream_unreachable)"
    assert health.state(KEY, 5.1) == "half-open"


def test_a_success_starts_the_count_anew() -> None:
    health = broken(steady(), times=4)
    health.succeed(KEY, 0.0)
    assert broken(health, times=4).state(KEY, 0.0) == "closed"


def test_more_than_half_of_ten_in_thirty_seconds_opens_it() -> None:
    health = steady()
    for second in range(10):
        if second % 3 == 2:
            health.succeed(KEY, float(second))
        else:
            health.fail(KEY, CREDENTIAL, NetworkError("refused"), float(second))
    assert health.state(KEY, 9.5) == "open"


def test_failures_older_than_thirty_seconds_do_not_count() -> None:
    health = steady()
    for second in range(0, 400, 40):
        health.fail(KEY, CREDENTIAL, NetworkError("refused"), float(second))
        health.succeed(KEY, float(second))
    assert health.state(KEY, 400.0) == "closed"


def test_half_open_lets_exactly_one_request_probe() -> None:
    health = broken(steady())
    assert health.trouble(KEY, 6.0) == ""
    health.begin(KEY, 6.0)
    assert "being probed" in health.trouble(KEY, 6.0)


def test_a_probe_that_answers_closes_the_breaker() -> None:
    health = broken(steady())
    health.begin(KEY, 6.0)
    health.succeed(KEY, 6.5)
    assert health.state(KEY, 6.5) == "closed"
    assert health.trouble(KEY, 6.5) == ""


def test_each_probe_that_fails_doubles_the_pause_up_to_twenty_seconds() -> None:
    health = broken(steady())
    now = 0.0
    for pause in (*PAUSES, PAUSES[-1]):
        assert health.state(KEY, now + pause - 0.1) == "open"
        now += pause + 0.1
        health.begin(KEY, now)
        health.fail(KEY, CREDENTIAL, NetworkError("refused"), now)


def test_a_caller_who_leaves_a_probe_lets_the_next_one_try() -> None:
    health = broken(steady())
    health.begin(KEY, 6.0)
    health.abandon(KEY)
    assert health.trouble(KEY, 6.0) == ""


def test_an_overloaded_provider_counts_half() -> None:
    health = steady()
    for _ in range(9):
        health.fail(KEY, CREDENTIAL, OverloadedError("busy"), 0.0)
    assert health.state(KEY, 0.0) == "closed"
    health.fail(KEY, CREDENTIAL, OverloadedError("busy"), 0.0)
    assert health.state(KEY, 0.0) == "open"


def test_a_rate_limit_cools_the_target_as_long_as_it_was_told() -> None:
    health = steady()
    health.fail(KEY, CREDENTIAL, RateLimitError("slow down", retry_after=30.0), 0.0)
    assert "cooling down for 20 s" in health.trouble(KEY, 10.0)
    assert health.trouble(KEY, 30.1) == ""


def test_a_rate_limit_without_a_time_cools_five_seconds_and_a_huge_one_is_clamped() -> None:
    health = steady()
    health.fail(KEY, CREDENTIAL, RateLimitError("slow down"), 0.0)
    assert health.trouble(KEY, 4.9) and not health.trouble(KEY, 5.1)
    health.fail(KEY, CREDENTIAL, RateLimitError("slow down", retry_after=1e9), 10.0)
    assert not health.trouble(KEY, 131.0)


def test_a_refused_key_rests_ten_minutes_and_the_target_stays_well() -> None:
    health = steady()
    health.fail(KEY, CREDENTIAL, AuthError("no"), 0.0)
    assert health.resting(CREDENTIAL, 599.0) and not health.resting(CREDENTIAL, 601.0)
    assert health.trouble(KEY, 1.0) == ""


def test_an_empty_account_rests_fifteen_minutes_and_an_edited_key_is_forgiven() -> None:
    health = steady()
    health.fail(KEY, CREDENTIAL, QuotaError("empty"), 0.0)
    assert health.resting(CREDENTIAL, 899.0)
    health.forgive(CREDENTIAL)
    assert not health.resting(CREDENTIAL, 1.0)


def test_a_request_that_was_wrong_says_nothing_about_the_target() -> None:
    health = steady()
    for _ in range(20):
        health.fail(KEY, CREDENTIAL, RejectedError("bad field"), 0.0)
    assert health.state(KEY, 0.0) == "closed"


def test_latency_is_a_moving_average_of_the_first_content() -> None:
    health = steady()
    assert health.latency(KEY) is None
    health.succeed(KEY, 0.0, first_content=1.0)
    health.succeed(KEY, 1.0, first_content=2.0)
    assert health.latency(KEY) == 1.2


@given(st.floats(0, 1, exclude_max=True))
def test_the_jitter_stays_within_ten_percent(drawn: float) -> None:
    health = broken(Health(draw=lambda: drawn))
    assert health.state(KEY, 4.49) == "open"
    assert health.state(KEY, 5.51) == "half-open"


def test_invented_names_do_not_fill_the_memory() -> None:
    health = steady()
    for number in range(5_000):
        health.fail(f"openai/{number}", CREDENTIAL, NetworkError("refused"), 0.0)
    assert len(health.keys()) == 2_000


def test_content_ends_a_probe_but_only_a_proper_end_starts_the_count_anew() -> None:
    health = broken(steady())
    health.begin(KEY, 6.0)
    health.answer(KEY, first_content=0.5)
    assert health.trouble(KEY, 6.0) == ""
    health.fail(KEY, CREDENTIAL, NetworkError("cut off"), 7.0)
    assert health.state(KEY, 7.0) == "open"


def test_what_never_answered_and_what_answered_badly_are_counted_apart() -> None:
    health = steady()
    for _ in range(4):
        health.fail(KEY, CREDENTIAL, NetworkError("refused"), 0.0)
        health.fail(KEY, CREDENTIAL, ServerError("503"), 0.0)
    assert health.state(KEY, 0.0) == "closed"
    health.fail(KEY, CREDENTIAL, DeadlineError("late", phase="connect"), 0.0)
    assert health.state(KEY, 0.0) == "open"
