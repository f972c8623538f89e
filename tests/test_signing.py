"""signing: what is signed is what is sent, with the right key, on a real socket; what is missing is told."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mini_llm.errors import ConfigError, CredentialError
from mini_llm.providers import SIGNED
from mini_llm.signing import WAYS
from tests.upstream import Bytes, Provider, Seen
from tests.world import World

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-west-1"}
CONVERSED = Bytes(
    json.dumps(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 5, "outputTokens": 9, "totalTokens": 14},
        }
    ).encode()
)
GEMINI = Bytes(
    b'{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]},"finishReason":"STOP"}],'
    b'"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":9,"totalTokenCount":14}}'
)


def aws(home: Path, provider: Provider, environ: dict[str, str], model: str = "m", **settings: Any) -> World:
    pytest.importorskip("botocore")
    base = provider.url.removesuffix("/v1")
    cloud = {"baseUrl": base, "dialect": "bedrock", "auth": "aws_sigv4", "models": [model], **settings}
    return World(home, {}, {"providers": {"cloud": cloud}}, environ)


def signature(seen: Seen, secret: str, region: str) -> str:
    """Return the signature of *seen*, worked out from Amazon's description alone."""
    credential, signed, _ = seen.headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    names = signed.removeprefix("SignedHeaders=").split(";")
    scope = credential.partition("/")[2]
    told = [f"{name}:{seen.headers[name]}\n" for name in names]
    path = quote(seen.path, safe="/~")  # a path that was encoded is encoded once more
    canonical = "\n".join([seen.method, path, "", "".join(told), ";".join(names), hashlib.sha256(seen.raw).hexdigest()])
    date = seen.headers["x-amz-date"]
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (date[:8], region, "bedrock", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign.encode(), "sha256").hex()


def test_what_amazon_gets_is_what_was_signed(tmp_path: Path) -> None:
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    with Provider(CONVERSED) as provider:
        answer = aws(tmp_path, provider, {**KEYS, "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2Vj"}, model).ask(
            "Grüße", model=f"cloud/{model}"
        )
        seen = provider.seen[0]
    assert answer.text == "Hello"
    assert seen.path == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert "/eu-west-1/bedrock/aws4_request" in seen.headers["authorization"]
    assert seen.headers["authorization"].rpartition("Signature=")[2] == signature(seen, SECRET, "eu-west-1")
    assert seen.headers["x-amz-security-token"] == "IQoJb3JpZ2luX2Vj"


