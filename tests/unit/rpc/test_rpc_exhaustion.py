"""A hostile client cannot make the server hold memory, sockets or calls: each limit against a real server."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import grpc.aio
import http2_client as h2
import pytest
from http2_client import Http2Client

from automl_ad.rpc.options import Limits
from automl_ad.rpc.security.channel_limits import channel_options

MIB = 2**20
LIMIT = 2 * MIB
N_STREAMS = 4
ECHO, WAIT = "/test/Echo", "/test/Wait"


class Server:
    """Two methods: one answers at once, one never. It counts the calls that got through."""

    def __init__(self) -> None:
        self.address = ""
        self.n_calls = 0

    async def echo(self, request: bytes, _context: object) -> bytes:
        self.n_calls += 1
        return str(len(request)).encode()

    async def wait(self, _request: bytes, _context: object) -> bytes:
        self.n_calls += 1
        await asyncio.sleep(60)
        return b""

    async def start(self, **changes: int) -> grpc.aio.Server:
        limits = Limits(max_message_bytes=LIMIT, max_in_progress=N_STREAMS)
        options = dict(channel_options(limits)) | {name.replace("__", "."): changes[name] for name in changes}
        server = grpc.aio.server(options=list(options.items()))
        methods = {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", methods),))
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        return server


@contextmanager
def running(**changes: int) -> Iterator[Server]:
    """A server with our options, some of them changed: seconds become milliseconds."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def result(coroutine: object) -> object:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    server = Server()
    try:
        grpc_server = result(server.start(**changes))
        yield server
        result(grpc_server.stop(0))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Http2Client]:
    with Http2Client(server.address) as client:
        client.greet()
        yield client


def zeros_in_gzip(n_mib: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(MIB)
    return b"".join(packer.compress(block) for _ in range(n_mib)) + packer.flush()


def peak_mib() -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) / 1024


def test_a_bomb_is_refused_without_growing(client):
    bomb = zeros_in_gzip(64)
    assert len(bomb) < LIMIT
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is used now
    before = peak_mib()
    client.call(1, ECHO, [("grpc-encoding", "gzip")])
    client.message(1, bomb, is_compressed=True)
    assert b"Decompressed message larger than max" in client.reply(1).payload
    assert peak_mib() - before < 32


def test_what_is_compressed_and_fits_is_answered(client):
    client.call(1, ECHO, [("grpc-encoding", "gzip")])
    client.message(1, zeros_in_gzip(1), is_compressed=True)
    assert b"grpc-status\x010" in client.reply(1).payload


def test_a_message_is_refused_for_the_length_it_claims(client):
    client.call(1, ECHO)
    client.send(h2.DATA, 0, 1, b"\x00\xff\xff\xff\xff")
    assert b"larger than max (4294967295 vs. 2097152)" in client.reply(1).payload


@pytest.mark.parametrize("n_letters", [8_200, 16_000])
def test_metadata_over_the_limit_are_refused(client, n_letters):
    client.call(1, ECHO, [("authorization", "a" * n_letters)])
    client.message(1, b"")
    assert b"metadata size exceeds hard limit" in client.reply(1).payload


def test_metadata_below_the_limit_are_never_refused_by_chance(server):
    for _ in range(20):
        with Http2Client(server.address) as client:
            client.greet()
            client.call(1, ECHO, [("authorization", "a" * 7_000)])
            client.message(1, b"")
            assert b"grpc-status\x010" in client.reply(1).payload


def test_a_client_cannot_open_more_calls_than_the_service_works_on():
    with running() as server, Http2Client(server.address) as client:
        client.greet()
        n_asked = 50
        for number in range(n_asked):
            client.call(2 * number + 1, WAIT)
            client.message(2 * number + 1, b"")
        refused = list(until_resets(client, n_asked - N_STREAMS))
        assert {frame.payload for frame in refused} == {b"\x00\x00\x00\x07"}  # REFUSED_STREAM: may be retried
        assert server.n_calls <= N_STREAMS


def until_resets(client: Http2Client, n: int) -> Iterator[h2.Frame]:
    while n:
        frame = client.read()
        if frame.kind == h2.RST_STREAM:
            n -= 1
            yield frame


def test_calls_that_are_taken_back_at_once_leave_nothing_behind():
    """Rapid reset, CVE-2023-44487: streams that do not count as open, as fast as a socket takes them."""
    with running() as server, Http2Client(server.address) as client:
        client.greet()
        for number in range(2_000):
            client.call(2 * number + 1, WAIT)
            client.send(h2.RST_STREAM, 0, 2 * number + 1, b"\x00\x00\x00\x08")
        with Http2Client(server.address) as other:
            other.greet()
            other.call(1, ECHO)
            other.message(1, b"still here")
            assert b"grpc-status\x010" in other.reply(1).payload
        assert server.n_calls <= 1 + N_STREAMS


def test_a_flood_of_pings_ends_the_connection(client):
    for _ in range(20):
        client.send(h2.PING, 0, 0, b"01234567")
    (last,) = (frame for frame in client.frames() if frame.kind == h2.GOAWAY)
    assert b"too_many_pings" in last.payload


def test_a_client_that_says_nothing_is_closed():
    with running(grpc__server_handshake_timeout_ms=200) as server, Http2Client(server.address) as client:
        client.wait_for_close()


@pytest.mark.parametrize("is_calling", [False, True])
def test_a_client_that_no_longer_answers_is_closed(is_calling):
    changes = {"grpc__keepalive_time_ms": 200, "grpc__http2__ping_timeout_ms": 200}
    with running(**changes) as server, Http2Client(server.address) as client:
        client.greet()
        if is_calling:
            client.call(1, WAIT)
            client.message(1, b"")
        (last,) = (frame for frame in client.frames() if frame.kind == h2.GOAWAY)
        assert b"ping_timeout" in last.payload


def test_an_old_connection_is_sent_elsewhere():
    changes = {"grpc__max_connection_age_ms": 200, "grpc__max_connection_age_grace_ms": 200}
    with running(**changes) as server, Http2Client(server.address) as client:
        client.greet()
        first = next(frame for frame in client.frames() if frame.kind == h2.GOAWAY)
        assert b"max_age" in first.payload
