"""TLS of the host: real handshakes, clients that are refused, files that are refused, and renewal."""

from __future__ import annotations

import asyncio
import datetime
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest
import trustme

from automl_ad.errors import ConfigError
from automl_ad.rpc.options import TLSFiles
from automl_ad.rpc.security.tls import server_credentials

YEAR_2001, YEAR_2002 = datetime.datetime(2001, 1, 1), datetime.datetime(2002, 1, 1)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def other_ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(ca: trustme.CA, tmp_path: Path) -> TLSFiles:
    files = TLSFiles(certificate=tmp_path / "server.pem", key=tmp_path / "server.key")
    write(ca.issue_cert("localhost"), files)
    return files


@pytest.fixture
def mutual_files(files: TLSFiles, ca: trustme.CA, tmp_path: Path) -> TLSFiles:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return TLSFiles(certificate=files.certificate, key=files.key, client_ca=tmp_path / "ca.pem")


def write(certificate: trustme.LeafCert, files: TLSFiles) -> None:
    files.certificate.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    files.key.write_bytes(certificate.private_key_pem.bytes())
    files.key.chmod(0o600)


async def echo(request: bytes, _context: object) -> bytes:
    return request


async def started(files: TLSFiles) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", {"Echo": handler}),))
    port = server.add_secure_port("127.0.0.1:0", server_credentials(files))
    await server.start()
    return server, port


@contextmanager
def serving(files: TLSFiles) -> Iterator[int]:
    """The port of a server with the credentials of the files."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def result(coroutine: object) -> object:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    try:
        server, port = result(started(files))
        yield port
        result(server.stop(0))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def call(port: int, ca: trustme.CA, client: trustme.LeafCert | None = None) -> bytes:
    credentials = grpc.ssl_channel_credentials(
        ca.cert_pem.bytes(),
        None if client is None else client.private_key_pem.bytes(),
        None if client is None else client.cert_chain_pems[0].bytes(),
    )
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        return channel.unary_unary("/test/Echo")(b"hello", timeout=10)


def serial_number(port: int, ca: trustme.CA) -> str:
    """Of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        return secure.getpeercert()["serialNumber"]


def test_a_client_that_trusts_the_ca_is_answered(files, ca):
    with serving(files) as port:
        assert call(port, ca) == b"hello"


