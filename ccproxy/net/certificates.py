"""This module is why an upstream's certificate was not taken: OpenSSL's error says only that it was not."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.python.failure import Failure

_UNTRUSTED = "is signed by nobody whom this machine trusts"
# https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_REASONS = {
    9: "is not valid yet",
    10: "has expired",
    **dict.fromkeys((2, 18, 19, 20, 21, 27), _UNTRUSTED),
    23: "was revoked",
}


class CertificateError(Exception):
    """The upstream's certificate was not taken; the text says why, as the end of a sentence."""


def explained(reason: Failure, transport: object) -> Failure:
    """A better reason for the end of a connection, if its TLS handshake failed for the certificate; else the same one."""
    code = _verify_result(transport) if reason.check(SSL.Error) else 0
    if not code:
        return reason
    return Failure(CertificateError(_REASONS.get(code, f"was not taken by OpenSSL (error {code})")))


def _verify_result(transport: object) -> int:
    """What OpenSSL thought of the peer's certificate; 0 for nothing bad, or where that cannot be asked."""
    handle = transport.getHandle() if hasattr(transport, "getHandle") else None
    try:
        # pyOpenSSL has no public way; a callback of our own would replace the one with which Twisted checks the name.
        return int(SSL._lib.SSL_get_verify_result(handle._ssl))  # type: ignore[attr-defined, union-attr]
    except AttributeError:
        return 0
