"""Who is trusted: the system's own certificates, and those of `SSL_CERT_FILE` and `SSL_CERT_DIR` beside them.

Certificates are read in two steps, since reading a bundle costs every start 25 ms. First comes what the system keeps in
a form that costs nothing; the rest only when a certificate was refused, and then the connection is tried once more.
What is trusted in the end is the same. Host names are always checked, and there is no switch that turns this off.
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
STORE_IS_NO_FILE = sys.platform in ("darwin", "win32")  # only truststore can ask it
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]")


class Trust:
    """The one TLS context of a transport, made when first asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.whole = False  # everything that is trusted has been read
        self._environ = environ
        self._context: ssl.SSLContext | None = None
        self._reading = asyncio.Lock()

    async def context(self) -> ssl.SSLContext:
        """Return the context. Files are read in a thread."""
        async with self._reading:
            if self._context is None:
                self._context = await asyncio.to_thread(make_context)
            return self._context

    async def complete(self) -> None:
        """Read the rest of what is trusted; raise TLSError for a variable that names no certificates."""
        context = await self.context()
        async with self._reading:
            if not self.whole:
                await asyncio.to_thread(read_rest, context, self._environ)
                self.whole = True


def make_context() -> ssl.SSLContext:
    """Return a context that asks for TLS 1.2 or later and checks certificate and host name."""
    import ssl  # not for plain http

    context = _system_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def read_rest(context: ssl.SSLContext, environ: Mapping[str, str]) -> None:
    """Add the system's bundle, if it has one, and the certificates the environment names."""
    bundle = _bundle()
    if bundle:
        context.load_verify_locations(cafile=bundle)
    for variable, kind in (("SSL_CERT_FILE", "cafile"), ("SSL_CERT_DIR", "capath")):
        named = environ.get(variable)
        if named and named != bundle:
            try:
                context.load_verify_locations(**{kind: named})
            except OSError as error:  # ssl.SSLError is one
                told = f"{variable}: no certificates in {named}"
                raise TLSError(told, hint=f"correct or unset {variable}") from error


def _system_context() -> ssl.SSLContext:
    """Return a context that trusts what this system keeps at hand."""
    import ssl

    if STORE_IS_NO_FILE:
        try:
            import truststore
        except ImportError:
            return ssl.create_default_context()
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Elsewhere truststore would read the bundle again for every connection, on the event loop: 32 ms each
    # (0.10.5, 2026-11). From a hashed folder OpenSSL opens the one certificate it needs.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    folder = Path(ssl.get_default_verify_paths().openssl_capath)
    if folder.is_dir() and any(_HASHED.fullmatch(entry.name) for entry in folder.iterdir()):
        context.load_verify_locations(capath=folder)
    elif bundle := _bundle():
        context.load_verify_locations(cafile=bundle)
    return context


def _bundle() -> str:
    """Return the file with all of this system's certificates, "" where there is none."""
    import ssl

    if STORE_IS_NO_FILE:
        return ""
    usual = ssl.get_default_verify_paths().openssl_cafile
    return next((path for path in (usual, *BUNDLES) if Path(path).is_file()), "")
