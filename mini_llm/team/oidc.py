"""The company's own sign-in: OpenID Connect, authorization code with PKCE, ID tokens checked by authlib.

What a sign-in under way needs lies in the browser's cookie alone. The issuer's answers may be wrong in every way: all
of them end as one CompanyError.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import orjson

from mini_llm.errors import MiniLLMError
from mini_llm.transport.tls import make_context, read_rest

if TYPE_CHECKING:
    import httpx
    from joserfc.jwt import Token

SCOPE = "openid email profile"
# Signatures of a key that the issuer alone has: `none` and those of a shared secret are never taken.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
SECONDS = 10.0
LARGEST = 512 * 1024
DOCUMENT_SECONDS = 3600.0
PATIENCE_SECONDS = 600.0  # how long somebody may take at the issuer's
LEEWAY = 60  # seconds its clock may be wrong
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class CompanyError(MiniLLMError):
    """The company's sign-in did not work. `why` is for the log, not for the visitor."""

    status = 502
    code = "company_sign_in"

    def __init__(self, why: str) -> None:
        super().__init__("nobody was signed in", hint="begin again; if that does not help, tell an admin")
        self.why = why

    def __str__(self) -> str:
        return self.why


class Client(NamedTuple):
    """What the server is at the issuer's."""

    issuer: str
    client_id: str
    client_secret: str = ""
    domains: tuple[str, ...] = ()


class Identity(NamedTuple):
    """Who the issuer says it is. `email` is one that it has verified, "" if there is none."""

    issuer: str
    subject: str
    email: str
    name: str


class Begun(NamedTuple):
    """A sign-in under way, all of which its browser carries: any process of the server can go on with it.

    What is sent to the issuer is derived from `secret`, `until` and `next`, so that none of them can be exchanged.
    """

    secret: str
    until: int
    next: str

    @property
    def carried(self) -> str:
        """Return what the browser's cookie holds."""
        return f"{self.secret}.{self.until}.{urlsafe_b64encode(self.next.encode()).decode().rstrip('=')}"

    def derived(self, purpose: str) -> str:
        """Return the value for one purpose: 43 letters, of which none tells another."""
        told = f"{purpose} {self.until} {self.next}".encode()
        return urlsafe_b64encode(hmac.digest(self.secret.encode(), told, "sha256")).decode().rstrip("=")


