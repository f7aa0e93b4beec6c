"""The models that are fuzzed: small, of every kind of column, with a network, stored rows and trees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from automl_ad.artifact import Part, combine, threshold_of, write_artifact
from automl_ad.artifact.ensemble import PanelECDF
from automl_ad.data import Preprocessor
from automl_ad.detectors import DETECTORS, member_mean
from automl_ad.training import fit

N_ROWS, N_PANEL = 120, 60
_PARTS: Mapping[str, dict] = {
    "autoencoder": {"n_epochs": 1, "batch_size": 64},
    "knn": {"n_neighbors": 3},
    "isolation_forest": {"n_trees": 5},
}


def numeric_rows() -> pa.Table:
    """Three columns of numbers."""
    rng = np.random.default_rng(1)
    return pa.table({name: rng.normal(size=N_ROWS) for name in ("width", "height", "weight")})


def mixed_rows() -> pa.Table:
    """A number, a number that may be missing, a category, a truth value, a point in time."""
    rng = np.random.default_rng(2)
    age = rng.integers(18, 90, size=N_ROWS).astype(float)
    age[::7] = np.nan
    return pa.table(
        {
            "amount": rng.lognormal(size=N_ROWS),
            "age": pa.array(age, from_pandas=True),
            "country": pa.array(rng.choice(["fr", "de", "pt"], size=N_ROWS)),
            "is_new": pa.array(rng.integers(0, 2, size=N_ROWS).astype(bool)),
            "at": pa.array(1_700_000_000 + rng.integers(0, 10**6, size=N_ROWS), pa.timestamp("s", tz="UTC")),
        }
    )


def write_models(folder: Path) -> dict[str, Path]:
    """Name -> artifact: `sizes` takes matrices, `payments` every kind of column."""
    return {
        "sizes": write_ensemble(folder / "sizes", numeric_rows()),
        "payments": write_ensemble(folder / "payments", mixed_rows()),
    }


def write_ensemble(path: Path, rows: pa.Table, *, seed: int = 3) -> Path:
    """An artifact of three parts, named like its folder."""
    preprocessor = Preprocessor.fit(rows)
    parts = [_part(preprocessor, rows, detector, params, seed) for detector, params in _PARTS.items()]
    panel_scores_N = combine(
        [(p.weight, PanelECDF.from_scores(p.panel_scores), p.panel_scores) for p in parts], vote_rate=None
    )
    return write_artifact(
        path,
        name=path.name,
        parts=parts,
        preprocessor=preprocessor,
        threshold=threshold_of(panel_scores_N, rate=0.05),
        panel_scores_N=panel_scores_N,
        data_fingerprint="f" * 64,
        seed=seed,
        study={"preset": "fast"},
        evidence={"verdict": "clear", "ranking": []},
    )


def _part(preprocessor: Preprocessor, rows: pa.Table, detector: str, params: dict, seed: int) -> Part:
    x_ND = preprocessor.scale(preprocessor.encode(rows), "zscore")
    params = {**params, "prep": "zscore"}
    fitted = DETECTORS[detector].build(params, n_features=x_ND.shape[1], n_members=2, seed=seed)
    fit(fitted, x_ND, seed=seed, checkpoints=(), on_checkpoint=lambda _epoch: False)
    score_type = fitted.score_types[0].name
    return Part(
        detector=detector,
        params=params,
        n_features=x_ND.shape[1],
        n_members=fitted.n_members,
        score_type=score_type,
        checkpoint=params.get("n_epochs", 0),
        trial=0,
        seed=seed,
        weight=1 / len(_PARTS),
        panel_scores=member_mean(fitted.scores(x_ND[:N_PANEL])[score_type]),
        arrays=fitted.arrays(),
    )
