"""What the hosts cost, against a bare grpc.aio server with the same scorer: one-row latency, requests/s.

    python tests/benchmarks/bench_hosts.py [--hosts host direct ingress] [--seconds 3] [--rounds 3]

Each host is measured in turns with the bare server, both alive, so that a busy machine slows both. Clients
are processes of their own (4 with 4 connections each), so that no figure is the client's interpreter lock; on
a machine of few cores they still take the server's cores, and the ratio says more than the figures. Bars
(DESIGN 6): direct p50 at most 1.5 times bare, requests/s of 16 clients at least 0.6 of bare.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np

from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc

N_FEATURES = 32
N_PROCESSES, N_CONNECTIONS = 4, 4
BARS = {"direct": (1.5, 0.6)}
FLAGS = {"host": [], "direct": ["--ray"], "ingress": ["--ray", "--door", "ingress"]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", nargs="+", choices=FLAGS, default=list(FLAGS))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--artifact", type=Path, help="instead of a small autoencoder, S = 4")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        artifact = options.artifact or write_autoencoder(Path(folder) / "artifact")
        print(f"{'':10}{'p50 ms':>9}{'bare':>9}{'ratio':>9}{'req/s':>11}{'bare':>9}{'ratio':>9}")
        for name in options.hosts:
            compare(name, artifact, options.seconds, options.rounds)


def compare(name: str, artifact: Path, seconds: float, n_rounds: int) -> None:
    """Print the medians over the rounds of a host and of the bare server beside it."""
    command = [str(Path(sys.executable).with_name("automl-ad")), "serve", str(artifact), *FLAGS[name]]
    bare = [sys.executable, __file__, "--bare", str(artifact)]
    with listening(command) as host_address, listening(bare) as bare_address:
        latencies: dict[str, list[float]] = {host_address: [], bare_address: []}
        rates: dict[str, list[float]] = {host_address: [], bare_address: []}
        for _ in range(n_rounds):
            for address in (host_address, bare_address):
                latencies[address].append(latency_ms(address, seconds))
                rates[address].append(rate(address, seconds))
    p50, bare_p50 = (statistics.median(latencies[a]) for a in (host_address, bare_address))
    per_s, bare_per_s = (statistics.median(rates[a]) for a in (host_address, bare_address))
    slower, share = p50 / bare_p50, per_s / bare_per_s
    print(
        f"{name:10}{p50:9.2f}{bare_p50:9.2f}{slower:9.2f}{per_s:11.0f}{bare_per_s:9.0f}{share:9.2f}", end=""
    )
    if name in BARS:
        is_met = slower <= BARS[name][0] and share >= BARS[name][1]
        print("   bar met" if is_met else "   BAR MISSED", end="")
    print(flush=True)


@contextlib.contextmanager
def listening(command: list[str]) -> Iterator[str]:
    """The address of a server process that prints it as its last line, while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        while not (line := process.stdout.readline()).startswith("listening on "):
            if not line:
                raise SystemExit(f"did not start: {' '.join(command)}")
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def latency_ms(address: str, seconds: float) -> float:
    """Median time of one row, one request after the other."""
    done = subprocess.run(
        [sys.executable, __file__, "--load", address, str(seconds), "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[1])


def rate(address: str, seconds: float) -> float:
    """Requests per second of N_PROCESSES processes with N_CONNECTIONS connections each."""
    command = [sys.executable, __file__, "--load", address, str(seconds), str(N_CONNECTIONS)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(N_PROCESSES)]
    return sum(float(client.communicate()[0].split()[0]) for client in clients)


def load(address: str, seconds: float, n_connections: int) -> None:
    """Print requests per second and their median in milliseconds."""
    values = np.random.default_rng(0).normal(size=N_FEATURES)
    request = pb.ScoreRequest(double_matrix=pb.DoubleMatrix(n_features=N_FEATURES, values=values.tolist()))
    times: list[list[float]] = [[] for _ in range(n_connections)]
    channels = [
        grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(n_connections)
    ]
    scores = [scoring_pb2_grpc.ScoringServiceStub(channel).Score for channel in channels]
    for score in scores:
        score(request, timeout=30)
    # Processes start at different times: what counts is inside the common window between warm-up and end.
    start = time.time() + (0.0 if n_connections == 1 else 1.0)

    def work(index: int) -> None:
        while (began := time.time()) < start + seconds:
            scores[index](request, timeout=30)
            if began >= start:
                times[index].append(time.time() - began)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(n_connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [value for list_ in times for value in list_]
    print(len(taken) / seconds, statistics.median(taken) * 1e3)


def serve_bare(artifact: Path, port: int) -> None:
    """The least that answers: no checks, no error mapping, no health, no threads."""
    from automl_ad.artifact import Scorer

    scorer = Scorer.load(artifact)

    class Bare(scoring_pb2_grpc.ScoringServiceServicer):
        async def Score(self, request, context):
            del context
            matrix = request.double_matrix
            scores = scorer.score(np.asarray(matrix.values).reshape(-1, matrix.n_features))
            return pb.ScoreResponse(
                anomaly_score=scores.anomaly_score.tolist(),
                percentile=scores.percentile.tolist(),
                is_anomaly=scores.is_anomaly.tolist(),
                threshold=scores.threshold,
            )

    async def run() -> None:
        server = grpc.aio.server()
        scoring_pb2_grpc.add_ScoringServiceServicer_to_server(Bare(), server)
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        print(f"listening on 127.0.0.1:{port}", flush=True)
        await server.wait_for_termination()

    asyncio.run(run())


def write_autoencoder(path: Path) -> Path:
    """An artifact of the default autoencoder on noise: what is scored does not matter here."""
    import pyarrow as pa

    from automl_ad.artifact import Part, threshold_of, write_artifact
    from automl_ad.data import Preprocessor
    from automl_ad.detectors import DETECTORS, member_mean
    from automl_ad.training import fit

    rng = np.random.default_rng(0)
    rows = pa.table({f"f{index}": rng.normal(size=2_000) for index in range(N_FEATURES)})
    preprocessor = Preprocessor.fit(rows)
    x_ND = preprocessor.scale(preprocessor.encode(rows), "zscore")
    params = {"prep": "zscore", "n_epochs": 2}
    detector = DETECTORS["autoencoder"].build(params, n_features=N_FEATURES, n_members=4, seed=0)
    fit(detector, x_ND, seed=0, checkpoints=(), on_checkpoint=lambda _epoch: False)
    score_type = detector.score_types[0].name
    panel_scores_N = member_mean(detector.scores(x_ND[:1_000])[score_type])
    part = Part(
        detector="autoencoder",
        params=params,
        n_features=N_FEATURES,
        n_members=4,
        score_type=score_type,
        checkpoint=2,
        trial=0,
        seed=0,
        weight=1.0,
        panel_scores=panel_scores_N,
        arrays=detector.arrays(),
    )
    return write_artifact(
        path,
        name="bench",
        parts=[part],
        preprocessor=preprocessor,
        threshold=threshold_of(panel_scores_N, rate=0.01),
        panel_scores_N=panel_scores_N,
        data_fingerprint="0" * 64,
        seed=0,
        study={},
        evidence={},
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--load", address, seconds, n_connections]:
            load(address, float(seconds), int(n_connections))
        case ["--bare", artifact, "--port", port]:
            serve_bare(Path(artifact), int(port))
        case _:
            main()
