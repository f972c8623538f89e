"""The wallet's models, kept on disk and asked for with an ETag."""

from __future__ import annotations

from pathlib import Path

import pytest

from mini_llm.credentials import Secret
from mini_llm.errors import MiniLLMError
from mini_llm.types import Price
from mini_llm.wallet import models
from mini_llm.wallet.models import Offer, Offers
from tests.hostile import Script, answer, flood
from tests.wallet.asking import ask
from tests.wallet.server import KEY, MODELS, Served, told, wallet

ETAG = '"abc"'


def fetched(server: Served, cache: Path, now: float = 100.0) -> Offers:
    key = Secret(KEY, origin=server.url, reference="test")
    return ask(lambda service: models.fetch(service, server.api, key, cache, now=lambda: now))


def test_models_and_their_prices_are_read_and_kept(tmp_path: Path) -> None:
    with wallet() as server:
        found = fetched(server, tmp_path)
        assert models.kept(tmp_path, server.api) == found
        assert models.kept(tmp_path, "https://api.passy.ai/v1") is None
    llama = Offer("llama-70b", 131072, (), Price(540_000_000, 710_000_000, None))
    assert found.models == (llama, Offer("gpt-5.5", 0, ("tools",), None))
    assert found.prices() == {"passy/llama-70b": llama.price}


def test_what_did_not_change_is_not_sent_again(tmp_path: Path) -> None:
    with wallet() as server:
        server.scripts["/v1/models"] = [told(MODELS, headers=[("etag", ETAG)]), answer(b"", status=304)]
        first, second = fetched(server, tmp_path), fetched(server, tmp_path, now=200.0)
        asked = server.asked("/v1/models")
    assert [request.header("if-none-match") for request in asked] == ["", ETAG]
    assert (second.models, second.seen_at) == (first.models, 200.0)


@pytest.mark.parametrize(
    "script", [answer(b"", status=304), answer(b"{}"), answer(b"", status=500), told({"data": [1] * 20_001}), flood()]
)
def test_an_answer_that_is_none_leaves_what_was_kept(script: Script, tmp_path: Path) -> None:
    with wallet() as server:
        before = fetched(server, tmp_path)
        if script == answer(b"", status=304):
            (tmp_path / models.FILE).write_text("{damaged")  # so nothing is known to be unchanged
        server.scripts["/v1/models"] = script
        with pytest.raises(MiniLLMError):
            fetched(server, tmp_path)
        kept = models.kept(tmp_path, server.api)
    assert kept in (before, None)


def test_entries_that_make_no_sense_are_left_out() -> None:
    odd = [
        *(7, {}, {"id": "a b"}, {"id": "x" * 300}, {"id": "\x1b[2J"}),
        {"id": "m", "context_window": -1, "capabilities": "all", "pricing": {"input": "-1", "output": 2}},
    ]
    assert models.read({"data": odd}, "host") == (Offer("m", 0, (), None),)
