"""Who is trusted: the system's own certificates, and those of `SSL_CERT_FILE` and `SSL_CERT_DIR` beside them.

Host names are always checked. There is no switch that turns this off.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mini_llm.errors import TLSError

if TYPE_CHECKING:
    import ssl

# Where systems keep their bundle, for a Python whose OpenSSL was built to look elsewhere (as truststore does).
BUNDLES = (
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
)
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]")


class Trust:
    """The one TLS context of a process, made when first asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._context: ssl.SSLContext | None = None
        self._making = asyncio.Lock()

    async def context(self) -> ssl.SSLContext:
        """Return the context. Reading a bundle takes 25 ms, so that happens in a thread."""
        async with self._making:
            if self._context is None:
                self._context = await asyncio.to_thread(make_context, self._environ)
            return self._context


def make_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that checks certificate and host name, TLS 1.2 or later; TLSError if a named file is bad."""
    import ssl  # not for plain http

    context = _system_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        named = environ.get(variable)
        if not named:
            continue
        try:
            if variable == "SSL_CERT_FILE":
                context.load_verify_locations(cafile=named)
            else:
                context.load_verify_locations(capath=named)
        except OSError as error:  # ssl.SSLError is one
            raise TLSError(
                f"{variable}: no certificates in {named}", hint=f"unset {variable}, or correct it"
            ) from error
    return context


def _system_context() -> ssl.SSLContext:
    """Return a context that trusts what this system trusts."""
    import ssl

    if sys.platform in ("darwin", "win32"):  # there the store is no file; only truststore can ask it
        try:
            import truststore
        except ImportError:
            return ssl.create_default_context()
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Elsewhere truststore would read the same bundle again for every connection, on the event loop: 32 ms each
    # (0.10.5, 2026-11). A hashed folder costs nothing: OpenSSL opens the one certificate it needs.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    built_in = ssl.get_default_verify_paths()
    folder = Path(built_in.openssl_capath)
    if folder.is_dir() and any(_HASHED.fullmatch(entry.name) for entry in folder.iterdir()):
        context.load_verify_locations(capath=folder)
        return context
    for bundle in (built_in.openssl_cafile, *BUNDLES):
        if Path(bundle).is_file():
            context.load_verify_locations(cafile=bundle)
            break
    return context