def test_without_a_key_in_the_environment_the_users_own_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = filesecret\n", encoding="utf-8")
    environ = {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_DEFAULT_REGION": "eu-west-1"}
    with Provider(CONVERSED) as provider:
        aws(tmp_path / "home", provider, environ).ask(model="cloud/m")
        seen = provider.seen[0]
    assert "Credential=AKIDFILE/" in seen.headers["authorization"]
    assert seen.headers["authorization"].rpartition("Signature=")[2] == signature(seen, "filesecret", "eu-west-1")


def test_a_region_that_nobody_names_is_asked_for(tmp_path: Path) -> None:
    with Provider(CONVERSED) as provider:
        error = aws(tmp_path, provider, {**KEYS, "AWS_REGION": ""}).failure(model="cloud/m")
        assert isinstance(error, ConfigError) and "AWS_REGION" in error.hint
        assert provider.seen == []


def test_a_key_of_bedrocks_own_takes_the_place_of_a_signature(tmp_path: Path) -> None:
    cloud = {"keyEnv": "AWS_BEARER_TOKEN_BEDROCK", "models": ["m"]}
    with Provider(CONVERSED) as provider:
        cloud |= {"baseUrl": provider.url.removesuffix("/v1")}
        environ = {"AWS_BEARER_TOKEN_BEDROCK": "ABSKQmVkcm9ja0FQSUtleQ"}
        answer = World(tmp_path, {}, {"providers": {"bedrock": cloud}}, environ).ask(model="bedrock/m")
        assert answer.text == "Hello"
        assert provider.seen[0].headers["authorization"] == "Bearer ABSKQmVkcm9ja0FQSUtleQ"


def test_an_error_never_tells_a_secret_that_amazon_echoes(tmp_path: Path) -> None:
    echo = Bytes(json.dumps({"message": f"bad token IQoJb3JpZ2luX2Vj {SECRET}"}).encode(), status=403)
    with Provider(echo) as provider:
        error = aws(tmp_path, provider, {**KEYS, "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2Vj"}).failure(model="cloud/m")
    assert error.code == "upstream_auth"
    assert SECRET not in error.message and "IQoJb3JpZ2luX2Vj" not in error.message


def google(home: Path, provider: Provider, **settings: Any) -> World:
    """Return a world with a service account whose tokens come from *provider*."""
    pytest.importorskip("google.auth")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    base = provider.url.removesuffix("/v1")
    account = {
        "type": "service_account",
        "client_email": "me@example-project.iam.gserviceaccount.com",
        "private_key": key.decode(),
        "private_key_id": "1",
        "token_uri": f"{base}/token",
    }
    home.mkdir(exist_ok=True, mode=0o700)
    file = home / "account.json"
    file.write_text(json.dumps(account), encoding="utf-8")
    cloud = {"baseUrl": f"{base}/v1/projects/p/locations/global/publishers/google", "models": ["m"], **settings}
    return World(home, {}, {"providers": cloud_as(cloud)}, {"GOOGLE_APPLICATION_CREDENTIALS": str(file)})


def cloud_as(cloud: dict[str, Any]) -> dict[str, Any]:
    return {"vertex-anthropic" if cloud.pop("claude", False) else "vertex": cloud}


TOKEN = Bytes(b'{"access_token":"ya29.a0-token","expires_in":3600,"token_type":"Bearer"}')


def test_gemini_on_vertex_is_asked_with_a_token_that_is_fetched_once(tmp_path: Path) -> None:
    with Provider(TOKEN, GEMINI) as provider:
        world = google(tmp_path, provider)

        async def twice() -> list[str]:
            client = world.client()
            texts = [(await client.chat("Hi", model="vertex/m")).text for _ in range(2)]
            await world.runtime.close()
            return texts

        assert asyncio.run(twice()) == ["Hello", "Hello"]
        assert [seen.path for seen in provider.seen] == [
            "/token",
            "/v1/projects/p/locations/global/publishers/google/models/m:generateContent",
            "/v1/projects/p/locations/global/publishers/google/models/m:generateContent",
        ]
        assert provider.seen[1].headers["authorization"] == "Bearer ya29.a0-token"


def test_claude_on_vertex_is_asked_in_the_path_and_told_the_version_in_the_body(tmp_path: Path) -> None:
    said = {"id": "1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    content = {"content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 5, "output_tokens": 9}}
    with Provider(TOKEN, Bytes(json.dumps({**said, **content}).encode())) as provider:
        base = f"{provider.url}/projects/p/locations/global/publishers/anthropic"
        answer = google(tmp_path, provider, claude=True, baseUrl=base, models=["claude-sonnet-4-5@20250929"]).ask(
            model="vertex-anthropic/claude-sonnet-4-5@20250929"
        )
        assert answer.text == "Hello"
        seen = provider.seen[1]
        path = "/v1/projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5@20250929"
        assert seen.path == f"{path}:rawPredict"
        assert seen.body["anthropic_version"] == "vertex-2023-10-16" and "model" not in seen.body
        assert seen.headers["authorization"] == "Bearer ya29.a0-token"
        provider.script = [Bytes(b"", "text/event-stream")]
        world = google(tmp_path, provider, claude=True, baseUrl=base, models=["claude-sonnet-4-5@20250929"])
        provider.script = [TOKEN, Bytes(b"", "text/event-stream")]
        world.failure(stream=True, model="vertex-anthropic/claude-sonnet-4-5@20250929")
        assert provider.seen[3].path == f"{path}:streamRawPredict"


def test_a_service_account_that_google_refuses_is_told(tmp_path: Path) -> None:
    with Provider(Bytes(b'{"error":"invalid_grant","error_description":"account not found"}', status=400)) as provider:
        error = google(tmp_path, provider).failure(model="vertex/m")
    assert isinstance(error, CredentialError)
    assert "invalid_grant" in error.message and "gcloud auth" in error.hint


def test_each_way_to_sign_that_a_provider_can_name_is_there() -> None:
    assert set(WAYS) == set(SIGNED)
