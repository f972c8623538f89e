"""Refreshing the catalogue: only by data that is sound; what was, and what a row was priced by, is found again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from mini_llm.catalogue import Catalogue, newest
from mini_llm.catalogue.dataset import dump
from mini_llm.catalogue.update import differences, fetch, parse, refresh
from mini_llm.errors import DeadlineError, NetworkError, ProtocolError, UsageError
from mini_llm.types import Price
from tests.test_catalogue import DOLLAR, NOON, RAW, small


def grown(models: int, dollars: int = 1) -> bytes:
    """Return a data set as published, with as many models."""
    listed = [
        {"id": f"m-{n}", "match": {"equals": f"m-{n}"}, "prices": {"input_mtok": dollars + 0.5}} for n in range(models)
    ]
    return json.dumps([{"id": "openai", "name": "OpenAI", "models": listed}]).encode()


def test_a_refreshed_catalogue_wins_and_its_changes_are_told(tmp_path: Path) -> None:
    changes = refresh(grown(2000), tmp_path / "new", today="2026-12-24")
    assert len(changes) == len([1 for one in changes if one.before]) + 2000
    known = Catalogue.open(cache=tmp_path / "new")
    model = known.get("openai", "m-7")
    assert model is not None and model.price == Price(input=1_500_000_000)
    assert (known.snapshot, model.snapshot) == ("2026-12-24", "2026-12-24")
    again = refresh(grown(2000, dollars=3), tmp_path / "new", today="2026-12-25")
    assert len(again) == 2000
    assert {(one.before.price.input, one.after.price.input) for one in again} == {(1_500_000_000, 3_500_000_000)}  # type: ignore[union-attr]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["catalogue.json", "catalogues"]


def test_every_price_is_found_again_by_its_name_whatever_the_hour() -> None:
    known = Catalogue.open()
    for moment in (datetime(2026, 8, 1, 2, tzinfo=UTC), datetime(2026, 11, 10, 8, 30, tzinfo=UTC)):
        then = Catalogue.open(now=moment.timestamp)
        for provider in then.providers:
            for model in then.models(provider):
                assert known.price(provider, model.id, model.snapshot) == model.price, (provider, model)
    assert known.price("openai", "no-such-model", "2026-11-10") is None


def test_a_price_is_found_again_after_two_refreshes_on_one_day(tmp_path: Path) -> None:
    for dollars in (1, 2, 3):
        refresh(grown(2000, dollars=dollars), tmp_path, today="2026-12-24")
    known = Catalogue.open(cache=tmp_path)
    assert known.snapshot == "2026-12-24.3"
    found = [known.price("openai", "m-7", name) for name in ("2026-12-24", "2026-12-24.2", "2026-12-24.3")]
    assert found == [Price(input=1_500_000_000), Price(input=2_500_000_000), Price(input=3_500_000_000)]
    assert known.price("openai", "gpt-4o", "2026-11-10") == Catalogue.open(now=NOON).get("openai", "gpt-4o").price  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["2025-01-01", "../secrets", "2026-12-24/..", "", "config", "config-0", "wallet-0"])
def test_a_price_that_is_not_at_hand_is_said_to_be_so(name: str, tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        Catalogue.open(cache=tmp_path, overrides={"lab/m": {"input": "1"}}).price("lab", "m", name)


def test_a_users_price_that_was_changed_is_not_taken_for_the_former_one() -> None:
    before = Catalogue.open(overrides={"lab/m": {"input": "1"}})
    after = Catalogue.open(overrides={"lab/m": {"input": "2"}})
    model = before.get("lab", "m")
    assert model is not None and before.price("lab", "m", model.snapshot) == Price(input=DOLLAR)
    with pytest.raises(LookupError):
        after.price("lab", "m", model.snapshot)


def test_the_wallets_prices_stand_between_the_data_and_the_users() -> None:
    wallet = {"passy/gpt-4o": Price(input=1), "openai/gpt-4o": Price(input=2)}
    known = Catalogue.open(wallet=wallet, overrides={"openai/gpt-4o": {"input": "3"}})
    sold, owned = known.get("passy", "gpt-4o"), known.get("openai", "gpt-4o")
    assert sold is not None and sold.price == Price(input=1) and sold.snapshot.startswith("wallet-")
    assert owned is not None and owned.price == Price(input=3 * DOLLAR)
    assert known.price("passy", "gpt-4o", sold.snapshot) == Price(input=1)


def test_nothing_changes_between_equal_data() -> None:
    snapshot = newest(None)
    assert differences(snapshot, snapshot) == ()
    assert orjson.loads(dump(snapshot)) == snapshot


def test_a_data_set_that_shrank_by_half_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match=r"shrank from \d+ models to 700"):
        refresh(grown(700), tmp_path, today="2026-12-24")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01\x02",
        b"\xff\xfe[\x00]\x00",
        b"<html>captive portal</html>",
        b"[" * 100_000,
        b"null",
        b"7",
        b'"openai"',
        b"{}",
        b"[1, 2]",
        b'[{"id": "openai"}]',
        b'[{"id": "openai", "models": [7]}]',
        b'[{"id": ["openai"], "models": []}]',
        b'[{"id": "openai", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": NaN}}]}]',
        b'[{"id": "openai", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": -1}}]}]',
        b'[{"id": "openai", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": "1"}}]}]',
        b'[{"id": "openai", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": true}}]}]',
        b'[{"id": "openai", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 1e999999}}]}]',
        b'[{"id": "openai", "models": [{"id": "m", "match": {"regex": "("}, "prices": {"input_mtok": 1}}]}]',
        b'[{"id": "openai", "models": [{"id": "m", "match": {"equals": "*"}, "prices": {"input_mtok": 1}}]}]',
        b'[{"id": "openai", "models": [{"id": "m", "match": {"sounds_like": "m"}, "prices": {"input_mtok": 1}}]}]',
        b'[{"id": "openai", "models": [{"id": "m", "match": {}, "prices": {"input_mtok": 1}}]}]',
        b'[{"id": "openai", "models": [{"id": 7, "match": {"equals": "m"}, "prices": {"input_mtok": 1}}]}]',
        b'[{"id": "openai", "models": [{"id": "m", "name": [], "match": {"equals": "m"}, "prices": []}]}]',
    ],
)
def test_nonsense_is_refused_and_the_catalogue_at_hand_stays(data: bytes, tmp_path: Path) -> None:
    refresh(grown(2000), tmp_path, today="2026-12-24")
    before = (tmp_path / "catalogue.json").read_bytes()
    with pytest.raises(ProtocolError):
        refresh(data, tmp_path, today="2026-12-25")
    assert (tmp_path / "catalogue.json").read_bytes() == before


@pytest.mark.parametrize("kept", [b"", b"\x00", b"{}", b'{"format":1}', b'{"format":99}', b"[]", b"{" * 10_000])
def test_a_broken_refreshed_file_falls_back_to_the_shipped_one(kept: bytes, tmp_path: Path) -> None:
    (tmp_path / "catalogue.json").write_bytes(kept)
    known = Catalogue.open(cache=tmp_path)
    assert known.get("openai", "gpt-4o") is not None


def test_an_older_refreshed_file_loses_to_a_newer_release(tmp_path: Path) -> None:
    refresh(grown(2000), tmp_path, today="2026-01-01")
    assert Catalogue.open(cache=tmp_path).snapshot == "2026-11-10"


def test_a_decimal_is_never_a_float() -> None:
    assert parse(b"[0.1, 1]") == [Decimal("0.1"), 1]
    with pytest.raises(ValueError, match="a price can't be"):
        small(raw=[{**RAW[1], "models": [{**RAW[1]["models"][0], "prices": {"input_mtok": 0.1}}]}])


@contextmanager
def served(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """Serve one answer to everything on a real socket."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/data.json"
        finally:
            server.shutdown()
            thread.join()


