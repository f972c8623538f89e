"""Asking models through a team: who may, what is charged, what is told of it, and what is left when it goes wrong."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import pytest

from mini_llm.team import budgets, journal
from mini_llm.team.inference import Settling
from mini_llm.team.rights import Allowance
from mini_llm.team.roles import Operator
from mini_llm.team.store import Db
from mini_llm.team.teams import Terms
from tests.gateway.running import wait_for
from tests.team.serving import COST, DOLLAR, Serving, now, serving
from tests.upstream import Cut, Provider, Say, Status

HALF = Terms(discount_percent=50)


def test_an_answer_tells_who_gave_it_what_it_cost_and_what_is_left(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as lab, serving(tmp_path, {"lab": lab}, terms=HALF) as server:
        answer = server.chat()
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"] == "Hello"
        told = {name: answer.headers[f"x-passy-{name}"] for name in ("provider", "cost", "discount", "credits")}
        assert told == {"provider": "lab", "cost": "0.00001", "discount": "0.50", "credits": "4.99999"}
        assert answer.headers["x-passy-request-id"]
        assert server.settled().nanos == 5 * DOLLAR - COST // 2
        charge = server.charges()[0]
        assert (charge["provider"], charge["model"], charge["tool"]) == ("lab", "m", "python-httpx")
        assert (charge["input_tokens"], charge["output_tokens"]) == (10, 5)
        assert (charge["cost"], charge["paid"], charge["saved"]) == (COST, COST // 2, COST // 2)
        assert (charge["member"], charge["request"]) == (server.owner.id, answer.headers["x-passy-request-id"])
        assert lab.seen[0].headers["authorization"] == "Bearer sk-lab-0123456789"
        row = wait_for(lambda: next(iter(_rows(server)), None), "the ledger's row")
        assert (row["caller"], row["tool"], row["cost_nanos"]) == (charge["api_key"], "python-httpx", COST)
        one = server.client.get("/v1/models/m", headers=server.headers).json()
        assert one["pricing"] == {"input": "0.5", "output": "1"}


@pytest.mark.parametrize("path", ["chat/completions", "messages", "responses"])
def test_a_stream_tells_its_cost_with_its_usage(path: str, tmp_path: Path) -> None:
    dialect = "anthropic" if path == "messages" else "openai"
    with Provider(Say("Hello there")) as lab:
        providers = {"lab": {"baseUrl": lab.url, "models": ["m"], "apiKey": "sk-lab-0123456789", "dialect": dialect}}
        with serving(tmp_path, {"lab": lab}, {"providers": providers}, terms=HALF) as server:
            body: dict[str, Any] = {"model": "m", "stream": True}
            words = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
            body |= {"input": "Hi"} if path == "responses" else words
            body |= {"stream_options": {"include_usage": True}} if path == "chat/completions" else {}
            answer = server.client.post(f"/v1/{path}", json=body, headers=server.headers)
            assert answer.status_code == 200, answer.text
            events = [json.loads(line[6:]) for line in answer.text.splitlines() if line[:7] == "data: {"]
            usages = [event.get("usage") or (event.get("response") or {}).get("usage") for event in events]
            costs = [usage["cost"] for usage in usages if usage and "cost" in usage]
            assert costs == [0.00001]
            assert server.settled().nanos == 5 * DOLLAR - COST // 2


def test_the_cheapest_healthy_provider_answers_and_another_takes_its_place(tmp_path: Path) -> None:
    prices = {"dear/m": {"input": "10", "output": "20"}, "cheap/m": {"input": "1.00", "output": "2.00"}}
    with (
        Provider() as dear,
        Provider(Status(500)) as cheap,
        serving(tmp_path, {"dear": dear, "cheap": cheap}, {"prices": prices}) as server,
    ):
        cheap.script = [Say("cheap")]
        assert server.chat().headers["x-passy-provider"] == "cheap"
        cheap.script = [Status(500)]
        answer = server.chat()
        assert answer.headers["x-passy-provider"] == "dear"
        assert server.settled().nanos == 5 * DOLLAR - COST - 10 * COST
        assert [row["provider"] for row in server.charges(2)] == ["cheap", "dear"]


def test_nothing_is_charged_for_what_failed_before_content(tmp_path: Path) -> None:
    with Provider(Status(500)) as lab, serving(tmp_path, {"lab": lab}) as server:
        answer = server.chat()
        assert answer.status_code == 502
        assert answer.json()["error"]["type"] == "upstream_error"
        assert server.settled() == journal.Balance(5 * DOLLAR, 0)


def test_what_a_provider_has_against_our_own_key_is_no_fault_of_the_member(tmp_path: Path) -> None:
    for status in (401, 402, 403):
        home = tmp_path / str(status)
        with Provider(Status(status)) as lab, serving(home, {"lab": lab}) as server:
            answer = server.chat()
            assert (answer.status_code, answer.json()["error"]["type"]) == (502, "upstream_error")


def test_a_stream_that_breaks_is_charged_what_came_of_it(tmp_path: Path) -> None:
    with Provider(Cut("one two three four")) as lab, serving(tmp_path, {"lab": lab}) as server:
        answer = server.chat(stream=True)
        assert "error" in answer.text and "[DONE]" not in answer.text
        charge = server.charges()[0]
        assert charge["status"] == "partial" and charge["output_tokens"] >= 4
        assert server.settled().nanos == 5 * DOLLAR - charge["paid"]


def test_who_hangs_up_is_charged_what_was_used(tmp_path: Path) -> None:
    with Provider(Say("word " * 200, pause=0.05)) as lab, serving(tmp_path, {"lab": lab}) as server:
        asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        with server.client.stream("POST", "/v1/chat/completions", json=asked, headers=server.headers) as answer:
            for _, _ in zip(answer.iter_lines(), range(12), strict=False):
                pass
        charge = server.charges()[0]
        assert charge["status"] == "cancelled" and 0 < charge["output_tokens"] < 200
        assert wait_for(lambda: lab.seen[0].gone.is_set() or None, "the end of the provider's request")
        assert server.settled().nanos == 5 * DOLLAR - charge["paid"]


def test_without_credits_nothing_is_sent(tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}, terms=Terms(grant=100)) as server:
        answer = server.chat(max_tokens=1000)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (402, "insufficient_credits")
        assert error["balance"] == "0.0000001" and error["top_up_url"] == f"{server.url}/credits"
        assert not lab.seen and server.balance() == journal.Balance(100, 0)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "n": 100}),
        ("v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}),
    ],
)
def test_each_answer_that_a_request_asks_for_is_set_aside(path: str, asked: dict[str, Any], tmp_path: Path) -> None:
    # 5,000 tokens of output are paid for: enough for one answer, not for a hundred.
    with Provider() as lab, serving(tmp_path, {"lab": lab}, terms=Terms(grant=10_000_000)) as server:
        limit = {"max_tokens": 1000} if "messages" in asked else {}
        config = {"generationConfig": {"maxOutputTokens": 1000, "candidateCount": 100}}
        body = {**asked, **limit, **({} if limit else config)}
        answer = server.client.post(f"/{path}", json=body, headers=server.headers)
        most = [seen.body.get("max_tokens", seen.body.get("max_completion_tokens")) for seen in lab.seen]
        assert answer.status_code == 402 or most[0] <= 50, (answer.text, most)


@pytest.mark.parametrize("limit", [-1, -(10**6), -1.0])
def test_a_limit_of_less_than_nothing_is_no_way_around_the_credits(limit: float, tmp_path: Path) -> None:
    with Provider(Say("Hello")) as lab, serving(tmp_path, {"lab": lab}, terms=Terms(grant=10_000_000)) as server:
        answer = server.chat(max_tokens=limit)
        body = lab.seen[0].body
        assert 0 < (body.get("max_tokens") or body.get("max_completion_tokens") or 0) <= 5000, answer.text
        assert answer.status_code == 200


@pytest.mark.parametrize("name", ["background", "b\\u0061ckground"])
def test_nothing_goes_on_in_the_background_where_nobody_sees_what_it_costs(name: str, tmp_path: Path) -> None:
    with Provider() as lab:
        there = {"baseUrl": lab.url, "models": ["m"], "apiKey": "sk-lab-0123456789", "dialect": "openai_responses"}
        with serving(tmp_path, {"lab": lab}, {"providers": {"lab": there}}) as server:
            body = f'{{"model": "m", "input": "Hi", "{name}": true}}'
            headers = {**server.headers, "content-type": "application/json"}
            answer = server.client.post("/v1/responses", content=body, headers=headers)
            assert answer.status_code == 400 and answer.json()["error"]["message"].startswith("background")
            assert not lab.seen


def test_a_budget_that_is_spent_says_when_it_starts_anew(tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}) as server:
        member = server.member("ann@example.com")
        by = Operator(server.owner.team)
        server.write(lambda db: budgets.set(db, by, member.id, Allowance(50, "daily"), now()))
        token = server.key(member)
        answer = server.chat(token, max_tokens=1000)
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (402, "budget_exceeded")
        assert error["resets_at"].endswith("T00:00:00Z") and error["limit"] == "0.00000005"
        assert not lab.seen
        assert server.chat().status_code == 200  # the owner has no such budget


def test_a_key_asks_for_its_models_alone(tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}, {"aliases": {"fast": "lab/m"}}) as server:
        token = server.key(models=("fast",))
        assert server.chat(token, model="fast").status_code == 200
        for other in ("m", "lab/m"):
            answer = server.chat(token, model=other)
            assert (answer.status_code, answer.json()["error"]["type"]) == (403, "model_not_allowed")
        assert len(lab.seen) == 1


@pytest.mark.parametrize(
    "beside",
    [
        {"models": ["lab/m", "dear/opus"]},
        {"models": [{"model": "dear/opus"}]},
        {"fallbacks": ["dear/opus"]},
        {"fallbacks": [{"model": "dear/opus"}]},
        {"providerOptions": {"gateway": {"models": ["dear/opus"]}}},
        {"tools": [{"type": "advisor", "model": "dear/opus"}]},
    ],
)
def test_a_key_asks_for_no_other_model_beside_its_own(beside: dict[str, Any], tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}) as server:
        answer = server.chat(server.key(models=("lab/m",)), model="lab/m", **beside)
        assert (answer.status_code, answer.json()["error"]["type"]) == (403, "model_not_allowed")
        assert "dear/opus" in answer.json()["error"]["message"] and not lab.seen


@pytest.mark.parametrize(
    "beside", [{"models": ["m", "lab/n"]}, {"models": None}, {"models": 3, "tools": [4], "providerOptions": []}]
)
def test_what_a_key_may_use_it_may_name_beside_its_model(beside: dict[str, Any], tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}) as server:
        assert server.chat(server.key(models=("lab/*",)), model="lab/m", **beside).status_code != 403


def test_a_key_for_usage_alone_asks_no_model(tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}) as server:
        token = server.key(scopes=frozenset({"usage"}))
        assert server.chat(token).status_code == 403
        assert not lab.seen


def test_a_price_nobody_knows_is_never_free(tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}, {"prices": {}}) as server:
        answer = server.chat()
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "price_unknown")
        assert not lab.seen


def test_a_provider_that_asks_to_slow_down_is_told_with_its_wait(tmp_path: Path) -> None:
    with Provider(Status(429, headers={"retry-after": "7"})) as lab, serving(tmp_path, {"lab": lab}) as server:
        answer = server.chat()
        assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rate_limited")
        assert answer.headers["retry-after"] == "7"


def test_what_the_operator_has_to_mend_is_not_told_to_members(tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}, {"providers": {}}) as server:
        for model, status in {"m": 404, "openai/gpt-5.5": 502, "nobody/m": 502}.items():
            answer = server.chat(model=model)
            assert (answer.status_code, model) == (status, model)
            assert not [word for word in ("API_KEY", "providers add", "mini-llm login") if word in answer.text]


def test_errors_come_in_the_dialect_of_the_caller(tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}, terms=Terms(grant=1)) as server:
        body = {"model": "m", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hi"}]}
        answer = server.client.post("/v1/messages", json=body, headers={"x-api-key": server.token})
        assert answer.status_code == 402
        assert answer.json()["type"] == "error" and answer.json()["error"]["type"] == "insufficient_credits"


def test_many_at_once_never_overdraw_the_team(tmp_path: Path) -> None:
    """200 at once, with credits for about 50: each answer costs what was set aside at most."""
    cost = 1 * 1000 + 5 * 2000
    script = Say("Hello", usage=(1, 5))
    with Provider(script) as lab, serving(tmp_path, {"lab": lab}, terms=Terms(grant=50 * cost)) as server:
        with ThreadPoolExecutor(100) as pool:
            statuses = list(pool.map(lambda _: server.chat(max_tokens=5).status_code, range(200)))
        assert set(statuses) <= {200, 402} and 200 in statuses and 402 in statuses
        left = server.settled()
        assert left.nanos >= 0
        answered = statuses.count(200)
        assert left.nanos == 50 * cost - answered * cost
        rows = server.charges(answered)
        assert len(rows) == answered == len(lab.seen)
        sums = server.write(lambda db: [nanos for (nanos,) in db.execute("SELECT sum(nanos) FROM posting")])
        assert sums == [0]


def test_an_embedding_is_paid_as_well(tmp_path: Path) -> None:
    from tests.upstream import Bytes

    told = {
        "object": "list",
        "data": [{"index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    with Provider(Bytes(json.dumps(told).encode())) as lab, serving(tmp_path, {"lab": lab}) as server:
        asked = {"model": "m", "input": "four tokens or so"}
        answer = server.client.post("/v1/embeddings", json=asked, headers=server.headers)
        assert answer.status_code == 200, answer.text
        assert server.settled().nanos == 5 * DOLLAR - 4 * 1000


def _rows(server: Serving) -> list[dict[str, Any]]:
    """Return the ledger's rows; there is no ledger before the first."""
    try:
        return server.world.rows()
    except (apsw.CantOpenError, apsw.SQLError):
        return []


def test_a_charge_that_cannot_be_booked_holds_up_no_other(tmp_path: Path) -> None:
    with Provider() as lab, serving(tmp_path, {"lab": lab}) as server:
        booked: list[int] = []

        def broken(db: Db) -> None:
            booked.append(0)
            raise ArithmeticError("this one is wrong")

        def settle() -> None:
            settling = Settling(server.store)
            settling.add(lambda db: booked.append(1))
            settling.add(broken)
            settling.add(lambda db: booked.append(2))

        server.loop.call_soon_threadsafe(settle)
        wait_for(lambda: booked.count(2) or None, "the last one")
        assert booked == [1, 0, 1, 0, 2]  # together, then each alone


def test_what_members_say_is_kept_nowhere_whatever_the_config_says(tmp_path: Path) -> None:
    with Provider(Say("Hello")) as lab, serving(tmp_path, {"lab": lab}, {"history": True}) as server:
        assert server.chat().status_code == 200
        server.charges()
        assert server.world.runtime.loaded.config.history
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if path.name.startswith("history") or b"Hello" in path.read_bytes()]
