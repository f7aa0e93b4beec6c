"""What an epoch of each deep detector costs: beside the plain autoencoder, and S members beside S runs.

    python tests/benchmarks/bench_detector_cost.py [--features 32] [--detectors vae,dagmm]

2,048 random rows, batches of 128, the same backbone without a norm, one core, CPU seconds. `relative`: an
epoch over one of the autoencoder, both with one network, measured in turns. `S = 4`, `S = 8`: how many times
longer as many separate runs take than all at once. `memory`: the peak of a process that trains 8 at once over
the peak of one that trains a single network.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from automl_ad.detectors import DETECTORS, DeepDetector
from automl_ad.training import fit

N_ROWS, N_EPOCHS = 2_048, 3


def seconds_per_epoch(name: str, n_features: int, n_members: int) -> float:
    """CPU seconds of one epoch over all phases."""
    rows = np.random.default_rng(0).normal(size=(N_ROWS, n_features)).astype(np.float32)
    params = {"n_epochs": N_EPOCHS, "batch_size": 128, "norm": "none", "activation": "leaky_relu"}
    detector = DETECTORS[name].build(params, n_features=n_features, n_members=n_members, seed=0)
    assert isinstance(detector, DeepDetector)
    n_epochs = sum(phase.n_epochs for phase in detector.phases(N_ROWS))
    start = time.process_time()
    fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return (time.process_time() - start) / n_epochs


def fastest(names: list[str], n_features: int, n_members: int, repeats: int) -> dict[str, float]:
    """Name -> the fastest of the repeats, which take turns."""
    times = {name: [] for name in names}
    for _ in range(repeats + 1):
        for name in names:
            times[name].append(seconds_per_epoch(name, n_features, n_members))
    return {name: min(values[1:]) for name, values in times.items()}


def peak_mib(name: str, n_features: int, n_members: int) -> float:
    """Largest resident size of a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--peak",
        name,
        "--features",
        str(n_features),
        "--members",
        str(n_members),
    ]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--detectors", default="")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--peak", default="", help=argparse.SUPPRESS)
    parser.add_argument("--members", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.peak:
        seconds_per_epoch(arguments.peak, arguments.features, arguments.members)
        # Not getrusage: its peak is inherited from the parent process.
        status = Path("/proc/self/status").read_text()
        print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
        return
    deep = [name for name, kind in DETECTORS.items() if issubclass(kind, DeepDetector) and name != "pixelcnn"]
    chosen = [name for name in arguments.detectors.split(",") if name] or deep
    print("| detector | ms per epoch, S = 1 | relative | S = 4 | S = 8 | memory, S = 8 over 1 (MiB) |")
    print("|---|---|---|---|---|---|")
    for name in chosen:
        pair = list(dict.fromkeys(("autoencoder", name)))
        one, four, eight = (fastest(pair, arguments.features, s, arguments.repeats) for s in (1, 4, 8))
        peaks = [peak_mib(name, arguments.features, s) for s in (8, 1)]
        print(
            f"| {name} | {1000 * one[name]:.0f} | {one[name] / one['autoencoder']:.2f} | "
            f"{4 * one[name] / four[name]:.2f} | {8 * one[name] / eight[name]:.2f} | "
            f"{peaks[0] / peaks[1]:.2f} ({peaks[0]:.0f} / {peaks[1]:.0f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
