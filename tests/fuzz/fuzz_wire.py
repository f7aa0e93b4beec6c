"""Hostile calls to a live server: documented statuses only, nothing of its inside told, alive, of one size.

Messages damaged in fields and bytes, streams of them, hostile metadata, unknown methods, and raw bytes on the
port. Every hundred cases a good request must still score as the library does; every OK must carry as many
finite scores as flags.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import grpc
import numpy as np
from fuzz_models import numeric_rows, write_models
from mutation import mutated_bytes
from outcomes import Report, leak_in
from wire_messages import INFERENCE, SCORING, STREAMS, Sample, damaged, samples

from automl_ad.artifact import Scorer
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.v1 import scoring_pb2 as pb

DOCUMENTED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED"}
"""Of a server without tokens that is not stopping; nothing here takes long enough for a deadline."""
FLAGS = ("--port", "0", "--max-message-mb", "1", "--max-rows", "2000")
TIMEOUT_S = 20.0
N_THREADS = 8
BLOCK = 400
MAX_GROWTH = 1.2
"""Memory after the last block over memory after the first ones, where caches and pools have filled."""
N_WARM_BLOCKS = 5
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A server process and what it must not tell."""

    process: subprocess.Popen[str]
    address: str
    secrets: tuple[str, ...]
    log: Path


