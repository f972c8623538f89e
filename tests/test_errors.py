"""errors: the facts that dispatch, the gateway and the command line read off each class."""

from __future__ import annotations

import pytest

from mini_llm import errors
from mini_llm.errors import AllTargetsFailedError, AuthError, MiniLLMError, QuotaError, RateLimitError, UpstreamError


def every(kind: type[MiniLLMError]) -> list[type[MiniLLMError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in every(child))]


@pytest.mark.parametrize("kind", every(MiniLLMError), ids=lambda kind: kind.__name__)
def test_each_error_says_what_it_is_to_http_to_a_shell_and_to_a_machine(kind: type[MiniLLMError]) -> None:
    assert kind.__doc__
    assert 400 <= kind.status < 600
    assert kind.exit_code in (1, 2, 4, 5, 6, 7, 8, 69, 78)
    assert kind.code.replace("_", "").isalpha()
    assert kind.__name__.endswith("Error")


@pytest.mark.parametrize("kind", every(UpstreamError), ids=lambda kind: kind.__name__)
def test_what_is_asked_again_may_also_be_asked_elsewhere(kind: type[UpstreamError]) -> None:
    assert 0 <= kind.blame <= 1
    assert kind.again is None or kind.retryable


def test_a_callers_own_key_is_never_blamed_for_a_providers_401() -> None:
    assert AuthError.status == 502


def test_all_failures_alike_keep_their_status_and_exit_code() -> None:
    alike = AllTargetsFailedError([QuotaError("empty", provider="a"), QuotaError("empty", provider="b")])
    assert (alike.status, alike.exit_code) == (402, 6)
    mixed = AllTargetsFailedError([QuotaError("empty", provider="a"), AuthError("no", provider="b")])
    assert (mixed.status, mixed.exit_code) == (503, 5)


def test_the_shortest_wait_of_all_is_passed_on() -> None:
    error = AllTargetsFailedError([RateLimitError("x", retry_after=9.0), RateLimitError("y", retry_after=3.0)])
    assert error.retry_after == 3.0
    assert errors.AllTargetsFailedError([RateLimitError("x")]).retry_after is None
