"""What `score_sources` costs: rows/s against the bare forward pass of the same autoencoder, and memory.

    python tests/benchmarks/bench_score.py [--rows 1000000] [--rounds 3]

Bars (DESIGN 6): at least half the rows/s of the forward pass, which gets its rows scaled, in memory and in
blocks of 8,192; peak memory the same for 1M as for 200k rows. Reading, encoding, scaling,
percentiles and writing are all on our side. torch and pyarrow get one thread; another reads ahead, and CPU
seconds count both. Both sides run in turns: on a busy machine the ratio says more than the figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from automl_ad.artifact import Part, Scorer, score_sources, threshold_of, write_artifact
from automl_ad.data import Preprocessor
from automl_ad.detectors import member_mean
from automl_ad.detectors.autoencoder import Autoencoder
from automl_ad.training import fit

N_FEATURES = 30
BLOCK_ROWS = 8192
PARAMS = {"prep": "zscore", "n_epochs": 2}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--members", type=int, default=4)
    parser.add_argument("--peak", nargs=2, metavar=("ARTIFACT", "DATA"), help="only: print peak bytes")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pa.set_cpu_count(1)
    if options.peak:
        print_peak(*options.peak)
        return
    with tempfile.TemporaryDirectory() as folder:
        detector = fit_autoencoder(options.members)
        artifact = write_autoencoder(Path(folder) / "artifact", detector)
        data = write_rows(Path(folder) / "rows.parquet", options.rows)
        fewer = write_rows(Path(folder) / "fewer.parquet", options.rows // 5)
        compare_speed(artifact, detector, data, options.rows, options.rounds)
        compare_memory(artifact, data, fewer)


def compare_speed(artifact: Path, detector: Autoencoder, data: Path, n_rows: int, n_rounds: int) -> None:
    scorer = Scorer.load(artifact)
    x_ND = torch.randn(n_rows, N_FEATURES)
    runs: dict[str, Callable[[], None]] = {
        "bare forward pass": lambda: forward(detector, x_ND),
        "score_sources": lambda: score(scorer, data),
    }
    for clock in (time.perf_counter, time.process_time):
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(n_rounds):
            for name, run in runs.items():
                started = clock()
                run()
                seconds[name].append(clock() - started)
        bare, ours = (n_rows / statistics.median(values) for values in seconds.values())
        kind = "second" if clock is time.perf_counter else "CPU second"
        print(f"rows per {kind}: forward {bare:,.0f}, score_sources {ours:,.0f}, ratio {ours / bare:.2f}")


@torch.inference_mode()
def forward(detector: Autoencoder, x_ND: torch.Tensor) -> None:
    """The networks of the artifact on as many rows, and nothing else."""
    for block_BD in x_ND.split(BLOCK_ROWS):
        detector.decoder(detector.encoder(block_BD))


def score(scorer: Scorer, data: Path) -> None:
    score_sources(scorer, [str(data)], data.with_suffix(".scores"))


def compare_memory(artifact: Path, data: Path, fewer: Path) -> None:
    peaks = [peak_mb(artifact, path) for path in (fewer, data)]
    ratio = peaks[1] / peaks[0]
    print(f"peak memory: a fifth of the rows {peaks[0]:.0f} MB, all {peaks[1]:.0f} MB, ratio {ratio:.2f}")


def peak_mb(artifact: Path, data: Path) -> float:
    """Peak resident size of a fresh process that scores the file."""
    command = [sys.executable, __file__, "--peak", str(artifact), str(data)]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True).stdout)) / 2**20


def print_peak(artifact: str, data: str) -> None:
    score(Scorer.load(artifact), Path(data))
    status = Path("/proc/self/status").read_text()
    peak_kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(int(peak_kib) * 1024)


def write_rows(path: Path, n_rows: int) -> Path:
    """A parquet file of normal rows, written in pieces."""
    rng = np.random.default_rng(0)
    schema = pa.schema([(f"x{i}", pa.float64()) for i in range(N_FEATURES)])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n_rows, 100_000):
            n = min(100_000, n_rows - start)
            writer.write_table(pa.table(list(rng.normal(size=(N_FEATURES, n))), schema=schema))
    return path


def example_rows() -> pa.Table:
    rng = np.random.default_rng(1)
    return pa.table({f"x{i}": rng.normal(size=2_000) for i in range(N_FEATURES)})


def fit_autoencoder(n_members: int) -> Autoencoder:
    """The default autoencoder, hardly trained."""
    detector = Autoencoder.build(PARAMS, n_features=N_FEATURES, n_members=n_members, seed=0)
    fit(detector, scaled_examples(), seed=0, checkpoints=(), on_checkpoint=lambda _epoch: False)
    return detector


def scaled_examples() -> np.ndarray:
    preprocessor = Preprocessor.fit(example_rows())
    return preprocessor.scale(preprocessor.encode(example_rows()), PARAMS["prep"])


def write_autoencoder(path: Path, detector: Autoencoder) -> Path:
    panel_scores = member_mean(detector.scores(scaled_examples(), types=("rec_mse",))["rec_mse"])
    part = Part(
        detector="autoencoder",
        params=PARAMS,
        n_features=N_FEATURES,
        n_members=detector.n_members,
        score_type="rec_mse",
        checkpoint=2,
        trial=0,
        seed=0,
        weight=1.0,
        panel_scores=panel_scores,
        arrays=detector.arrays(),
    )
    return write_artifact(
        path,
        name="bench",
        parts=[part],
        preprocessor=Preprocessor.fit(example_rows()),
        threshold=threshold_of(panel_scores, rate=0.01),
        panel_scores_N=panel_scores,
        data_fingerprint="0" * 64,
        seed=0,
        study={},
        evidence={},
    )


if __name__ == "__main__":
    main()
