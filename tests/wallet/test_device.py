"""Device authorization: every state of RFC 8628 on a clock that only waiting moves, and hostile answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from mini_llm.errors import MiniLLMError, NetworkError, ProtocolError, RateLimitError, ServerError
from mini_llm.wallet import device
from mini_llm.wallet.device import DeclinedError, Event, ExpiredError, Grant
from mini_llm.wallet.discovery import DEVICE_GRANT, Endpoints
from mini_llm.wallet.tokens import LoginError, Tokens
from tests.hostile import Script, answer, cut, flood, html, reset
from tests.wallet.asking import Clock, ask
from tests.wallet.server import DEVICE_CODE, KEY, REFRESH, USER_CODE, Served, grant, refusal, told, wallet

PENDING = refusal("authorization_pending")
SLOW = refusal("slow_down")


def endpoints(server: Served) -> Endpoints:
    return Endpoints(
        *(server.url, f"{server.url}/oauth/device/code", f"{server.url}/oauth/token", "", server.api, ""),
    )


def begun(server: Served) -> Grant:
    return ask(lambda service: device.begin(service, endpoints(server), device="laptop"))


class Waiting:
    """One wait for a yes, with what the service was scripted to say."""

    def __init__(self, *script: Script, interval: int = 5, seconds: float = 600.0) -> None:
        self.clock = Clock()
        self.events: list[Event] = []
        self.tokens: Tokens | None = None
        self.error: MiniLLMError | None = None
        one = Grant(DEVICE_CODE, USER_CODE, "https://passy.ai/auth", "", 600, interval)
        with wallet() as server:
            server.scripts["/oauth/token"] = list(script)
            try:
                self.tokens = ask(
                    lambda service: device.poll(
                        *(service, endpoints(server), one),
                        until=self.clock.time + seconds,
                        now=self.clock.now,
                        sleep=self.clock.sleep,
                        tell=self.events.append,
                    )
                )
            except MiniLLMError as error:
                self.error = error
            self.forms = server.forms("/oauth/token")

    @property
    def waits(self) -> Sequence[float]:
        return [round(wait, 3) for wait in self.clock.slept]


def test_a_code_is_asked_for_and_read() -> None:
    with wallet() as server:
        found = begun(server)
        assert found == Grant(
            DEVICE_CODE, USER_CODE, f"{server.url}/auth", f"{server.url}/auth?user_code={USER_CODE}", 600, 1
        )
        assert server.forms("/oauth/device/code") == [
            {"client_id": "mini-llm-cli", "scope": "inference usage", "device": "laptop"}
        ]
    assert DEVICE_CODE not in repr(found)


def test_without_an_interval_it_is_five_seconds() -> None:
    with wallet() as server:
        told_ = server.device()
        del told_["interval"], told_["verification_uri_complete"]
        server.scripts["/oauth/device/code"] = told(told_)
        found = begun(server)
    assert (found.interval, found.complete) == (5, "")


@pytest.mark.parametrize(
    "change",
    [
        *({"device_code": ""}, {"device_code": None}, {"device_code": "x" * 5000}, {"device_code": "a b c d e f g h"}),
        *({"user_code": ""}, {"user_code": "\x1b[2J\x1b[H"}, {"user_code": "x" * 100}, {"user_code": 12345678}),
        *({"verification_uri": None}, {"verification_uri": "https://evil.com/auth"}),
        *({"verification_uri": "file:///x"}, {"verification_uri_complete": "https://evil.com/auth"}),
        *({"verification_uri_complete": "--new-window"}, {"verification_uri_complete": {"x": 1}}),
        *({"expires_in": None}, {"expires_in": 0}, {"expires_in": -5}, {"expires_in": "soon"}, {"expires_in": True}),
    ],
)
def test_a_grant_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with wallet() as server:
        server.scripts["/oauth/device/code"] = told(server.device(**change))
        with pytest.raises(ProtocolError):
            begun(server)


def test_numbers_beyond_reason_are_cut_to_it() -> None:
    with wallet() as server:
        server.scripts["/oauth/device/code"] = told(server.device(expires_in=10**8, interval=10**8))
        found = begun(server)
        server.scripts["/oauth/device/code"] = told(server.device(expires_in="900", interval=0))
        second = begun(server)
    assert (found.expires_in, found.interval) == (1800, 60)
    assert (second.expires_in, second.interval) == (900, 1)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (refusal("unauthorized_client"), LoginError),
        (refusal("invalid_scope", status=401, error_description="no \x1b[31m scope"), LoginError),
        (answer(b"busy", status=429), RateLimitError),
        (html(503), ServerError),
        (html(200), ProtocolError),
        (answer(b"", status=302), ProtocolError),
        (answer(b"[]", status=400), ProtocolError),
        (flood(), ProtocolError),
    ],
)
def test_a_service_that_starts_no_login_says_so(script: Script, error: type[MiniLLMError]) -> None:
    with wallet() as server:
        server.scripts["/oauth/device/code"] = script
        with pytest.raises(error) as raised:
            begun(server)
    assert "\x1b" not in raised.value.message


def test_a_yes_gives_the_key() -> None:
    waiting = Waiting(PENDING, PENDING, grant())
    assert waiting.tokens == Tokens(KEY)
    assert waiting.waits == [6.0, 6.0, 6.0]
    assert waiting.forms == [
        {"grant_type": DEVICE_GRANT, "device_code": DEVICE_CODE, "client_id": "mini-llm-cli"} for _ in range(3)
    ]
    assert KEY not in repr(waiting.tokens)


def test_a_token_that_runs_out_comes_with_one_that_renews_it() -> None:
    waiting = Waiting(grant(refresh_token=REFRESH, expires_in=3600))
    assert waiting.tokens == Tokens(KEY, REFRESH, 3600)


def test_slow_down_adds_five_seconds_for_good() -> None:
    waiting = Waiting(PENDING, SLOW, PENDING, PENDING, grant())
    assert waiting.waits == [6.0, 6.0, 14.0, 14.0, 14.0]  # 5 × 1.2, then (5 + 5) × 1.4
    assert [event.state for event in waiting.events] == ["waiting", "slow_down", "waiting", "waiting"]


def test_the_service_s_own_interval_wins() -> None:
    assert Waiting(refusal("slow_down", interval=30), grant()).waits == [6.0, 42.0]


@pytest.mark.parametrize("interval", [1, -5])
def test_who_asks_us_to_slow_down_is_never_asked_faster(interval: int) -> None:
    assert Waiting(refusal("slow_down", interval=interval), PENDING, grant()).waits == [6.0, 7.0, 7.0]


def test_a_second_slow_down_means_that_the_clocks_do_not_agree() -> None:
    waiting = Waiting(SLOW, PENDING, SLOW)
    assert isinstance(waiting.error, LoginError)
    assert "clock drifts by 40 %" in waiting.error.message
    assert "system clock" in waiting.error.hint


def test_a_no_ends_it() -> None:
    waiting = Waiting(PENDING, refusal("access_denied"))
    assert isinstance(waiting.error, DeclinedError)
    assert waiting.error.message == "you declined the request in the browser"
    assert (waiting.error.exit_code, waiting.error.hint) == (4, "run `mini-llm login` to try again")


@pytest.mark.parametrize("error", ["expired_token", "invalid_grant"])
def test_a_code_may_expire_before_its_time(error: str) -> None:
    waiting = Waiting(PENDING, refusal(error))
    assert isinstance(waiting.error, ExpiredError)
    assert len(waiting.waits) == 2


def test_a_code_nobody_says_yes_to_ends_when_it_expires() -> None:
    waiting = Waiting(PENDING, seconds=20)
    assert isinstance(waiting.error, ExpiredError)
    assert waiting.waits == [6.0, 6.0, 6.0, 2.0]


def test_a_yes_in_the_last_second_counts() -> None:
    assert Waiting(PENDING, PENDING, grant(), seconds=13).tokens == Tokens(KEY)


@pytest.mark.parametrize("fault", [reset(), cut(20), answer(b"", status=503), html(502), answer(b"", status=500)])
def test_while_the_service_is_away_it_is_asked_less_often(fault: Script) -> None:
    waiting = Waiting(fault, fault, fault, PENDING, grant())
    assert waiting.tokens == Tokens(KEY)
    assert waiting.waits == [6.0, 12.0, 24.0, 48.0, 6.0]
    assert [event.state for event in waiting.events] == [*["unreachable"] * 3, "waiting"]


def test_a_service_that_says_when_to_ask_again_is_believed() -> None:
    busy = answer(b"", status=429, headers=[("retry-after", "40")])
    assert Waiting(busy, grant()).waits == [6.0, 40.0]


def test_a_service_that_stays_away_is_named() -> None:
    waiting = Waiting(reset(), seconds=30)
    assert isinstance(waiting.error, NetworkError)
    assert waiting.error.exit_code == 5


@pytest.mark.parametrize(
    "script",
    [
        *(answer(b"ok"), told({}), told({"access_token": ""}), told({"access_token": KEY}), told([KEY])),
        *(grant("with blank in it"), grant("x" * 2000), grant(KEY, token_type="mac"), grant(KEY, expires_in=-1)),
        *(grant(KEY, expires_in=True), grant(KEY, refresh_token=7), grant(KEY, refresh_token="a b"), flood()),
        *(answer(b"", status=302, headers=[("location", "https://evil.com")]), answer(b"<html>", status=400)),
        *(refusal("", status=400), told({"error": ["x"]}, status=400), html()),
    ],
)
def test_an_answer_that_is_none_ends_the_login(script: Script) -> None:
    waiting = Waiting(PENDING, script)
    assert isinstance(waiting.error, ProtocolError)
    assert KEY not in f"{waiting.error!r}"


def test_what_else_a_service_says_is_passed_on_without_controls() -> None:
    waiting = Waiting(refusal("invalid_client", error_description="go\x1b[31m away\x07"))
    assert waiting.error is not None
    assert waiting.error.message.endswith("ended the login: go [31m away")
