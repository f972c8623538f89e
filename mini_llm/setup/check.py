"""Ask the gateway for one token, by the road and with the credential that the tool will use."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from mini_llm.errors import MiniLLMError

SECONDS = 120.0
HELPER_SECONDS = 30.0


class CheckError(MiniLLMError):
    """The tool would not get an answer so."""

    exit_code = 5
    code = "check_failed"


class Passed(NamedTuple):
    """An answer came. `model` is who gave it, as the gateway tells."""

    model: str
    seconds: float


def ask(url: str, route: str, token: str, model: str) -> Passed:
    """Ask for one token. Raises CheckError with the gateway's own words."""
    from http.client import HTTPException  # only here

    path, body, fields = _request(route, token, model)
    begun = time.monotonic()
    connection = _connection(url)
    try:
        headers = {"content-type": "application/json", **fields}
        connection.request("POST", path, body=json.dumps(body), headers=headers)
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, HTTPException) as error:
        raise CheckError(
            f"nobody answers at {url}: {error}", hint="`mini-llm status` tells whether the gateway runs"
        ) from error
    finally:
        connection.close()
    if answer.status != 200:
        raise CheckError(f"the gateway answered {answer.status}: {_message(said)}", hint=f"`mini-llm explain {model}`")
    by = "/".join(filter(None, (answer.getheader(f"x-mini-llm-{name}") for name in ("provider", "model"))))
    return Passed(by or model, time.monotonic() - begun)


def helped(command: Sequence[str]) -> str:
    """Run a helper command as the tool will, and return the token that it prints. Raises CheckError."""
    try:
        done = subprocess.run(  # noqa: S603
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=HELPER_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckError(f"{command[0]} can't be run: {error}") from error
    token = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode or not token:
        raise CheckError(f"the helper command fails: {done.stderr.decode('utf-8', 'replace').strip()[-500:]}")
    return token


def shell(line: str, platform: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the command that runs one line of the platform's shell."""
    if platform == "win32":
        return (environ.get("COMSPEC", "cmd.exe"), "/d", "/s", "/c", line)
    return ("/bin/sh", "-c", line)


def _request(route: str, token: str, model: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    bearer = {"authorization": f"Bearer {token}"}
    said = [{"role": "user", "content": "Hi"}]
    if route == "anthropic_messages":
        body = {"model": model, "max_tokens": 1, "messages": said}
        return "/v1/messages", body, {**bearer, "x-api-key": token, "anthropic-version": "2023-06-01"}
    if route == "openai_responses":
        return "/v1/responses", {"model": model, "input": "Hi", "max_output_tokens": 16, "store": False}, bearer
    if route == "gemini":
        contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
        body = {"contents": contents, "generationConfig": {"maxOutputTokens": 1}}
        return f"/v1beta/models/{quote(model)}:generateContent", body, {"x-goog-api-key": token}
    return "/v1/chat/completions", {"model": model, "max_tokens": 1, "messages": said}, bearer


def _connection(url: str) -> Any:
    from http.client import HTTPConnection, HTTPSConnection

    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=SECONDS)


def _message(said: bytes) -> str:
    """Return an error's own words, in whichever dialect it came."""
    try:
        error = json.loads(said)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return said.decode("utf-8", "replace")[:300] or "nothing"
