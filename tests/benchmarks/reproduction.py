"""What the reproductions on images share: the public files, and one row of a table."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import pyarrow.parquet as pq

from automl_ad.data.images import decode_images
from automl_ad.detectors import DETECTORS, member_mean
from automl_ad.evaluation.metrics import auroc
from automl_ad.results import Value
from automl_ad.training import fit

DATA = Path(os.environ.get("AUTOML_AD_TEST_DATA", "../shared/data"))
Images = npt.NDArray[np.float32]
Split = tuple[Images, Images, npt.NDArray[np.bool_]]
"""Training rows, test rows, which test rows are anomalies."""


@cache
def read_images(name: str, split: str, only: int | None = None) -> tuple[Images, npt.NDArray[np.int64]]:
    """Pixels [N, 784] in [0, 1] and classes [N]; `name` is mnist or fashion_mnist, `only` one class.

    Ends the program with a sentence where the file is absent.
    """
    path = DATA / "images" / f"{name}.parquet"
    if not path.exists():
        raise SystemExit(f"{path} is not there: set AUTOML_AD_TEST_DATA to the folder of public data")
    table = pq.read_table(path)
    wanted = pc.equal(table["split"], split)
    if only is not None:
        wanted = pc.and_(wanted, pc.equal(table["class"], only))
    table = table.filter(wanted)
    pixels = decode_images(table["image"].combine_chunks(), "image")
    return pixels.reshape(len(pixels), -1).astype(np.float32) / 255, table["class"].to_numpy().astype(
        np.int64
    )


def measure(detector: str, params: Mapping[str, Value], splits: Sequence[Split], device: str) -> str:
    """Cells of a table: native AUROC x 100 (mean +- standard deviation over the splits, one network each),
    the mean of every score type, CPU seconds of one split."""
    figures, start = [], time.process_time()
    for seed, (train_ND, test_ND, is_anomaly) in enumerate(splits):
        fitted = DETECTORS[detector].build(params, n_features=train_ND.shape[1], n_members=1, seed=seed)
        fit(fitted, train_ND, seed=seed, checkpoints=(), on_checkpoint=lambda _: False, device=device)
        scores = fitted.scores(test_ND)
        figures.append([100 * auroc(is_anomaly, member_mean(values)) for values in scores.values()])
    native, means = np.array(figures)[:, 0], np.mean(figures, axis=0)
    types = ", ".join(f"{score_type} {mean:.1f}" for score_type, mean in zip(scores, means, strict=True))
    seconds = (time.process_time() - start) / len(splits)
    return f"{native.mean():.1f} +- {native.std():.1f} | {types} | {seconds:.0f}"
