"""Who is let in: every Host, Origin, spelling of a token and type of body, as raw bytes over real sockets."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mini_llm.errors import MiniLLMError
from mini_llm.gateway.guard import SLOTS, Guard, GuardError, hosts
from mini_llm.gateway.request import Request
from mini_llm.gateway.tokens import MAIN, Caller, Tokens, digest
from tests.gateway.running import InThread, running
from tests.upstream import Provider

TOOL = Caller("claude", "claude")
ORIGIN = "https://good.example"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def gateway(upstream: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InThread]:
    home = tmp_path_factory.mktemp("guard") / "home"
    with running(home, {"lab": upstream}, {"default": "lab/m"}) as gateway:
        known = {digest(gateway.token): MAIN, digest(Tokens(home).create("claude")): TOOL}
        gateway.gateway.guard = Guard(hosts(gateway.port, ["llm.example"]), known, origins=[ORIGIN])
        yield gateway


def ask(gateway: InThread, line: str, *fields: str, body: bytes = b"", token: str | None = "") -> int:
    """Return the status of the answer to *line* with *fields*; `{port}` is the gateway's, *token* None for none."""
    bearer = [f"Authorization: Bearer {token or gateway.token}"] if token is not None else []
    head = "\r\n".join([f"{line} HTTP/1.1", "Connection: close", *bearer, *fields]).replace("{port}", str(gateway.port))
    if body:
        head += f"\r\nContent-Length: {len(body)}"
    return status_of(gateway.port, head.encode("latin-1") + b"\r\n\r\n" + body)


