"""From PEM files to the credentials of a server, and a renewed certificate without a restart.

gRPC speaks TLS 1.2 and 1.3 only. Its own word on a bad file is "handshake failed" for every client, so each
file is checked here, by the standard library, before gRPC sees it.
"""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path

import grpc

from automl_ad.errors import ConfigError
from automl_ad.rpc.options import TLSFiles
from automl_ad.rpc.security.tls_trial import why_untrusted
from automl_ad.rpc.security.watched_files import WatchedFiles, read_small, warn_of_readers

log = logging.getLogger(__name__)

CERTIFICATE, KEY, CLIENT_CA = "TLS certificate", "TLS key", "TLS client CA"
_RENEW = "renew it: new connections use a renewed certificate within a second"


def server_credentials(files: TLSFiles) -> grpc.ServerCredentials:
    """The credentials of a server; with `client_ca`, a client without a certificate of it is refused.

    New connections are shown the certificate that the files hold then. Files that do not fit together, as
    in the middle of a renewal, change nothing. Raises ConfigError naming the file and the rule it breaks.
    """
    paths = tuple(path for path in (files.certificate, files.key, files.client_ca) if path is not None)
    renewals = _Renewals(WatchedFiles(paths, lambda: _read(files)))
    return grpc.dynamic_ssl_server_credentials(
        renewals.first,
        renewals.next,  # type: ignore[arg-type]  # grpc's word for "no change" is None
        require_client_authentication=files.client_ca is not None,
    )


class _Renewals:
    """What gRPC asks for at every handshake, in several threads: the new certificate, or None for no change.

    gRPC's C core frees what it is given: the same object a second time corrupts the memory of the process.
    """

    def __init__(self, watched: WatchedFiles[grpc.ServerCertificateConfiguration]) -> None:
        self.first = watched.current()
        self._watched = watched
        self._given = self.first
        self._lock = threading.Lock()

    def next(self) -> grpc.ServerCertificateConfiguration | None:
        """A certificate that was not given before, if there is one."""
        with self._lock:
            current = self._watched.current()
            if current is self._given:
                return None
            self._given = current
            return current


def _read(files: TLSFiles) -> grpc.ServerCertificateConfiguration:
    certificate = _pem(files.certificate, CERTIFICATE, b"CERTIFICATE-----")
    key = _pem(files.key, KEY, b"PRIVATE KEY-----")
    client_ca = None if files.client_ca is None else _pem(files.client_ca, CLIENT_CA, b"CERTIFICATE-----")
    _require_plain(key, files)
    _require_pair(files)
    if client_ca is not None:
        _require_certificates(client_ca, files)
    warn_of_readers(files.key, KEY)
    return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=client_ca)


def _pem(path: Path, what: str, mark: bytes) -> bytes:
    content = read_small(path, what)
    if b"-----BEGIN " not in content or mark not in content:
        raise ConfigError(
            f"{what} {path} must be a PEM file with a line that ends in {mark.decode()}, got another one",
            "`openssl x509 -inform der -in FILE` turns DER into PEM",
        )
    return content


def _require_plain(key: bytes, files: TLSFiles) -> None:
    if b"ENCRYPTED" in key:
        raise ConfigError(
            f"{KEY} {files.key} must not be encrypted: nobody types its password when the service restarts",
            "`openssl pkey -in FILE` decrypts it; close the file to others",
        )


def _require_pair(files: TLSFiles) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            message = f"{KEY} {files.key} must belong to the certificate {files.certificate}, got another key"
            raise ConfigError(message, "give the key that the certificate was made for") from error
        raise ConfigError(
            f"{CERTIFICATE} {files.certificate} and {KEY} {files.key} must be readable PEM, "
            f"got: {error.reason or error}"
        ) from error
    _warn_of_dates(context, files)


def _warn_of_dates(context: ssl.SSLContext, files: TLSFiles) -> None:
    reason = why_untrusted(context, files.certificate)
    if reason:
        log.warning("%s %s: clients will refuse it: %s; %s", CERTIFICATE, files.certificate, reason, _RENEW)


def _require_certificates(client_ca: bytes, files: TLSFiles) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=client_ca.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{CLIENT_CA} {files.client_ca} must hold certificates, got: {error}") from error