def test_prices_are_fetched_from_a_server() -> None:
    with served(200, grown(3)) as url:
        assert fetch(url) == grown(3)


def test_more_prices_than_there_can_be_are_refused() -> None:
    with served(200, b"x" * (11 << 20)) as url, pytest.raises(ProtocolError, match="more than 10 MiB"):
        fetch(url)


@pytest.mark.parametrize("status", [404, 500])
def test_a_failure_to_fetch_is_told_with_its_status(status: int) -> None:
    with served(status, b"") as url, pytest.raises(ProtocolError, match=str(status)):
        fetch(url)


def test_a_redirect_is_not_followed() -> None:
    with served(302, b"", Location="http://169.254.169.254/") as url, pytest.raises(ProtocolError, match="302"):
        fetch(url)


def test_a_server_that_never_ends_meets_the_deadline() -> None:
    with served(200, b"x" * 10, **{"Content-Length": "20"}) as url, pytest.raises((NetworkError, DeadlineError)):
        fetch(url, timeout=0.3)


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(NetworkError, match=r"can't fetch prices from 127\.0\.0\.1"):
        fetch("http://127.0.0.1:9/data.json")


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "ftp://example.com/x", "file:///etc/passwd", "x", "http://[::"]
)
def test_prices_come_over_https_only(url: str) -> None:
    with pytest.raises(UsageError):
        fetch(url)
