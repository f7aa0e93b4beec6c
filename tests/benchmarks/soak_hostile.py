"""The other clients of a soak: they cancel, time out, send garbage, hold connections, and read slowly."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
import time
from multiprocessing.synchronize import Event

import grpc
from soak_good import TIMEOUT_S, bearer
from soak_tally import Tally
from soak_world import FORBIDDEN, N_FEATURES, N_ROWS, SWAPPED, World

from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc

MAX_HELD = 40
"""Connections that one process keeps open without a use."""
PAUSE_S = 0.02
N_SLOW_CHUNKS = 64
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"


def hostile(world: World, stopped: Event, seed: int) -> Tally:
    """One kind of harm after the other, drawn by chance, until told to stop."""
    tally, rng, held = Tally(), random.Random(seed), []
    credentials = grpc.ssl_channel_credentials(world.ca.read_bytes())
    options = [("grpc.enable_retries", 0), ("grpc.max_send_message_length", 2**26)]
    while not stopped.is_set():
        with grpc.secure_channel(world.address, credentials, options) as channel:
            stub = scoring_pb2_grpc.ScoringServiceStub(channel)
            for _ in range(200):
                if stopped.is_set():
                    break
                _call(tally, stub, world, rng)
                if rng.random() < 0.3:
                    _connect(tally, world, rng, held)
                time.sleep(PAUSE_S)
    for connection in held:
        connection.close()
    return tally


def slow_reader(world: World, stopped: Event, seed: int) -> Tally:
    """Streams whose answers are read one in a third of a second, and left in the middle every other time."""
    tally, rng = Tally(), random.Random(seed)
    credentials = grpc.ssl_channel_credentials(world.ca.read_bytes())
    while not stopped.is_set():
        with grpc.secure_channel(world.address, credentials, [("grpc.enable_retries", 0)]) as channel:
            stub = scoring_pb2_grpc.ScoringServiceStub(channel)
            chunks = (pb.ScoreStreamRequest(chunk=_rows(world, N_ROWS)) for _ in range(N_SLOW_CHUNKS))
            answers = stub.ScoreStream(chunks, timeout=60, metadata=bearer(world.token))
            status, said = _read_slowly(answers, rng.randint(3, 60), stopped)
            tally.ended("slow reader of a stream", status, said)
    return tally


def _read_slowly(answers: grpc.RpcContext, n_answers: int, stopped: Event) -> tuple[str, str]:
    try:
        for _ in range(n_answers):
            next(answers)
            if stopped.wait(0.3):
                break
    except grpc.RpcError as error:
        return error.code().name, error.details() or ""
    finally:
        answers.cancel()
    return "left", ""


def _call(tally: Tally, stub: scoring_pb2_grpc.ScoringServiceStub, world: World, rng: random.Random) -> None:
    metadata, timeout_s, n_rows, model, width = bearer(world.token), TIMEOUT_S, 512, SWAPPED, N_FEATURES
    kind = rng.choice(
        (
            "cancels",
            "tiny deadline",
            "wrong token",
            "no token",
            "forbidden",
            "unknown",
            "bad rows",
            "too large",
        )
    )
    match kind:
        case "tiny deadline":
            timeout_s = rng.uniform(0.0003, 0.004)
        case "wrong token":
            metadata = bearer(rng.choice(("x", "0" * 64, world.token[:-1], world.token + "0", "x" * 4_000)))
        case "no token":
            metadata = []
        case "forbidden":
            model = FORBIDDEN
        case "unknown":
            model = rng.choice(("nobody", "../payments", "x" * 1_000))
        case "bad rows":
            width = N_FEATURES + 1
        case "too large":
            n_rows = 2**20 if rng.random() < 0.1 else 70_000
    request = _rows(world, n_rows, model=model, width=width)
    call = stub.Score.future(request, timeout=timeout_s, metadata=metadata)
    if kind == "cancels":
        time.sleep(rng.uniform(0, 0.005))
        call.cancel()
    try:
        call.result()
    except grpc.FutureCancelledError:
        tally.ended(kind, "CANCELLED")
    except grpc.RpcError as error:
        tally.ended(kind, error.code().name, error.details() or "")
    else:
        tally.ended(kind, "OK")


def _rows(world: World, n_rows: int, *, model: str = SWAPPED, width: int = N_FEATURES) -> pb.ScoreRequest:
    content = world.rows_MF.astype("<f4").tobytes()
    n_bytes = 4 * n_rows * width
    packed = (content * (n_bytes // len(content) + 1))[:n_bytes]
    return pb.ScoreRequest(
        model=model, packed_matrix=pb.PackedMatrix(n_features=width, float32_values=packed)
    )


def _connect(tally: Tally, world: World, rng: random.Random, held: list[socket.socket]) -> None:
    """Bytes that are no call, on a connection of their own."""
    host, _, port = world.address.rpartition(":")
    kind = rng.choice(("garbage", "HTTP/1.1", "half a handshake", "held open", "reset", "never reads"))
    try:
        connection = socket.create_connection((host, int(port)), timeout=5)
        _spoil(kind, connection, world, rng, held)
    except OSError as error:
        tally.ended(f"socket: {kind}", type(error).__name__)
    else:
        tally.ended(f"socket: {kind}", "done")
    while len(held) > MAX_HELD:
        held.pop(0).close()


def _spoil(
    kind: str, connection: socket.socket, world: World, rng: random.Random, held: list[socket.socket]
) -> None:
    match kind:
        case "garbage":
            connection.sendall(rng.randbytes(rng.choice((1, 100, 20_000))))
        case "HTTP/1.1":
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        case "half a handshake":
            connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(40))
            held.append(connection)
            return
        case "held open":
            held.append(connection)
            return
        case "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        case "never reads":
            context = ssl.create_default_context(cafile=str(world.ca))
            context.set_alpn_protocols(["h2"])
            encrypted = context.wrap_socket(connection, server_hostname="127.0.0.1")
            encrypted.sendall(_PREFACE + rng.randbytes(rng.choice((0, 30))))
            held.append(encrypted)
            return
    with contextlib.suppress(OSError):
        connection.close()
