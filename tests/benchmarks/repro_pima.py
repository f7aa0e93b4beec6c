"""DASVDD on PIMA by the clean protocol of its paper, beside Mahalanobis.

Run: `python tests/benchmarks/repro_pima.py`.

Half of the normal rows train; the other half and all anomalies test; z-scores come from the training
rows; ten seeds. The second protocol is the one of the authors' first code: rows sorted by label, the
first 40 % test, no scaling. Published: 72.2 +- 1.2. Labels are used for the split and the evaluation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch

from automl_ad.detectors import DETECTORS, member_mean
from automl_ad.evaluation.metrics import auroc
from automl_ad.results import Value
from automl_ad.training import fit

DATA = Path(os.environ.get("AUTOML_AD_TEST_DATA", "../shared/data"))
SEEDS = range(10)
PUBLISHED: dict[str, Value] = {"hidden": "10-4", "latent_size": 4, "batch_size": 200, "n_epochs": 300}

Split = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_]]
"""Training rows, test rows, which test rows are anomalies."""


def half_of_normals(x_ND: npt.NDArray[np.float32], is_anomaly: npt.NDArray[np.bool_], seed: int) -> Split:
    normals = np.random.default_rng(seed).permutation(np.flatnonzero(~is_anomaly))
    train, rest = normals[: len(normals) // 2], normals[len(normals) // 2 :]
    test = np.concatenate([rest, np.flatnonzero(is_anomaly)])
    mean_D, std_D = x_ND[train].mean(axis=0), x_ND[train].std(axis=0)
    z_ND = (x_ND - mean_D) / std_D
    return z_ND[train], z_ND[test], is_anomaly[test]


def sorted_raw(x_ND: npt.NDArray[np.float32], is_anomaly: npt.NDArray[np.bool_], seed: int) -> Split:
    del seed  # the split is fixed; only the networks differ
    order = np.argsort(~is_anomaly, kind="stable")
    n_test = round(0.4 * len(order))
    test, train = order[:n_test], order[n_test:]
    return x_ND[train], x_ND[test], is_anomaly[test]


def run(detector: str, params: dict[str, Value], n_members: int, split: Split, seed: int) -> float:
    train_ND, test_ND, is_anomaly = split
    fitted = DETECTORS[detector].build(params, n_features=train_ND.shape[1], n_members=n_members, seed=seed)
    fit(fitted, train_ND, seed=seed, checkpoints=(), on_checkpoint=lambda _: False)
    native = fitted.score_types[0].name
    return 100 * auroc(is_anomaly, member_mean(fitted.scores(test_ND, [native])[native]))


def main() -> None:
    torch.set_num_threads(1)
    table = pq.read_table(DATA / "tabular" / "pima.parquet")
    is_anomaly = table["label"].to_numpy() == 1
    x_ND = np.column_stack([table[name].to_numpy() for name in table.column_names if name != "label"])
    splits: dict[str, Callable[..., Split]] = {
        "half of normals, z-scored": half_of_normals,
        "sorted, raw": sorted_raw,
    }
    rows = {
        "DASVDD, published settings, 1 network": ("dasvdd", PUBLISHED, 1),
        "DASVDD, published settings, mean of 4": ("dasvdd", PUBLISHED, 4),
        "DASVDD, our default, 1 network": ("dasvdd", {}, 1),
        "Mahalanobis": ("mahalanobis", {}, 1),
    }
    for protocol, split in splits.items():
        print(f"{protocol} (published 72.2 +- 1.2)")
        for name, (detector, params, n_members) in rows.items():
            figures = [
                run(detector, params, n_members, split(x_ND, is_anomaly, seed), seed) for seed in SEEDS
            ]
            print(f"  {name:42s} {np.mean(figures):5.1f} +- {np.std(figures):.1f}")


if __name__ == "__main__":
    main()