def run(n_cases: int, seed: int) -> Report:
    """What became of the cases."""
    report, lock = Report(target="wire", seed=seed), Lock()
    good = samples()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as (server, scorer):
        rows_MF = np.column_stack([c.to_numpy() for c in numeric_rows().columns])
        expected = scorer.score(rows_MF).anomaly_score
        sizes: list[int] = []
        with grpc.insecure_channel(server.address) as channel, ThreadPoolExecutor(N_THREADS) as pool:
            for start in range(0, n_cases, BLOCK):
                indices = range(start, min(start + BLOCK, n_cases))
                for case, outcome, wrong in pool.map(
                    lambda i: _case(i, seed, server, channel, good), indices
                ):
                    with lock:
                        report.count(outcome)
                        if wrong:
                            report.find(case, outcome, wrong)
                _require_good(channel, rows_MF, expected, report, f"after case {indices[-1]}")
                sizes.append(_resident_bytes(server.process.pid))
                if server.process.poll() is not None:
                    report.find(f"{indices[0]} to {indices[-1]}", f"server died, {server.process.returncode}")
                    return report
        if len(sizes) > N_WARM_BLOCKS and sizes[-1] > MAX_GROWTH * sizes[N_WARM_BLOCKS - 1]:
            report.find("all", "memory grew", [size // 2**20 for size in sizes])
        _explain_incidents(report, server.log)
        report.counts["MiB at the start"] = sizes[min(len(sizes), N_WARM_BLOCKS) - 1] // 2**20
        report.counts["MiB at the end"] = sizes[-1] // 2**20
    return report


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[Server, Scorer]]:
    """A server of both models in a process of its own, and the library's scorer of `sizes`."""
    paths = write_models(folder)
    command = [sys.executable, "-m", "automl_ad", "serve", *map(str, paths.values()), *FLAGS]
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                said = (folder / "server.log").read_text()[-2_000:]
                raise RuntimeError(f"the server must listen, got {line!r}: {said}")
            address = f"127.0.0.1:{line.strip().rpartition(':')[2]}"
            server = Server(
                process=process, address=address, secrets=(str(folder),), log=folder / "server.log"
            )
            yield server, Scorer.load(paths["sizes"])
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _case(
    index: int, seed: int, server: Server, channel: grpc.Channel, good: Sequence[Sample]
) -> tuple[str, str, str]:
    """(the case in words, how it ended, what is wrong with that)."""
    rng = random.Random(f"{seed}/wire/{index}")
    kind = rng.random()
    if kind < 0.05:
        return f"{index}: raw bytes", _raw_bytes(server.address, rng), ""
    sample = rng.choice(good)
    method = sample.method if kind > 0.06 else sample.method + rng.choice(("x", "/..", "", "\u00e9"))
    if sample.method in STREAMS:
        n_chunks = rng.choice((0, 1, 1, 2, 5))
        messages = [damaged(rng.choice((sample, rng.choice(good))).request, rng) for _ in range(n_chunks)]
    else:
        messages = [damaged(sample.request, rng)]
    case = f"{index}: {method} with {len(messages)} messages of {sum(map(len, messages))} bytes"
    return (case, *_call(channel, method, messages, _metadata(rng), server.secrets))


def _call(
    channel: grpc.Channel,
    method: str,
    messages: Sequence[bytes],
    metadata: list[tuple[str, str | bytes]],
    secrets: tuple[str, ...],
) -> tuple[str, str]:
    """(status, what is wrong with the answer)."""
    try:
        if method.startswith(STREAMS[0]):
            answers = list(
                channel.stream_stream(method)(iter(messages), timeout=TIMEOUT_S, metadata=metadata)
            )
        else:
            answers = [channel.unary_unary(method)(messages[0], timeout=TIMEOUT_S, metadata=metadata)]
    except grpc.RpcError as error:
        return error.code().name, _wrong_status(error, secrets)
    except ValueError:  # metadata or a method that the client's gRPC does not send
        return "refused by the client", ""
    return "OK", next(filter(None, (_wrong_answer(method, answer) for answer in answers)), "")


def _wrong_status(error: grpc.RpcError, secrets: tuple[str, ...]) -> str:
    trailers = " ".join(f"{key}={value!r}" for key, value in error.trailing_metadata() or ())
    said = f"{error.details()} {trailers}"
    if error.code().name not in DOCUMENTED:
        return f"undocumented status: {said}"
    leak = leak_in(said, *secrets)
    return f"says {leak!r}: {said}" if leak else ""


def _wrong_answer(method: str, answer: bytes) -> str:
    """Scores must be finite, and every field as long as the others."""
    if method == f"{SCORING}Score":
        scores = pb.ScoreResponse.FromString(answer)
    elif method in STREAMS:
        scores = pb.ScoreStreamResponse.FromString(answer).scores
    elif method == f"{INFERENCE}ModelInfer":
        return "" if oip.ModelInferResponse.FromString(answer).outputs else "no outputs"
    else:
        return ""
    lengths = {len(scores.anomaly_score), len(scores.percentile), len(scores.is_anomaly)}
    if len(lengths) != 1 or 0 in lengths:
        return f"lengths {lengths}"
    return "" if np.isfinite(scores.anomaly_score).all() else "scores are not finite"


def _metadata(rng: random.Random) -> list[tuple[str, str | bytes]]:
    """Hostile now and then."""
    if rng.random() < 0.85:
        return []
    text = rng.choice(
        ("", "Bearer", "Bearer x", "x" * 5_000, "00-zz", "00-" + "0" * 32 + "-1-01", "a b", '"\\')
    )
    key = rng.choice(("authorization", "x-request-id", "traceparent", "tracestate", "grpc-x", "x"))
    return [(key, text)] if rng.random() < 0.8 else [("data-bin", rng.randbytes(50))]


def _raw_bytes(address: str, rng: random.Random) -> str:
    """Bytes on the port that are no gRPC, or only in the beginning."""
    host, _, port = address.partition(":")
    content = rng.choice(
        (
            rng.randbytes(rng.choice((1, 100, 10_000))),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(50),
            _PREFACE + rng.randbytes(rng.choice((9, 500))),
            mutated_bytes(_PREFACE, rng),
            _PREFACE + struct.pack(">I", 0xFFFFFF00 | rng.randrange(10)) + rng.randbytes(20),
        )
    )
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        try:
            connection.sendall(content)
            if rng.random() < 0.5:
                connection.settimeout(0.05)
                connection.recv(1_000)
        except OSError:
            pass  # it may hang up, or say nothing
    return "raw bytes sent"


def _explain_incidents(report: Report, log: Path) -> None:
    """Put the exception that the log has for an incident before what the client was told."""
    said = log.read_text(errors="replace")
    for finding in report.findings:
        incident = re.search(r"incident (\w+)", finding["detail"])
        if incident:
            lines = [line.lstrip(" |") for line in said.partition(incident.group(1))[2].splitlines()]
            raised = [
                line for line in lines[:80] if re.match(r"[\w.]+(Error|Exception|Interrupt|Invalid)\b", line)
            ]
            places = [line for line in lines[:80] if line.startswith("File ")]
            finding["detail"] = f"{raised[:1]} {places[-1:]} {finding['detail']}"


def _require_good(
    channel: grpc.Channel, rows_MF: np.ndarray, expected: np.ndarray, report: Report, case: str
) -> None:
    request = pb.ScoreRequest(
        model="sizes",
        double_matrix=pb.DoubleMatrix(n_features=rows_MF.shape[1], values=rows_MF.ravel().tolist()),
    )
    method = channel.unary_unary(
        f"{SCORING}Score", pb.ScoreRequest.SerializeToString, pb.ScoreResponse.FromString
    )
    try:
        answer = method(request, timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        report.find(case, f"a good request failed with {error.code().name}", error.details())
        return
    if list(answer.anomaly_score) != expected.tolist():
        report.find(case, "a good request got other scores")


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * 4096
