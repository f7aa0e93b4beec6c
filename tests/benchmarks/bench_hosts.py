"""What each host costs beside a bare grpc.aio server with the same scorer: latency, throughput, memory.

    python tests/benchmarks/bench_hosts.py [--seconds 0.8] [--peer-python PEER/bin/python] [--hosts ...]

Each host is measured in turns with the bare server, both alive, on the same bytes, so that a busy machine
slows both. Clients are 4 processes of their own that live for the whole run; on a machine of few cores they
still take the servers' cores, and a ratio says more than the figures. One row goes as doubles, 256 and 4,096
rows as packed float32, and everything as raw FP32 where the wire is Open Inference, the only one that the
peer speaks (`peer_mlserver.py` says how to make its environment). Memory is the PSS of one replica after the
load. Bars (DESIGN 6): direct p50 at most 1.5 times bare, requests/s of 16 clients at least 0.6 of bare.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from load_client import Load, Seen
from processes import AUTOML_AD, free_port, listening, pss_bytes, replicas
from small_artifacts import N_FEATURES, write_autoencoder

HERE = Path(__file__).parent
N_PROCESSES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A host over one wire."""

    name: str
    wire: str
    flags: tuple[str, ...] = ()
    bars: dict[str, float] = field(default_factory=dict)
    """Measure -> ratio that must be kept."""


