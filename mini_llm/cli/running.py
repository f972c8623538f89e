"""The gateway that runs on this machine, as its control API tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mini_llm.errors import MiniLLMError

if TYPE_CHECKING:
    from http.client import HTTPConnection
    from pathlib import Path

    from mini_llm.gateway.process import Record

SECONDS = 2.0
RECORD = "gateway.json"  # as gateway.process has it; looked for before that is loaded


class SilentError(MiniLLMError):
    """The gateway runs, and does not answer."""

    code = "no_answer"


def found(home: Path) -> Record | None:
    """Return the gateway that runs for *home*; nothing is loaded where there is no trace of one."""
    if not (home / RECORD).exists():
        return None
    from mini_llm.gateway import process

    return process.find(home)


def described(home: Path, record: Record) -> dict[str, Any]:
    """Return what the gateway says of itself and of its targets. Raises SilentError."""
    from mini_llm.gateway.tokens import Tokens

    fields = {"authorization": f"Bearer {Tokens(home).main()}"}
    connection = _connection(record)
    try:
        return {**_get(connection, "status", fields), **_get(connection, "targets", fields)}
    finally:
        connection.close()


def _get(connection: HTTPConnection, name: str, fields: dict[str, str]) -> dict[str, Any]:
    from http.client import HTTPException  # 20 ms: only where a gateway runs
    from json import loads

    try:
        connection.request("GET", f"/control/v1/{name}", headers=fields)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise SilentError(f"it answered {answer.status}")
        values: dict[str, Any] = loads(told)
    except (OSError, HTTPException, ValueError) as error:
        raise SilentError(str(error) or type(error).__name__) from error
    return values


def _connection(record: Record) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection

    url = urlsplit(record.url)
    assert url.hostname is not None
    if url.scheme == "http":
        return HTTPConnection(url.hostname, url.port, timeout=SECONDS)
    import ssl

    # Whoever has the very certificate that the gateway was started with is the gateway, by whatever name we call it.
    context = ssl.create_default_context(cafile=record.options.tls_cert)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return HTTPSConnection(url.hostname, url.port, timeout=SECONDS, context=context)
