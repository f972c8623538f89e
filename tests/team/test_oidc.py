"""The company's sign-in against a real issuer on a real socket: an honest one, and one that lies in every way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import get_args
from urllib.parse import parse_qsl, urlsplit

import pytest

pytest.importorskip("authlib", reason="the extra `team` is not installed")

from mini_llm.team.oidc import CompanyError, Identity, OpenID
from tests.team.issuer import Issuer, Lie

WHY: dict[Lie, str] = {
    "audience": "Invalid claim: 'aud'",
    "another audience too": "Invalid claim: 'azp'",
    "nonce": "Invalid claim: 'nonce'",
    "no nonce": "Missing claim: 'nonce'",
    "expired": "expired",
    "not yet": "not yet valid",
    "no signature": "'none' is not allowed",
    "shared secret": "'HS256' is not allowed",
    "another key": "bad_signature",
    "issuer": "Invalid claim: 'iss'",
    "issuer of the document": "calls itself by another name",
    "no token": "no ID token",
    "no subject": "Missing claim: 'sub'",
    "no expiry": "Missing claim: 'exp'",
    "text": "DecodeError",
    "redirect": "answered 307",
    "error": "access_denied",
    "long": "too long",
    "hash": "Invalid claim: 'at_hash'",
    "plain endpoint": "token_endpoint is no https address",
    "keys": "MissingKeyError",
    "array": "answered 200",
}
BACK = "http://127.0.0.1:6465/signin/company/callback"


@pytest.fixture(scope="module")
def serving() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(serving: Issuer) -> Issuer:
    serving.lies = ""
    serving.now = time.time
    serving.says()
    return serving


async def signed_in(openid: OpenID, issuer: Issuer) -> tuple[Identity, str]:
    state, url = await openid.begin(BACK, "/keys")
    return await openid.finish(state, told_by(issuer.visit(url)), BACK)


def told_by(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_who_the_issuer_vouches_for_comes_back_where_they_wanted_to_go(issuer: Issuer) -> None:
    found, place = asyncio.run(signed_in(OpenID(issuer.client()), issuer))
    assert found == Identity(issuer.url, "u-1", "ada@example.com", "Ada")
    assert place == "/keys"


@pytest.mark.parametrize("lie", WHY)
def test_an_issuer_that_lies_signs_nobody_in(issuer: Issuer, lie: Lie) -> None:
    issuer.lies = lie
    with pytest.raises(CompanyError, match=WHY[lie]):
        asyncio.run(signed_in(OpenID(issuer.client()), issuer))


def test_every_lie_has_its_reason() -> None:
    assert {"", *WHY} == set(get_args(Lie))


def test_an_answer_is_good_only_in_the_browser_that_began_and_only_once(issuer: Issuer) -> None:
    async def play() -> None:
        openid = OpenID(issuer.client())
        carried, url = await openid.begin(BACK, "/keys")
        told = told_by(issuer.visit(url))
        other, _ = await openid.begin(BACK, "/keys")
        with pytest.raises(CompanyError, match="another browser"):
            await openid.finish(other, told, BACK)
        await openid.finish(carried, told, BACK)
        with pytest.raises(CompanyError, match="answered 400"):  # the issuer takes a code once
            await openid.finish(carried, told, BACK)

    asyncio.run(play())


@pytest.mark.parametrize(
    "carried", ["", ".", "..", "x", "x.1", "x.1.!", "x.y.z", "x.99999999999.", "x.99999999999.\ud800"]
)
def test_a_cookie_that_is_none_begins_nothing(issuer: Issuer, carried: str) -> None:
    told = {"state": "", "code": "x"}
    with pytest.raises(CompanyError, match=r"no such sign-in|another browser"):
        asyncio.run(OpenID(issuer.client()).finish(carried, told, BACK))


def test_neither_the_end_nor_the_way_of_a_sign_in_can_be_changed_by_its_browser(issuer: Issuer) -> None:
    async def play() -> None:
        openid = OpenID(issuer.client())
        carried, url = await openid.begin(BACK, "/keys")
        told = told_by(issuer.visit(url))
        secret, until, next = carried.split(".")
        for changed in (f"{secret}.{int(until) + 1}.{next}", f"{secret}.{until}.L2F1ZGl0", f"x{secret}.{until}.{next}"):
            with pytest.raises(CompanyError, match="another browser"):
                await openid.finish(changed, told, BACK)

    asyncio.run(play())


def test_another_process_of_the_server_goes_on_with_a_sign_in(issuer: Issuer) -> None:
    async def play() -> None:
        carried, url = await OpenID(issuer.client()).begin(BACK, "/keys")
        found, _ = await OpenID(issuer.client()).finish(carried, told_by(issuer.visit(url)), BACK)
        assert found.subject == "u-1"

    asyncio.run(play())


def test_a_code_of_one_sign_in_is_no_good_in_another(issuer: Issuer) -> None:
    async def play() -> None:
        openid = OpenID(issuer.client())
        theirs, url = await openid.begin(BACK, "/keys")
        stolen = told_by(issuer.visit(url))["code"]
        mine, url = await openid.begin(BACK, "/keys")
        with pytest.raises(CompanyError):
            await openid.finish(mine, {**told_by(issuer.visit(url)), "code": stolen}, BACK)
        assert theirs != mine

    asyncio.run(play())


def test_a_sign_in_that_took_too_long_is_over(issuer: Issuer) -> None:
    moved = [time.time()]

    async def play() -> None:
        openid = OpenID(issuer.client(), now=lambda: moved[0])
        state, url = await openid.begin(BACK, "/keys")
        told = told_by(issuer.visit(url))
        moved[0] += 601
        with pytest.raises(CompanyError):
            await openid.finish(state, told, BACK)

    asyncio.run(play())


def test_an_answer_of_another_issuer_is_refused(issuer: Issuer) -> None:
    async def play() -> None:
        openid = OpenID(issuer.client())
        state, url = await openid.begin(BACK, "/keys")
        with pytest.raises(CompanyError):
            await openid.finish(state, {**told_by(issuer.visit(url)), "iss": "https://evil.example"}, BACK)

    asyncio.run(play())


def test_the_document_is_asked_for_once_an_hour_and_new_keys_are_found_at_once(issuer: Issuer) -> None:
    moved = [time.time()]
    issuer.now = lambda: moved[0]

    async def play() -> None:
        openid = OpenID(issuer.client(), now=lambda: moved[0])
        issuer.looks = 0
        await signed_in(openid, issuer)
        issuer.turn_keys()
        await signed_in(openid, issuer)
        assert issuer.looks == 1
        moved[0] += 3601
        await signed_in(openid, issuer)
        assert issuer.looks == 2

    asyncio.run(play())


def test_an_address_counts_only_when_the_issuer_has_verified_it(issuer: Issuer) -> None:
    for unverified in (False, None, "true", 1):
        issuer.says(verified=unverified)
        found, _ = asyncio.run(signed_in(OpenID(issuer.client()), issuer))
        assert found.email == ""
        with pytest.raises(CompanyError):
            asyncio.run(signed_in(OpenID(issuer.client("example.com")), issuer))


def test_only_the_domains_that_are_set_are_let_in(issuer: Issuer) -> None:
    issuer.says(email="ada@Example.com")
    found, _ = asyncio.run(signed_in(OpenID(issuer.client("example.com")), issuer))
    assert found.email == "ada@Example.com"
    for address in ("eve@evil-example.com", "eve@example.com.evil.org", "eve@example.com@evil.org"):
        issuer.says(email=address)
        with pytest.raises(CompanyError):
            asyncio.run(signed_in(OpenID(issuer.client("example.com")), issuer))


def test_an_issuer_that_is_not_there_is_told_as_one_error(issuer: Issuer) -> None:
    away = issuer.client()._replace(issuer="http://127.0.0.1:1")
    with pytest.raises(CompanyError, match="can't be reached"):
        asyncio.run(signed_in(OpenID(away), issuer))
