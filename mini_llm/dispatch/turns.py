"""Whose turn it is: the targets of a decision and their keys, one attempt after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mini_llm.errors import (
    AuthError,
    ContentFilterError,
    ContextLengthError,
    CredentialError,
    MiniLLMError,
    QuotaError,
    RateLimitError,
    UpstreamError,
)
from mini_llm.health import Health
from mini_llm.routing import Choice, Credential, Decision, Router

# What is wrong with a key, or with how much it may do: another key of the same provider may do better.
OF_THE_KEY = (AuthError, CredentialError, QuotaError, RateLimitError)


class Turn(NamedTuple):
    """One attempt at one target with one key.

    `others`: a healthy target is left; `again`: it was asked just before; `probe`: it is the one that a half-open
    breaker lets through.
    """

    number: int
    choice: Choice
    credential: Credential
    others: bool
    again: bool = False
    probe: bool = False


class Turns:
    """Say who is asked next; remember who was."""

    def __init__(self, router: Router, health: Health, decision: Decision, now: Callable[[], float]) -> None:
        self._router = router
        self._health = health
        self._decision = decision
        self._now = now
        self._left: Sequence[Choice] = decision.choices
        self._too_small = 0  # the largest window that a target found too small
        self._spent: set[str] = set()  # keys that were refused
        self.number = 0

    def next(self) -> Turn | None:
        """Return the next target's turn, None when all is spent. The last target left is asked even in trouble."""
        if self.number >= self._decision.max_attempts:
            return None
        left = [one for one in self._left if self._holds_more(one)] if self._too_small else self._left
        self._left = ()
        for offset, choice in enumerate(left):
            others = left[offset + 1 :]
            credential = self._credential(choice)
            if credential is None and others:
                continue
            self._left = others
            return self._turn(choice, credential or self._last_resort(choice))
        return None

    def again(self, turn: Turn) -> Turn | None:
        """Return one more turn of the same target, None if there have been enough attempts."""
        if self.number >= self._decision.max_attempts:
            return None
        self.number += 1
        return turn._replace(number=self.number, again=True, probe=self._begin(turn.credential))

    def other_key(self, turn: Turn, error: MiniLLMError) -> Turn | None:
        """Return a turn of the same target with another key, if it is the key that was found wanting."""
        if len(turn.choice.credentials) == 1 or not isinstance(error, OF_THE_KEY):
            return None
        self._spent.add(turn.credential.name)
        credential = self._credential(turn.choice)
        if credential is None or self.number >= self._decision.max_attempts:
            return None
        return self._turn(turn.choice, credential)

    def unasked(self, turn: Turn) -> None:
        """Take back *turn*, the last one: nothing was sent."""
        self.number -= 1
        if turn.probe:
            self._health.abandon(turn.credential.key)

    def goes_on_after(self, error: MiniLLMError, turn: Turn) -> bool:
        """Tell whether another target may do better than *turn*'s, which ended with *error*."""
        if isinstance(error, ContextLengthError):
            model = self._router.model(turn.choice.target)
            self._too_small = max(self._too_small, model.context_window if model else 0)
        if isinstance(error, ContentFilterError):
            return self._decision.past_refusal
        return not isinstance(error, UpstreamError) or error.retryable

    def begin_again(self, choices: Iterable[Choice]) -> None:
        """Go through *choices* next; those that are not well are left out."""
        self._left = [choice for choice in choices if self._credential(choice) is not None]

    def _turn(self, choice: Choice, credential: Credential) -> Turn:
        self.number += 1
        self._router.rotate(choice, credential)
        others = bool(self._left) and self._any_well(self._left)
        return Turn(self.number, choice, credential, others, probe=self._begin(credential))

    def _begin(self, credential: Credential) -> bool:
        return self._health.begin(credential.key, self._now())

    def _last_resort(self, choice: Choice) -> Credential:
        """Return the key to try though none is well."""
        return next((key for key in choice.credentials if key.name not in self._spent), choice.credentials[0])

    def _credential(self, choice: Choice) -> Credential | None:
        """Return the key whose turn it is, of those that are well; None if none is."""
        now = self._now()
        keys = choice.credentials
        if len(keys) == 1:
            return keys[0] if self._health.well(keys[0].key, keys[0].name, now) else None
        start = self._router.rotation(choice)
        for key in (*keys[start:], *keys[:start]):
            if key.name not in self._spent and self._health.well(key.key, key.name, now):
                return key
        return None

    def _any_well(self, choices: Sequence[Choice]) -> bool:
        now, well = self._now(), self._health.well  # in plain loops: each request comes by here
        for choice in choices:
            for key in choice.credentials:
                if well(key.key, key.name, now):
                    return True
        return False

    def _holds_more(self, choice: Choice) -> bool:
        """Tell whether a target's window is larger than any that was too small, or unknown."""
        model = self._router.model(choice.target)
        return model is None or not model.context_window or model.context_window > self._too_small
