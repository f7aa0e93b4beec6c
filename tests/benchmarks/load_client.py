"""A client process of bench_hosts: it reads one measurement a line, loads a server, and prints what it saw.

One process has a sync channel and a thread for each connection. A line in is a `Load`, a line out a `Seen`,
both JSON; the process lives for the whole benchmark, so that no measurement pays for the imports.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc
import numpy as np

from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.oip import open_inference_grpc_pb2_grpc
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc

CHANNEL = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 2**24),
    ("grpc.max_send_message_length", 2**24),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What to send: `wire` is `doubles`, `packed` or `oip`. Answers to calls begun in the window count."""

    address: str
    model: str
    wire: str
    n_rows: int
    n_features: int
    n_connections: int
    start: float
    """In seconds since the epoch: all client processes have the same window."""
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """Seconds of each answered call, and how many were refused with which status."""

    seconds: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)


def run(load: Load) -> Seen:
    """What the connections saw together."""
    taken: list[list[float]] = [[] for _ in range(load.n_connections)]
    refused: Counter[str] = Counter()
    channels = [grpc.insecure_channel(load.address, CHANNEL) for _ in taken]
    calls = [_call(channel, load) for channel in channels]
    for call in calls:
        call()
    start = max(load.start, time.time())

    def work(index: int) -> None:
        while (began := time.time()) < start + load.seconds:
            try:
                calls[index]()
            except grpc.RpcError as error:
                refused[error.code().name] += 1
                continue
            if began >= start:
                taken[index].append(time.time() - began)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(load.n_connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for channel in channels:
        channel.close()
    return Seen(seconds=[value for values in taken for value in values], refused=dict(refused))


def _call(channel: grpc.Channel, load: Load) -> Callable[[], Any]:
    rows_MF = np.random.default_rng(0).normal(size=(load.n_rows, load.n_features)).astype("<f4")
    if load.wire == "oip":
        request = oip.ModelInferRequest(model_name=load.model, raw_input_contents=[rows_MF.tobytes()])
        request.inputs.add(name="rows", datatype="FP32", shape=rows_MF.shape)
        method = open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
    else:
        request = pb.ScoreRequest(**_rows(load.wire, rows_MF))
        method = scoring_pb2_grpc.ScoringServiceStub(channel).Score
    return lambda: method(request, timeout=30)


def _rows(wire: str, rows_MF: np.ndarray) -> dict[str, Any]:
    n_features = rows_MF.shape[1]
    if wire == "packed":
        packed = pb.PackedMatrix(n_features=n_features, float32_values=rows_MF.tobytes())
        return {"packed_matrix": packed}
    return {"double_matrix": pb.DoubleMatrix(n_features=n_features, values=rows_MF.ravel().tolist())}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(asdict(run(Load(**json.loads(line))))), flush=True)
