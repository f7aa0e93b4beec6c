"""DASVDD and Deep SVDD on flattened images, one class normal, by the protocol of the DASVDD paper (Table 2).

    python tests/benchmarks/repro_dasvdd_images.py [--rows 2000] [--epochs 50] [--seeds 3] [--only mnist-8]

Train on images of one class from the training split (all of them clean), test on the whole test split,
pixels in [0, 1], AUROC x 100. Departures: at most `--rows` training images and `--epochs` epochs (published:
about 6,000 and 300, Deep SVDD 150 of pretraining and 150), and dense networks on both sides (Deep SVDD's is a
LeNet). Beside them what needs no training: distance to the mean image. Labels split and evaluate, no more.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from reproduction import Split, measure, read_images

from automl_ad.results import Value

PUBLISHED = {  # class: Deep SVDD, DASVDD (METHODS A2)
    ("mnist", 0): (98.0, 99.7),
    ("mnist", 4): (94.9, 98.1),
    ("mnist", 8): (93.9, 94.2),
    ("fashion_mnist", 0): (79.1, 91.2),
    ("fashion_mnist", 3): (83.0, 93.7),
    ("fashion_mnist", 6): (74.9, 82.8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="one data set and class, such as mnist-8")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    epochs: dict[str, Value] = {"n_epochs": arguments.epochs}
    detectors: dict[str, dict[str, Value]] = {
        "deep_svdd": epochs | {"latent_size": 32, "pretrain_epochs": arguments.epochs},
        "dasvdd": epochs | {"hidden": "1024-256", "latent_size": 256, "batch_size": 200},
        "distance_to_center": {},
    }
    print("| data, class | detector | published | AUROC, one network | all score types | CPU s |")
    print("|---|---|---|---|---|---|")
    for (name, normal), published in PUBLISHED.items():
        if arguments.only not in ("", f"{name}-{normal}"):
            continue
        splits = [split(name, normal, seed, arguments.rows) for seed in range(arguments.seeds)]
        for (detector, params), paper in zip(detectors.items(), (*published, "-"), strict=True):
            cells = measure(detector, params, splits, arguments.device)
            print(f"| {name} {normal} | {detector} | {paper} | {cells} |", flush=True)


def split(name: str, normal: int, seed: int, n_rows: int) -> Split:
    train_ND, _ = read_images(name, "train", normal)
    test_ND, test_classes = read_images(name, "test")
    chosen = np.random.default_rng(seed).permutation(len(train_ND))[:n_rows]
    return train_ND[chosen], test_ND, test_classes != normal


if __name__ == "__main__":
    main()
