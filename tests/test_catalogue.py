"""What is known of models: found by any name, the newest prices first, and refreshed only by data that is sound."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.catalogue import SHIPPED, Catalogue, nanos, newest
from mini_llm.catalogue.dataset import compact, dump
from mini_llm.catalogue.update import differences, fetch, parse, refresh
from mini_llm.errors import ConfigError, DeadlineError, NetworkError, ProtocolError, UsageError
from mini_llm.types import Price

DOLLAR = 10**9
RAW: list[dict[str, Any]] = [
    {
        "id": "google",
        "fallback_model_providers": ["openai"],
        "models": [
            {
                "id": "gem-2",
                "name": "Gem 2",
                "match": {"or": [{"starts_with": "gem-2"}, {"regex": r"^g2-\d{8}$"}]},
                "context_window": 1000,
                "prices": {
                    "input_mtok": {"base": Decimal("0.1"), "tiers": [{"start": 200, "price": Decimal("0.2")}]},
                    "output_mtok": 4,
                    "web_searches_kcount": 14,
                },
            },
            {"id": "claude-x", "match": {"contains": "claude-x"}, "prices": {"input_mtok": 1}},
        ],
    },
    {
        "id": "openai",
        "models": [
            {"id": "paint-1", "match": {"equals": "paint-1"}, "prices": {"input_mtok": 1, "output_image_mtok": 30}},
            {"id": "gift:free", "match": {"equals": "gift:free"}, "prices": {}},
            {"id": "riddle", "match": {"equals": "riddle"}, "prices": {}},
            {
                "id": "dated",
                "match": {"and": [{"starts_with": "dated"}, {"regex": "^(?!.*tts)"}]},
                "prices": [
                    {"prices": {"input_mtok": 1}},
                    {"constraint": {"start_date": "2026-01-01"}, "prices": {"input_mtok": 2, "requests_kcount": 12}},
                    {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 3}},
                    {"constraint": {"start_time": "22:00:00Z", "end_time": "04:00:00Z"}, "prices": {"input_mtok": 9}},
                ],
            },
        ],
    },
    {"id": "unknown-to-us", "models": [{"id": "m", "match": {"equals": "m"}, "prices": {"input_mtok": 1}}]},
]
OURS = ("openai", "gemini")


def test_the_committed_snapshot_is_what_the_script_makes_from_the_pinned_data_set() -> None:
    pytest.importorskip("genai_prices")
    import catalogue as script  # scripts/catalogue.py

    assert SHIPPED.read_bytes() == script.snapshot(), "run `python scripts/catalogue.py`"


def test_the_snapshot_is_small_and_dated() -> None:
    assert SHIPPED.stat().st_size <= 200_000
    assert Catalogue.open().snapshot >= "2026-11-10"


def test_every_name_the_data_set_gives_a_model_leads_to_the_same_model() -> None:
    pytest.importorskip("genai_prices")
    from genai_prices.data import providers

    known = Catalogue.open()
    theirs = {
        **{name: "google" for name in ("gemini", "vertex", "vertex-anthropic")},
        "xai": "x-ai",
        "moonshot": "moonshotai",
        "bedrock": "aws",
        "azure-deployments": "azure",
    }
    wire = {"zai": str.lower, "fireworks": lambda id: next(one for one in listed if one.endswith(f"/{id}"))}
    labels = {"codestral": "codestral-latest", "mistral-medium-3-1": "mistral-medium"}  # no names of the wire
    compared = 0
    for name in known.providers:
        entry = next(one for one in providers if one.id == theirs.get(name, name))
        listed = [model.id for model in known.models(name)]
        for id in listed:
            for asked in (id, id.upper(), f"{id}-20991231", f"{id}-2099-12-31"):
                meant = entry.find_model(asked, all_providers=providers)
                found = known.get(name, asked)
                if asked.lower() == id.lower():
                    assert found is not None and found.id == id
                elif name == "bedrock":  # whose labels name a place, as in `regional.anthropic`
                    assert found is None or (meant is not None and meant.id.endswith(found.id.removeprefix("us.")))
                elif meant is None:
                    assert found is None, (name, asked)
                else:
                    assert found is not None and found.id == labels.get(meant.id, wire.get(name, str)(meant.id))
                compared += 1
    assert compared > 4_000


@pytest.mark.parametrize(
    ("provider", "asked", "found"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-haiku-5-5-20260901", "claude-haiku-5-5"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("openai", "gpt-6.1-terra-20261003", "gpt-6.1-terra"),
        ("azure", "gpt-4.1", "gpt-4.1"),
        ("gemini", "gemini-3.5-flash", "gemini-3.5-flash"),
        ("fireworks", "accounts/fireworks/models/glm-5p3", "accounts/fireworks/models/glm-5p3"),
        ("zai", "glm-4.6v", "glm-4.6v"),
    ],
)
def test_a_model_is_found_by_its_names(provider: str, asked: str, found: str) -> None:
    model = Catalogue.open().get(provider, asked)
    assert model is not None and model.id == found
    assert model.price is not None and model.price.input
    assert model.snapshot == "2026-11-10"


@pytest.mark.parametrize("name", ["", "no-such-model", "\0", "é" * 10_000, "gpt-4o/../x", "*", "/^.*$/"])
def test_a_name_nobody_knows_is_none_whatever_it_is(name: str) -> None:
    assert Catalogue.open().get("openai", name) is None
    assert Catalogue.open().get(name, "gpt-4o") is None
    assert Catalogue.open().providers_of(name) == ()


def test_the_providers_of_a_model_are_told_with_the_lenders_last() -> None:
    assert Catalogue.open().providers_of("gpt-4.1") == ("openai", "azure", "azure-deployments")
    assert Catalogue.open().providers_of("llama-3.3-70b-versatile") == ("groq",)


def test_gemini_does_not_claim_what_only_vertex_sells() -> None:
    assert Catalogue.open().get("gemini", "claude-sonnet-4-5") is None


def test_the_nearest_names_are_told() -> None:
    known = Catalogue.open()
    names = [model.id for model in known.models("anthropic")]
    assert known.nearest("claude-sonet-5-5", names)[0] == "claude-sonnet-5-5"
    assert known.nearest("x" * 100_000, names) == ()


def test_a_users_price_wins_and_replaces_the_whole_price() -> None:
    prices = {"openai/gpt-4o": {"input": "1"}, "lab/m": {"input": "2", "output": "3"}}
    known = Catalogue.open(overrides=prices)
    dated = known.get("openai", "gpt-4o-2024-11-20")
    assert dated is not None and dated.price == Price(input=DOLLAR)
    assert dated.snapshot.startswith("config-") and dated.context_window == 128_000
    assert [model.id for model in known.models("lab")] == ["m"]
    assert known.providers_of("m") == ("lab",)


def test_a_users_price_that_is_no_amount_is_named() -> None:
    with pytest.raises(ConfigError, match="prices of openai/gpt-4o: `input`"):
        Catalogue.open(overrides={"openai/gpt-4o": {"input": "cheap"}})


def test_nothing_is_read_before_the_first_question() -> None:
    def explode() -> dict[str, Any]:
        raise AssertionError("read too early")

    Catalogue(explode, {})


def small(now: str = "2026-06-01T12:00", raw: Any = RAW) -> Catalogue:
    snapshot = compact(raw, snapshot="2026-06-01", source="test", providers=OURS)
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    return Catalogue(lambda: json.loads(dump(snapshot)), {}, moment.timestamp)


def test_prices_are_exact_and_tiers_begin_above_their_start() -> None:
    model = small().get("gemini", "gem-2-pro")
    assert model is not None and model.name == "Gem 2" and model.context_window == 1000
    base = Price(input=100_000_000, output=4 * DOLLAR)
    assert model.price == Price(
        input=base.input, output=base.output, tiers=((201, Price(input=200_000_000, output=4 * DOLLAR)),)
    )
    assert small().get("gemini", "g2-20260101") == model


def test_what_we_cannot_count_makes_its_side_unknown() -> None:
    model = small().get("openai", "paint-1")
    assert model is not None and model.price == Price(input=DOLLAR)


def test_an_empty_price_is_free_only_where_the_name_says_so() -> None:
    free, unknown = small().get("openai", "gift:free"), small().get("openai", "riddle")
    assert free is not None and free.price is not None and (free.price.input, free.price.output) == (0, 0)
    assert unknown is not None and unknown.price is None


@pytest.mark.parametrize(
    ("now", "dollars"),
    [
        ("2026-06-01T12:00", 2),
        ("2026-06-01T21:59", 2),
        ("2026-06-01T22:00", 9),
        ("2026-06-02T03:59", 9),
        ("2026-06-02T04:00", 2),
        ("2026-12-31T12:00", 2),
        ("2027-01-01T12:00", 3),
    ],
)
def test_a_price_holds_from_its_day_on_and_at_its_hours(now: str, dollars: int) -> None:
    model = small(now).get("openai", "dated-v1")
    assert model is not None and model.price is not None and model.price.input == dollars * DOLLAR


def test_a_fee_for_a_thousand_calls_is_told_for_one() -> None:
    model = small().get("openai", "dated")
    assert model is not None and model.price is not None and model.price.request == 12_000_000


def test_one_model_asked_twice_across_new_year_changes_its_price() -> None:
    moments = iter((datetime(2026, 12, 31, 12, tzinfo=UTC), datetime(2027, 1, 1, 12, tzinfo=UTC)))
    known = Catalogue.open(now=lambda: next(moments).timestamp())
    before, after = known.get("gemini", "gemini-3.6-flash"), known.get("gemini", "gemini-3.6-flash")
    assert before is not None and before.price is not None and before.price.input == 750_000_000
    assert after is not None and after.price is not None and after.price.input == 1_500_000_000


@given(st.decimals(0, 999_999, places=9, allow_nan=False, allow_infinity=False))
def test_money_text_is_read_without_a_float(amount: Decimal) -> None:
    assert nanos(format(amount, "f")) == int(amount * DOLLAR)


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
