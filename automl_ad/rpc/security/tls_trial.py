"""A TLS handshake with oneself, in memory: whether clients that trust a certificate would accept it today.

The standard library parses no dates of a certificate that it was not shown in a handshake.
"""

from __future__ import annotations

import ssl
from pathlib import Path

_N_FLIGHTS = 6
"""TLS 1.3 needs three turns of each side at most."""


def why_untrusted(server: ssl.SSLContext, certificate: Path) -> str:
    """Why a client that trusts this very certificate refuses it, such as "certificate has expired"; or ""."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the certificate itself is the anchor
    client.load_verify_locations(certificate)
    try:
        _shake_hands(client, server)
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return ""


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for flight in range(_N_FLIGHTS):
        try:
            sides[flight % 2].do_handshake()
        except ssl.SSLWantReadError:
            continue
