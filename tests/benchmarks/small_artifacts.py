"""Small artifacts of real detectors on noise, for measurements where it does not matter what is scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from automl_ad.artifact import Part, threshold_of, write_artifact
from automl_ad.data import Preprocessor
from automl_ad.detectors import DETECTORS, member_mean
from automl_ad.training import fit

N_FEATURES = 32


def write_autoencoder(path: Path, *, n_features: int = N_FEATURES, seed: int = 0) -> Path:
    """The default autoencoder, S = 4, named like its folder; each seed has scores of its own."""
    rng = np.random.default_rng(seed)
    rows = pa.table({f"f{index}": rng.normal(size=2_000) for index in range(n_features)})
    return write_detector(path, rows, "autoencoder", {"n_epochs": 2}, n_members=4, seed=seed)


def write_detector(
    path: Path, rows: pa.Table, detector: str, params: dict, *, n_members: int = 1, seed: int = 0
) -> Path:
    """An artifact of one detector fitted on the rows, z-scored, named like its folder."""
    preprocessor = Preprocessor.fit(rows)
    x_ND = preprocessor.scale(preprocessor.encode(rows), "zscore")
    params = {**params, "prep": "zscore"}
    fitted = DETECTORS[detector].build(params, n_features=x_ND.shape[1], n_members=n_members, seed=seed)
    fit(fitted, x_ND, seed=seed, checkpoints=(), on_checkpoint=lambda _epoch: False)
    score_type = fitted.score_types[0].name
    panel_scores_N = member_mean(fitted.scores(x_ND[:1_000])[score_type])
    part = Part(
        detector=detector,
        params=params,
        n_features=x_ND.shape[1],
        n_members=fitted.n_members,
        score_type=score_type,
        checkpoint=params.get("n_epochs", 0),
        trial=0,
        seed=seed,
        weight=1.0,
        panel_scores=panel_scores_N,
        arrays=fitted.arrays(),
    )
    return write_artifact(
        path,
        name=path.name,
        parts=[part],
        preprocessor=preprocessor,
        threshold=threshold_of(panel_scores_N, rate=0.01),
        panel_scores_N=panel_scores_N,
        data_fingerprint="0" * 64,
        seed=seed,
        study={},
        evidence={},
    )
