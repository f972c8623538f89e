"""A small company's sign-in, real enough to sign in with: discovery, codes with PKCE, tokens signed by a real key.

with Issuer() as issuer:
    issuer.says(email="ada@example.com")      # who signs in next
    issuer.lies = "audience"                  # and what is wrong with the answer
    OpenID(issuer.client())
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from mini_llm.team.oidc import Client

Lie = Literal[
    "", "audience", "another audience too", "nonce", "no nonce", "expired", "not yet", "no signature", "shared secret",
    "another key", "issuer", "issuer of the document", "no token", "no subject", "no expiry", "text", "redirect",
    "error", "long", "hash", "plain endpoint", "keys", "array",
]  # fmt: skip


class Issuer:
    """Serves on a free port of this machine. `asked` are the token requests that came, `now` its clock."""

    def __init__(self, *, client_id: str = "mini-llm", client_secret: str = "s3cret") -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.lies: Lie = ""
        self.asked: list[dict[str, str]] = []
        self.looks = 0  # how often its document was asked for
        self.now = time.time
        self.person: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.says()

    def __enter__(self) -> Issuer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def client(self, *domains: str) -> Client:
        """Return what a server that trusts this issuer is told."""
        return Client(self.url, self.client_id, self.client_secret, domains)

    def says(
        self, subject: str = "u-1", email: str = "ada@example.com", *, verified: object = True, **more: Any
    ) -> None:
        """Say who signs in from now on."""
        self.person = {"sub": subject, "email": email, "email_verified": verified, "name": "Ada", **more}

    def turn_keys(self) -> None:
        """Sign with a new key from now on, and publish that one alone."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)}, private=True)

    def visit(self, url: str) -> str:
        """Do what a browser and a person do there; return where the browser is sent back to."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert url.startswith(f"{self.url}/authorize?") and asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256" and asked["client_id"] == self.client_id
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        back = {"state": asked["state"], "iss": self.url}
        back |= {"error": "access_denied"} if self.lies == "error" else {"code": code}
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def _document(self) -> dict[str, Any]:
        self.looks += 1
        endpoint = "http://192.0.2.1" if self.lies == "plain endpoint" else self.url
        return {
            "issuer": "https://evil.example" if self.lies == "issuer of the document" else self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{endpoint}/token",
            "jwks_uri": f"{self.url}/keys",
        }

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        self.asked.append(form)
        expected = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if authorization != f"Basic {expected}":
            return 401, {"error": "invalid_client"}
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if not asked or _base64(digest) != asked["code_challenge"] or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        token = {"access_token": "at", "token_type": "Bearer", "id_token": self._signed(asked["nonce"])}
        if self.lies == "no token":
            del token["id_token"]
        return 200, [token] if self.lies == "array" else token

    def _signed(self, nonce: str) -> str:
        now, lies = int(self.now()), self.lies
        claims: dict[str, Any] = {
            "iss": "https://evil.example" if lies == "issuer" else self.url,
            "aud": "someone-else" if lies == "audience" else self.client_id,
            "iat": now,
            "exp": now - 3600 if lies == "expired" else now + 600,
            "nonce": "another" if lies == "nonce" else nonce,
            **self.person,
        }
        if lies == "another audience too":  # and not meant for us in the first place
            claims |= {"aud": [self.client_id, "someone-else"], "azp": "someone-else"}
        if lies == "not yet":
            claims["nbf"] = now + 3600
        if lies == "hash":
            claims["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA"
        for lie, claim in {"no nonce": "nonce", "no subject": "sub", "no expiry": "exp"}.items():
            if lies == lie:
                del claims[claim]
        if lies == "text":
            return "not a token"
        if lies == "no signature":
            return f"{_written({'alg': 'none', 'kid': self.key.kid})}.{_written(claims)}."
        if lies == "shared secret":  # the public key, taken for a secret
            text = f"{_written({'alg': 'HS256', 'kid': self.key.kid})}.{_written(claims)}"
            return f"{text}.{_base64(hmac.digest(self.key.as_pem(private=False), text.encode(), 'sha256'))}"
        key = RSAKey.generate_key(2048, {"kid": "one"}, private=True) if lies == "another key" else self.key
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, key)

    def _handler(issuer) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/.well-known/openid-configuration":
                    self._tell(200, issuer._document())
                elif self.path == "/keys":
                    key = issuer.key.as_dict(private=False)
                    self._tell(200, {"keys": "none" if issuer.lies == "keys" else [key]})
                else:
                    self._tell(404, {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                if issuer.lies == "redirect":
                    self.send_response(307)
                    self.send_header("location", f"{issuer.url}/elsewhere")
                    self.end_headers()
                elif issuer.lies == "long":
                    self._tell(200, {"padding": "x" * 2_000_000})
                else:
                    self._tell(*issuer._token(dict(parse_qsl(body)), self.headers.get("authorization", "")))

            def _tell(self, status: int, told: Any) -> None:
                body = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                with suppress(OSError):  # who asked had heard enough
                    self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def _written(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