CONTENDERS = (
    Contender(name="host", wire="own"),
    Contender(name="direct", wire="own", flags=("--ray",), bars={"p50 ms": 1.5, "req/s, 16 clients": 0.6}),
    Contender(name="ingress", wire="own", flags=("--ray", "--door", "ingress", "--insecure")),
    Contender(name="host", wire="oip"),
    Contender(name="peer", wire="oip"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One load: how many rows a request has, how many clients send at the same time."""

    title: str
    n_rows: int
    n_clients: int


SHOTS = (
    Shot(title="p50 ms", n_rows=1, n_clients=1),
    Shot(title="rows/s, 256", n_rows=256, n_clients=4),
    Shot(title="rows/s, 4,096", n_rows=4_096, n_clients=4),
    Shot(title="req/s, 16 clients", n_rows=1, n_clients=16),
    Shot(title="req/s, 64 clients", n_rows=1, n_clients=64),
)
TITLES = ("p50 ms", "p99 ms", *(shot.title for shot in SHOTS[1:]))
FALLS = ("p50 ms", "p99 ms")
"""Measures of which less is better."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hosts", nargs="+", choices=[c.name for c in CONTENDERS])
    parser.add_argument("--seconds", type=float, default=0.8, help="of one load of one server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--artifact", type=Path, help="of numeric features; else a small autoencoder, S = 4")
    parser.add_argument("--peer-python", type=Path, help="interpreter with MLServer; without it no peer")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, clients() as pool:
        artifact = options.artifact or write_autoencoder(Path(folder) / "bench")
        print(header(), flush=True)
        results = []
        for contender in CONTENDERS:
            if options.hosts and contender.name not in options.hosts:
                continue
            if contender.name == "peer" and options.peer_python is None:
                print("| peer | skipped: give --peer-python |", flush=True)
                continue
            command = command_of(contender, artifact, options.peer_python)
            results.append(compare(contender, command, artifact, pool, options.seconds, options.rounds))
            print(line_of(contender, results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def command_of(contender: Contender, artifact: Path, peer_python: Path | None) -> list[str]:
    """Without its port."""
    if contender.name == "peer":
        return [str(peer_python), str(HERE / "peer_mlserver.py"), str(artifact)]
    return [AUTOML_AD, "serve", str(artifact), *contender.flags]


def compare(
    contender: Contender,
    command: Sequence[str],
    artifact: Path,
    pool: Sequence[subprocess.Popen[str]],
    seconds: float,
    n_rounds: int,
) -> dict:
    """Medians over the rounds of each measure, of the host and of the bare server, and their memory."""
    ports = {"host": free_port(), "bare": free_port()}
    bare = [sys.executable, str(HERE / "bare_server.py"), str(artifact)]
    figures: dict[str, dict[str, list[float]]] = {t: {"host": [], "bare": []} for t in TITLES}
    refused: Counter[str] = Counter()
    with (
        listening([*command, "--port", str(ports["host"])]) as host,
        listening([*bare, "--port", str(ports["bare"])]) as beside,
    ):
        for _ in range(n_rounds):
            for shot in SHOTS:
                for server, port in ports.items():
                    seen = fire(pool, shot, f"127.0.0.1:{port}", contender.wire, artifact.name, seconds)
                    refused.update(seen.refused)
                    for title, value in measures(shot, seen, seconds).items():
                        figures[title][server].append(value)
        memory = {"host": heaviest(host.pid), "bare": heaviest(beside.pid)}
    medians = {t: {s: statistics.median(v) for s, v in by.items()} for t, by in figures.items()}
    named = {"name": contender.name, "wire": contender.wire, "refused": dict(refused)}
    return {**named, "measures": {**medians, "PSS MiB": memory}}


def fire(
    pool: Sequence[subprocess.Popen[str]], shot: Shot, address: str, wire: str, model: str, seconds: float
) -> Seen:
    """What all client processes saw together of one load."""
    shooters = pool[: min(len(pool), shot.n_clients)]
    load = Load(
        address=address,
        model=model,
        wire=wire if wire == "oip" else "doubles" if shot.n_rows == 1 else "packed",
        n_rows=shot.n_rows,
        n_features=N_FEATURES,
        n_connections=shot.n_clients // len(shooters),
        start=time.time() + (0.1 if shot.n_clients == 1 else 0.5),
        seconds=seconds,
    )
    for client in shooters:
        client.stdin.write(json.dumps(asdict(load)) + "\n")
        client.stdin.flush()
    seen = [Seen(**json.loads(client.stdout.readline())) for client in shooters]
    refused = sum((Counter(part.refused) for part in seen), Counter())
    return Seen(seconds=[value for part in seen for value in part.seconds], refused=dict(refused))


def measures(shot: Shot, seen: Seen, seconds: float) -> dict[str, float]:
    """Title -> figure."""
    if shot.n_clients == 1:
        p50, p99 = np.quantile(seen.seconds, [0.5, 0.99]) * 1e3
        return {"p50 ms": float(p50), "p99 ms": float(p99)}
    return {shot.title: len(seen.seconds) * shot.n_rows / seconds}


def heaviest(pid: int) -> float:
    """MiB of the largest replica."""
    return max(map(pss_bytes, replicas(pid))) / 2**20


def header() -> str:
    titles = ("host", "wire", *TITLES, "PSS MiB")
    return f"each cell: figure (bare) ratio\n| {' | '.join(titles)} |\n|{'---|' * len(titles)}"


def line_of(contender: Contender, result: dict) -> str:
    cells = [result["name"], result["wire"]]
    for title, by_server in result["measures"].items():
        value, bare = by_server["host"], by_server["bare"]
        form = ".2f" if title in FALLS else ",.0f"
        cell = f"{value:{form}} ({bare:{form}}) {value / bare:.2f}"
        if title in contender.bars:
            bar = contender.bars[title]
            is_met = value / bare <= bar if title in FALLS else value / bare >= bar
            cell += f", bar {bar} {'met' if is_met else 'MISSED'}"
        cells.append(cell)
    said = f" refused: {result['refused']}" if result["refused"] else ""
    return f"| {' | '.join(cells)} |{said}"


@contextlib.contextmanager
def clients() -> Iterator[list[subprocess.Popen[str]]]:
    """The client processes, which end with the block."""
    command = [sys.executable, str(HERE / "load_client.py")]
    pool = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(N_PROCESSES)
    ]
    try:
        yield pool
    finally:
        for client in pool:
            client.stdin.close()
            client.wait(30)


if __name__ == "__main__":
    main()