def test_a_client_that_trusts_another_ca_goes_away(files, other_ca):
    with serving(files) as port, pytest.raises(grpc.RpcError) as refused:
        call(port, other_ca)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_client_without_tls_is_not_answered(files):
    with (
        serving(files) as port,
        grpc.insecure_channel(f"localhost:{port}") as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        channel.unary_unary("/test/Echo")(b"hello", timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_with_a_client_ca_its_clients_are_answered_and_no_others(mutual_files, ca, other_ca):
    with serving(mutual_files) as port:
        assert call(port, ca, ca.issue_cert("client")) == b"hello"
        for stranger in (None, other_ca.issue_cert("client")):
            with pytest.raises(grpc.RpcError) as refused:
                call(port, ca, stranger)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
@pytest.mark.parametrize(("version", "is_spoken"), [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_tls_below_1_2_is_refused(files, version, is_spoken):
    with serving(files) as port:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-alpn", "h2"]
        command += ["-cipher", "DEFAULT@SECLEVEL=0"]  # else openssl itself refuses 1.1 before it asks
        talk = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False)
    assert b"no protocols available" not in talk.stderr  # openssl did ask
    assert (b"Cipher is (NONE)" in talk.stdout) is not is_spoken


@pytest.fixture
def looks_always(monkeypatch) -> None:
    """Files are looked at for every connection, not once a second."""
    monkeypatch.setattr("automl_ad.rpc.security.watched_files.LOOK_S", 0.0)


@pytest.mark.usefixtures("looks_always")
def test_a_renewed_certificate_is_shown_to_new_connections(files, ca):
    with serving(files) as port:
        before = serial_number(port, ca)
        write(ca.issue_cert("localhost"), files)
        assert serial_number(port, ca) != before
        assert call(port, ca) == b"hello"


@pytest.mark.usefixtures("looks_always")
def test_a_renewal_that_is_half_done_keeps_the_old_certificate_and_says_so_once(files, ca, caplog):
    with serving(files) as port:
        before = serial_number(port, ca)
        renewed = ca.issue_cert("localhost")
        files.certificate.write_bytes(renewed.cert_chain_pems[0].bytes())  # the key comes later
        assert serial_number(port, ca) == before
        assert serial_number(port, ca) == before
        assert caplog.text.count("must belong to the certificate") == 1
        assert "what was read before stays in use" in caplog.text
        write(renewed, files)
        assert serial_number(port, ca) != before


@pytest.mark.usefixtures("looks_always")
def test_no_configuration_is_handed_out_twice(files, ca, monkeypatch):
    """gRPC frees each one: twice is a crash, some thousand handshakes later."""
    asked = []
    monkeypatch.setattr(grpc, "dynamic_ssl_server_credentials", lambda *given, **_: asked.extend(given))
    server_credentials(files)
    first, fetch = asked
    assert [fetch() for _ in range(3)] == [None] * 3
    write(ca.issue_cert("localhost"), files)
    with ThreadPoolExecutor(8) as handshakes:
        given = [one for one in handshakes.map(lambda _: fetch(), range(40)) if one is not None]
    assert len(given) == 1
    assert given[0] is not first


def encrypted(key: Path) -> None:
    command = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x"]
    key.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)


def damage(path: Path) -> None:
    first, *_, last = path.read_text().splitlines()
    path.write_text(f"{first}\nbm90IGEgY2VydGlmaWNhdGU=\n{last}\n")


BROKEN = {
    # what              what is done to the files, file named, rule named
    "certificate missing": (lambda f: f.certificate.unlink(), "server.pem", "must be a readable file"),
    "key missing": (lambda f: f.key.unlink(), "server.key", "must be a readable file"),
    "client CA missing": (lambda f: f.client_ca.unlink(), "ca.pem", "must be a readable file"),
    "certificate a folder": (
        lambda f: (f.certificate.unlink(), f.certificate.mkdir()),
        "server.pem",
        "readable file, got: Is a directory",
    ),
    "certificate DER": (
        lambda f: f.certificate.write_bytes(b"0\x82\x01"),
        "server.pem",
        "must be a PEM file",
    ),
    "certificate damaged": (lambda f: damage(f.certificate), "server.pem", "must be readable PEM"),
    "key damaged": (lambda f: damage(f.key), "server.key", "must be readable PEM"),
    "client CA damaged": (lambda f: damage(f.client_ca), "ca.pem", "must hold certificates"),
    "files swapped": (
        lambda f: f.certificate.write_bytes(f.key.read_bytes()),
        "server.pem",
        "a line that ends in CERTIFICATE-----",
    ),
    "key of another": (
        lambda f: f.key.write_bytes(trustme.CA().issue_cert("x").private_key_pem.bytes()),
        "server.key",
        "must belong to the certificate",
    ),
    "huge": (lambda f: f.certificate.write_bytes(b"x" * 1_048_577), "server.pem", "at most 1048576 bytes"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused_with_the_file_and_the_rule(mutual_files, case):
    break_it, name, rule = BROKEN[case]
    break_it(mutual_files)
    with pytest.raises(ConfigError) as refused:
        server_credentials(mutual_files)
    assert name in refused.value.message
    assert rule in refused.value.message
    assert "PRIVATE KEY-----\n" not in str(refused.value)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(files):
    encrypted(files.key)
    with pytest.raises(ConfigError, match="must not be encrypted"):
        server_credentials(files)


def test_an_expired_certificate_is_warned_of(files, ca, caplog):
    write(ca.issue_cert("localhost", not_before=YEAR_2001, not_after=YEAR_2002), files)
    server_credentials(files)
    assert "clients will refuse it: certificate has expired" in caplog.text


def test_good_files_say_nothing(mutual_files, caplog):
    server_credentials(mutual_files)
    assert not caplog.records


def test_a_key_that_everybody_may_read_is_warned_of(files, caplog):
    files.key.chmod(0o644)
    server_credentials(files)
    assert "should be closed to others" in caplog.text
