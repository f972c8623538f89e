"""Say in a few words why a connection failed. What a peer sent is never quoted."""

from __future__ import annotations

import os
import socket
import sys


def of(error: BaseException) -> str:
    """Return "connection refused" and its like."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError):
        return "reset by peer"
    if isinstance(error, TimeoutError):
        return "connection timed out"
    if isinstance(error, socket.gaierror):
        return f"no such host ({error.strerror or 'unknown'})"
    if message := getattr(error, "verify_message", ""):
        return f"certificate refused: {message}"
    if isinstance(error, OSError) and error.errno and not is_tls(error):
        # asyncio puts its own sentence into `strerror`; on Windows `os.strerror` does not know the socket errors
        told = error.strerror if sys.platform == "win32" else os.strerror(error.errno)
        return (told or type(error).__name__).lower()
    return str(getattr(error, "reason", "") or error or type(error).__name__).lower().replace("_", " ")


def hint(error: BaseException) -> str:
    """Return what to try when a certificate's issuer is not known here, "" for everything else."""
    unknown_issuer = getattr(error, "verify_code", 0) in (18, 19, 20)  # X509_V_ERR_*: self-signed, no local issuer
    return (
        "if that authority is yours, put its certificate into a file and set `SSL_CERT_FILE`" if unknown_issuer else ""
    )


def is_certificate(error: BaseException | None) -> bool:
    """Return whether the peer's certificate was refused."""
    import ssl  # not for plain http

    return isinstance(error, ssl.SSLCertVerificationError)


def is_tls(error: BaseException) -> bool:
    """Return whether the error comes from TLS."""
    import ssl  # not for plain http

    return isinstance(error, ssl.SSLError)