class OpenID:
    """Signs people in at one issuer. `now` is the wall time, *environ* names more certificates to trust."""

    def __init__(
        self, client: Client, *, environ: Mapping[str, str] | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self.client = client
        self._environ = environ or {}
        self._now = now
        self._document: tuple[float, dict[str, Any]] = (0.0, {})
        self._keys: dict[str, Any] | None = None

    @property
    def host(self) -> str:
        """The issuer's name, as people know it."""
        return urlsplit(self.client.issuer).hostname or self.client.issuer

    async def begin(self, redirect_uri: str, next: str) -> tuple[str, str]:
        """Return what the browser is to carry, and where to send it."""
        endpoint = (await self._discovered())["authorization_endpoint"]
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # 60 ms, for who has a company's sign-in

        begun = Begun(secrets.token_urlsafe(32), int(self._now() + PATIENCE_SECONDS), next)
        asked = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": begun.derived("state"),
            "nonce": begun.derived("nonce"),
            "code_challenge": create_s256_code_challenge(begun.derived("verifier")),
            "code_challenge_method": "S256",
        }
        return begun.carried, f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"

    async def finish(self, carried: str, told: Mapping[str, str], redirect_uri: str) -> tuple[Identity, str]:
        """Return who came back, and where they wanted to go. *carried* is the browser's cookie, *told* the query."""
        begun = _begun(carried)
        if begun is None or begun.until < self._now():
            raise CompanyError("no such sign-in is under way")
        if not hmac.compare_digest(begun.derived("state").encode(), told.get("state", "").encode()):
            raise CompanyError("this answer is for another browser")
        if told.get("iss", self.client.issuer) != self.client.issuer:  # RFC 9207
            raise CompanyError("another issuer answered")
        if "error" in told or not told.get("code"):
            raise CompanyError(f"the issuer refused: {told.get('error', 'no code')[:100]}")
        token = await self._token(begun, told["code"], redirect_uri)
        return self._identity(await self._claims(token, begun)), begun.next

    async def _discovered(self) -> dict[str, Any]:
        """Return what the issuer says of itself; asked anew once an hour."""
        when, document = self._document
        if document and 0 <= self._now() - when < DOCUMENT_SECONDS:
            return document
        found = await self._asked("GET", f"{self.client.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.client.issuer:
            raise CompanyError("the issuer calls itself by another name")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            self._check_url(found.get(name), name)
        self._document, self._keys = (self._now(), found), None
        return found

    async def _token(self, begun: Begun, code: str, redirect_uri: str) -> dict[str, Any]:
        """Exchange the code for tokens."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": begun.derived("verifier"),
        }
        headers = {}
        document, secret = await self._discovered(), self.client.client_secret
        ways = document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if secret and "client_secret_basic" in ways:
            pair = f"{quote(self.client.client_id, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self.client.client_id, **({"client_secret": secret} if secret else {})}
        return await self._asked("POST", document["token_endpoint"], form=form, headers=headers)

    async def _claims(self, token: Mapping[str, Any], begun: Begun) -> dict[str, Any]:
        """Return what the ID token says, once signature, issuer, audience, times and nonce are found right."""
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        told = token.get("id_token")
        if not isinstance(told, str):
            raise CompanyError("no ID token came")
        options = {
            "iss": {"essential": True, "value": self.client.issuer},
            "aud": {"essential": True, "value": self.client.client_id},
            "sub": {"essential": True},
        }
        params = {
            "nonce": begun.derived("nonce"),
            "client_id": self.client.client_id,
            "access_token": token.get("access_token"),
        }
        try:
            signed = await self._verified(told)
            claims = CodeIDToken(signed.claims, signed.header, options, params)
            claims.validate(now=int(self._now()), leeway=LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise CompanyError(f"the ID token is not good: {type(error).__name__}: {error}"[:200]) from None
        return dict(claims)

    async def _verified(self, told: str) -> Token:
        """Return the token, its signature checked with the issuer's keys; they are asked for anew if they changed."""
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError
        from joserfc.jwk import KeySet

        try:
            return jwt.decode(told, KeySet.import_key_set(await self._key_set()), ALGORITHMS)
        except InvalidKeyIdError:
            self._keys = None
            return jwt.decode(told, KeySet.import_key_set(await self._key_set()), ALGORITHMS)

    async def _key_set(self) -> Any:
        """Return the issuer's keys, as they came: who reads them checks them."""
        if self._keys is None:
            self._keys = await self._asked("GET", (await self._discovered())["jwks_uri"])
        return self._keys

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        subject, email, name = (claims.get(key) for key in ("sub", "email", "name"))
        verified = claims.get("email_verified") is True and isinstance(email, str) and len(email) <= 254
        mail = str(email) if verified else ""
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise CompanyError("the issuer does not say who it is")
        if self.client.domains and mail.rpartition("@")[2].lower() not in self.client.domains:
            raise CompanyError("the address is of none of the domains that are let in")
        return Identity(self.client.issuer, subject, mail, name[:200] if isinstance(name, str) else "")

    async def _asked(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Return the JSON object that the issuer answers: no redirects, no proxy, no more than 512 KiB, 10 s."""
        import httpx

        body = bytearray()
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._http(url) as client,
                client.stream(method, url, data=form, headers=headers) as response,
            ):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST:
                        raise CompanyError("the issuer's answer is too long")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise CompanyError(f"the issuer can't be reached: {type(error).__name__}") from None
        try:
            told = orjson.loads(bytes(body))
        except ValueError:
            told = None
        if response.status_code != 200 or not isinstance(told, dict):
            raise CompanyError(f"the issuer answered {response.status_code}")
        return told

    def _http(self, url: str) -> httpx.AsyncClient:
        import httpx

        context = None
        if url.startswith("https:"):
            context = make_context()
            read_rest(context, self._environ)
        return httpx.AsyncClient(
            verify=context or False,  # there is nothing to check on this machine
            timeout=SECONDS,
            trust_env=False,
            follow_redirects=False,
            headers={"accept": "application/json"},
        )

    def _check_url(self, url: object, name: str) -> None:
        """Refuse an endpoint that is not encrypted, unless issuer and endpoint are on this machine."""
        split = urlsplit(url) if isinstance(url, str) else urlsplit("")
        local = split.hostname in LOOPBACK and urlsplit(self.client.issuer).hostname in LOOPBACK
        if not (split.scheme == "https" or (split.scheme == "http" and local)) or not split.hostname:
            raise CompanyError(f"the issuer's {name} is no https address")


def _begun(carried: str) -> Begun | None:
    """Return the sign-in that a browser carries, None if that is none."""
    secret, _, rest = carried.partition(".")
    until, _, next = rest.partition(".")
    try:
        return Begun(secret, int(until), urlsafe_b64decode(f"{next}==").decode()) if secret else None
    except ValueError:
        return None