def status_of(port: int, raw: bytes) -> int:
    """Return the status of the first answer to *raw*, 0 if there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(raw)
        answer = b""
        while b"\r\n" not in answer and (piece := connection.recv(65536)):
            answer += piece
    return int(answer.split(b" ")[1]) if answer else 0


HERE = "Host: 127.0.0.1:{port}"
JSON = "Content-Type: application/json"
CHAT = b'{"messages":[{"role":"user","content":"Hi"}]}'

HOSTS = {
    HERE: 0,
    "Host: localhost:{port}": 0,
    "Host: LOCALHOST:{port}": 0,
    "Host: [::1]:{port}": 0,
    "Host: llm.example": 0,
    "Host: llm.example:{port}": 0,
    "X-No: host": 400,
    "Host:": 400,
    "Host: 127.0.0.1:{port}\r\nHost: 127.0.0.1:{port}": 400,
    "Host: 127.0.0.1:{port}\r\nHost: evil.example": 400,
    "Host: 127.0.0.1:{port}/v1": 400,
    "Host: 127.0.0.1:{port}?x=": 400,
    "Host: 127.0.0.1:{port}#x": 400,
    "Host: user@127.0.0.1:{port}": 400,
    "Host: evil.example\\127.0.0.1:{port}": 400,
    "Host: 127.0.0.1:{port}, evil.example": 400,
    "Host: 127.0.0.1": 421,
    "Host: 127.0.0.1:1": 421,
    "Host: evil.example": 421,
    "Host: evil.example:{port}": 421,
    "Host: 127.0.0.1.evil.example:{port}": 421,
    "Host: localhost.:{port}": 421,
    "Host: 127.1:{port}": 421,
    "Host: 0.0.0.0:{port}": 421,
    "Host: llm.example:1": 421,
}
ORIGINS = {
    "X-No: origin": 0,
    f"Origin: {ORIGIN}": 0,
    "Origin: null": 403,
    "Origin:": 403,
    "Origin: http://127.0.0.1:{port}": 403,
    f"Origin: {ORIGIN}.evil.example": 403,
    f"Origin: {ORIGIN}\r\nOrigin: https://evil.example": 403,
    "Origin: https://evil.example": 403,
}
ROUTES = {
    "GET /livez": 200,
    "GET /": 200,
    "HEAD /": 200,
    "GET /v1/models": 200,
    "POST /v1/chat/completions": 200,
    "OPTIONS /v1/chat/completions": 405,
    "GET /nowhere": 404,
    "GET /v1/../livez": 404,
}


def test_host_and_origin_are_checked_on_every_route_whatever_else_a_request_carries(gateway: InThread) -> None:
    wrong = []
    for (host, no), (origin, foreign), (line, usual) in itertools.product(
        HOSTS.items(), ORIGINS.items(), ROUTES.items()
    ):
        body = CHAT if line.startswith("POST") else b""
        found = ask(gateway, line, host, origin, *([JSON] if body else []), body=body)
        if found != (no or foreign or usual):
            wrong.append((line, host, origin, found))
    assert not wrong


def test_the_three_known_holes_in_such_checks_are_closed(gateway: InThread, upstream: Provider) -> None:
    before = len(upstream.seen)
    # A page behind a rebound name sends no Origin with a GET, and a Host of its own.
    assert ask(gateway, "GET /v1/models", "Host: rebound.example:{port}") == 421
    # Origin and Host agree with each other, and with nothing else.
    same = ["Host: rebound.example:{port}", "Origin: http://rebound.example:{port}"]
    assert ask(gateway, "POST /v1/chat/completions", *same, JSON, body=CHAT) == 421
    # A path that begins with an open one and leads elsewhere.
    assert ask(gateway, "GET /livez/../v1/models", HERE, token=None) == 404
    assert ask(gateway, "GET /livez/%2e%2e/v1/models", HERE, token=None) == 404
    assert ask(gateway, "GET //v1/models", HERE, token=None) == 404
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\n%bContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\n%bContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /v1/chat/completions HTTP/1.1\r\n%bContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        b"POST /v1/chat/completions HTTP/1.1\r\n%bContent-Length: +4\r\n\r\nabcd",
        b"GET /livez HTTP/1.1\r\n%bX-Long: a\r\n folded\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n%bX-A: a\nX-B: b\r\n\r\n",
        b"GET /livez HTTP/1.1\n%b\n",
        b"GET /livez HTTP/1.1\r\n%bX-A : a\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n%bX-A: a\x01b\r\n\r\n",
        b"GET /livez HTTP/1.1\r\n%bX-A: a\x00b\r\n\r\n",
        b"GET http://127.0.0.1/livez HTTP/1.1\r\n%b\r\n",
        b"GET https://evil.example/livez HTTP/1.1\r\n%b\r\n",
        b"OPTIONS * HTTP/1.1\r\n%b\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\n%b\r\n",
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_refused(gateway: InThread, raw: bytes) -> None:
    assert status_of(gateway.port, raw % f"Host: 127.0.0.1:{gateway.port}\r\n".encode()) == 400


def test_a_trailer_changes_nothing(gateway: InThread, upstream: Provider) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n{JSON}\r\nConnection: close\r\n"
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(CHAT), CHAT)
    late = f"Authorization: Bearer {gateway.token}\r\n\r\n".encode()
    assert status_of(gateway.port, head.encode() + chunks + late) == 401
    early = f"{head}Authorization: Bearer {gateway.token}\r\n".encode()
    assert status_of(gateway.port, early + chunks + b"Host: evil.example\r\nX-Api-Key: other\r\n\r\n") == 200


@pytest.mark.parametrize("slot", SLOTS)
def test_every_spelling_of_a_token_has_the_same_rules(gateway: InThread, slot: str) -> None:
    prefix = "Bearer " if slot == "authorization" else ""

    def status(token: str) -> int:
        return ask(gateway, "GET /v1/models", HERE, f"{slot}: {prefix}{token}", token=None)

    assert status(gateway.token) == 200
    assert status(Tokens(gateway.world.home).create("claude")) == 200
    wrong = ["", "x", gateway.token[:-1], gateway.token + "x", gateway.token.swapcase(), f"{gateway.token} x", "é" * 40]
    wrong += ["ml-" + "x" * 43, "x" * 20_000, "' OR 1=1 --", "%00", gateway.token + "\t\xff"]
    assert {status(token) for token in wrong} == {401}


def test_one_request_carries_one_credential(gateway: InThread) -> None:
    token = gateway.token

    def status(*fields: str) -> int:
        return ask(gateway, "GET /v1/models", HERE, *fields, token=None)

    assert status(f"Authorization: Bearer {token}", f"X-Api-Key: {token}") == 200  # Claude Code's apiKeyHelper
    assert status(f"authorization: bearer {token}", "X-Api-Key:") == 200
    assert status(f"Authorization: Bearer {token}", "X-Api-Key: other") == 400
    assert status(f"X-Goog-Api-Key: {token}", "Api-Key: other") == 400
    assert status(f"Authorization: Bearer {token}", f"Authorization: Bearer {token}") == 400
    assert status("Authorization: Basic YTpi", f"X-Api-Key: {token}") == 400
    assert status(f"Authorization: Basic {token}") == 401
    assert status() == 401


@pytest.mark.parametrize(
    "query", ["key={}", "alt=sse&key={}", "%6bey={}", "KEY={}", "api_key={}", "access_token={}", "key"]
)
def test_a_key_in_the_url_is_refused_even_if_it_is_the_right_one(gateway: InThread, query: str) -> None:
    path = f"/v1beta/models/m:generateContent?{query.format(gateway.token)}"
    assert ask(gateway, f"POST {path}", HERE, JSON, token=None, body=b"{}") == 400
    assert ask(gateway, f"POST {path}", HERE, JSON, body=b"{}") == 400


def test_no_post_that_a_web_page_can_send_unasked_reaches_a_provider(gateway: InThread, upstream: Provider) -> None:
    before = len(upstream.seen)
    simple = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "",
        "x",
    ]
    for kind in simple:
        for token in (gateway.token, None):  # a beacon has no token, but should one have it
            found = ask(gateway, "POST /v1/chat/completions", HERE, f"Content-Type: {kind}", body=CHAT, token=token)
            assert found == (415 if token else 401), kind
    assert ask(gateway, "POST /v1/chat/completions", HERE, body=CHAT) == 415
    assert ask(gateway, "POST /v1/chat/completions", HERE, JSON, "Content-Type: text/plain", body=CHAT) == 415
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"]
)
def test_every_way_of_saying_json_is_taken(gateway: InThread, kind: str) -> None:
    assert ask(gateway, "POST /v1/chat/completions", HERE, f"Content-Type: {kind}", body=CHAT) == 200


def test_only_the_main_token_is_an_admin() -> None:
    guard = Guard(["h"], {digest("main-token-0123456789"): MAIN, digest("tool-token-0123456789"): TOOL})
    as_main, as_tool = _request("main-token-0123456789"), _request("tool-token-0123456789")
    assert guard.check_caller(as_main, "admin") == MAIN
    assert guard.check_caller(as_tool, "caller") == TOOL
    with pytest.raises(GuardError) as refused:
        guard.check_caller(as_tool, "admin")
    assert refused.value.status == 403


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_two_tokens_share_an_identity(start: str, end: str) -> None:
    real = "ml-0123456789abcdef"
    guard = Guard(["h"], {digest(real): MAIN})
    for token in (start, real + end, start + real, real[: len(start)]):
        bare = token.strip()
        try:
            assert guard.check_caller(_request(token), "caller") == MAIN and bare == real
        except MiniLLMError as error:
            assert isinstance(error, GuardError) and bare != real


@pytest.mark.parametrize(
    ("peer", "chain", "client"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),  # what is left of it the client wrote itself
        ("10.0.0.1", "203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("127.0.0.1", "203.0.113.9", "127.0.0.1"),
        ("", "203.0.113.9", ""),
    ],
)
def test_a_forwarded_address_counts_from_the_configured_proxy_alone(peer: str, chain: str, client: str) -> None:
    guard = Guard(["h"], {}, proxies=[ip_network("10.0.0.0/8")])
    request = Request("GET", "/", "", {"x-forwarded-for": chain} if chain else {}, peer=peer)
    assert guard.client(request) == client
    assert Guard(["h"], {}).client(request) == peer


@pytest.mark.parametrize(
    ("peer", "tls", "enters"),
    [
        ("10.1.2.3", False, True),
        ("::ffff:10.1.2.3", False, True),
        ("127.0.0.1", False, True),
        ("::1", False, True),
        ("", False, True),
        ("192.0.2.1", False, False),
        ("192.0.2.1", True, True),
        ("fe80::1%eth0", False, False),
        ("nonsense", False, False),
    ],
)
def test_behind_a_proxy_nobody_else_comes_in_without_tls(peer: str, tls: bool, enters: bool) -> None:
    request = Request("GET", "/", "", {"host": "h"}, peer=peer, tls=tls)
    Guard(["h"], {}).check_origin(request)
    guard = Guard(["h"], {}, proxies=[ip_network("10.0.0.0/8")])
    if enters:
        guard.check_origin(request)
        return
    with pytest.raises(GuardError) as refused:
        guard.check_origin(request)
    assert refused.value.status == 403


def test_tokens_are_made_once_kept_private_and_revoked(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "home")
    main, tool = tokens.main(), tokens.create("claude")
    assert main.startswith("ml-") and len(main) == 46 and main != tool
    assert (tokens.main(), tokens.create("claude"), tokens.tools()) == (main, tool, ("claude",))
    for path in (tmp_path / "home" / "gateway.token", tmp_path / "home" / "tokens" / "claude"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert tokens.callers() == {digest(main): MAIN, digest(tool): TOOL}
    assert tokens.revoke("claude") and not tokens.revoke("claude")
    assert tokens.callers() == {digest(main): MAIN}
    assert tokens.create("claude") != tool


@pytest.mark.parametrize("name", ["", "..", "../gateway.token", "a/b", "A", ".hidden", "x" * 64, "a.lock"])
def test_a_tool_with_a_strange_name_gets_no_token(tmp_path: Path, name: str) -> None:
    with pytest.raises(MiniLLMError):
        Tokens(tmp_path / "home").create(name)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("content", [b"", b"short", b"two words of a token", b"\xff" * 40, b"x" * 5000])
def test_a_file_that_holds_no_token_lets_nobody_in(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "gateway.token").write_bytes(content)
    (tmp_path / "gateway.token").chmod(0o600)
    with pytest.raises(MiniLLMError):
        Tokens(tmp_path).callers()


def test_a_token_that_others_could_read_is_not_used(tmp_path: Path) -> None:
    Tokens(tmp_path).main()
    (tmp_path / "gateway.token").chmod(0o644)
    with pytest.raises(MiniLLMError):
        Tokens(tmp_path).callers()


def _request(token: str) -> Request:
    return Request("GET", "/", "", {"authorization": f"Bearer {token}"})
