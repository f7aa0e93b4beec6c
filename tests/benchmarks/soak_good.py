"""The good clients of a soak: every answer is compared, bit for bit, with the library's scores.

Two kinds of processes: one with the Python client and its retries, one with bare stubs and none, so that the
failures that retries hide are counted too.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event

import grpc
import numpy as np
import pyarrow as pa
from soak_tally import Tally
from soak_world import BLOCK, N_FEATURES, N_ROWS, STEADY, SWAPPED, World

from automl_ad.errors import AutomlADError
from automl_ad.rpc.client import ScoringClient
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.oip import open_inference_grpc_pb2_grpc
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc

TIMEOUT_S = 20.0
N_CHUNKS = 8
PAUSE_S = 0.002
"""Between requests: the machine is shared with the servers and with those who mean harm."""
RECONNECT_S = 15.0
"""A connection stays with one replica; new ones meet the others."""

Piece = tuple[str, str, int, list[float]]
"""(model, version, position of its first row, scores)."""


def with_client(world: World, stopped: Event, seed: int) -> Tally:
    """One row, 256 rows, Arrow and streams through the Python client, which tries again."""
    tally, rng, last = Tally(), random.Random(seed), {}
    while not stopped.is_set():
        until = time.monotonic() + RECONNECT_S
        with ScoringClient(world.address, token=world.token, tls_ca=world.ca, timeout_s=TIMEOUT_S) as client:
            while time.monotonic() < until and not stopped.is_set():
                kind = rng.choice(sorted(_CLIENT_CALLS))
                call = _CLIENT_CALLS[kind]
                _count(tally, f"client, {kind}", lambda call=call: call(client, world, rng), world, last)
                time.sleep(PAUSE_S)
    return tally


def without_retries(world: World, stopped: Event, seed: int) -> Tally:
    """One row, 256 packed rows and Open Inference by the stubs alone: what fails is counted."""
    tally, rng, last = Tally(), random.Random(seed), {}
    credentials = grpc.ssl_channel_credentials(world.ca.read_bytes())
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
    while not stopped.is_set():
        until = time.monotonic() + RECONNECT_S
        with grpc.secure_channel(world.address, credentials, options) as channel:
            while time.monotonic() < until and not stopped.is_set():
                kind = rng.choice(sorted(_STUB_CALLS))
                call = _STUB_CALLS[kind]
                _count(tally, f"no retries, {kind}", lambda call=call: call(channel, world, rng), world, last)
                time.sleep(PAUSE_S)
    return tally


def _count(
    tally: Tally, kind: str, call: Callable[[], list[Piece]], world: World, last: dict[str, str]
) -> None:
    try:
        pieces = call()
    except AutomlADError as error:
        tally.failed_at.append(time.time())
        tally.ended(kind, getattr(error, "code", "") or type(error).__name__, str(error))
        return
    except grpc.RpcError as error:
        tally.failed_at.append(time.time())
        tally.ended(kind, error.code().name, error.details() or "")
        return
    tally.ended(kind, "OK")
    if len({version for _, version, _, _ in pieces}) > 1:
        tally.wrong.append(f"{kind}: a stream was answered by several versions")
    for model, version, start, scores in pieces:
        if not world.is_right(model, version, start, scores):
            tally.wrong.append(f"{kind}: {model} {version}, rows from {start}, {len(scores)} scores")
        if model == SWAPPED:
            tally.answered_by(kind, version, last)


def _client_row(client: ScoringClient, world: World, rng: random.Random) -> list[Piece]:
    start = rng.randrange(N_ROWS)
    scores = client.score(world.rows_MF[start : start + 1], model=rng.choice((SWAPPED, STEADY)))
    return [(scores.model, scores.version, start, scores.anomaly_score.tolist())]


def _client_block(client: ScoringClient, world: World, rng: random.Random) -> list[Piece]:
    start = rng.randrange(N_ROWS // BLOCK) * BLOCK
    scores = client.score(world.rows_MF[start : start + BLOCK], model=rng.choice((SWAPPED, STEADY)))
    return [(scores.model, scores.version, start, scores.anomaly_score.tolist())]


def _client_arrow(client: ScoringClient, world: World, rng: random.Random) -> list[Piece]:
    start = rng.randrange(N_ROWS // BLOCK) * BLOCK
    columns = {f"f{index}": world.rows_MF[start : start + BLOCK, index] for index in range(N_FEATURES)}
    scores = client.score(pa.table(columns), model=SWAPPED)
    return [(scores.model, scores.version, start, scores.anomaly_score.tolist())]


def _client_stream(client: ScoringClient, world: World, rng: random.Random) -> list[Piece]:
    starts = [rng.randrange(N_ROWS // BLOCK) * BLOCK for _ in range(N_CHUNKS)]
    chunks = (world.rows_MF[start : start + BLOCK] for start in starts)
    answers = client.score_stream(chunks, model=SWAPPED)
    return [
        (scores.model, scores.version, start, scores.anomaly_score.tolist())
        for start, scores in zip(starts, answers, strict=True)
    ]


def _stub_row(channel: grpc.Channel, world: World, rng: random.Random) -> list[Piece]:
    start = rng.randrange(N_ROWS)
    values = world.rows_MF[start].astype(float).tolist()
    matrix = pb.DoubleMatrix(n_features=N_FEATURES, values=values)
    request = pb.ScoreRequest(model=rng.choice((SWAPPED, STEADY)), double_matrix=matrix)
    return [_scored(channel, request, world, start)]


def _stub_block(channel: grpc.Channel, world: World, rng: random.Random) -> list[Piece]:
    start = rng.randrange(N_ROWS // BLOCK) * BLOCK
    content = world.rows_MF[start : start + BLOCK].astype("<f4").tobytes()
    packed = pb.PackedMatrix(n_features=N_FEATURES, float32_values=content)
    request = pb.ScoreRequest(model=rng.choice((SWAPPED, STEADY)), packed_matrix=packed)
    return [_scored(channel, request, world, start)]


def _scored(channel: grpc.Channel, request: pb.ScoreRequest, world: World, start: int) -> Piece:
    stub = scoring_pb2_grpc.ScoringServiceStub(channel)
    answer = stub.Score(request, timeout=TIMEOUT_S, metadata=bearer(world.token))
    return (answer.model, answer.model_version, start, list(answer.anomaly_score))


def _stub_inference(channel: grpc.Channel, world: World, rng: random.Random) -> list[Piece]:
    start = rng.randrange(N_ROWS // BLOCK) * BLOCK
    content = world.rows_MF[start : start + BLOCK].astype("<f4").tobytes()
    request = oip.ModelInferRequest(model_name=SWAPPED, raw_input_contents=[content])
    request.inputs.add(name="rows", datatype="FP32", shape=[BLOCK, N_FEATURES])
    stub = open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(channel)
    answer = stub.ModelInfer(request, timeout=TIMEOUT_S, metadata=bearer(world.token))
    scores = np.frombuffer(answer.raw_output_contents[0]).tolist()
    return [(answer.model_name, answer.model_version, start, scores)]


def bearer(token: str) -> list[tuple[str, str]]:
    """The metadata of a call."""
    return [("authorization", f"Bearer {token}")]


_CLIENT_CALLS = {
    "one row": _client_row,
    "256 rows": _client_block,
    "Arrow": _client_arrow,
    "stream": _client_stream,
}
_STUB_CALLS = {"one row": _stub_row, "256 rows": _stub_block, "Open Inference": _stub_inference}
