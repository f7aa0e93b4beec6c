"""Small artifacts of real detectors, fitted once per test session and copied for whoever damages them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from automl_ad.artifact import Part, combine, threshold_of, write_artifact
from automl_ad.artifact.ensemble import PanelECDF
from automl_ad.data import Preprocessor
from automl_ad.detectors import DETECTORS, member_mean
from automl_ad.training import fit

N_PANEL = 100
TINY = {"n_epochs": 2, "batch_size": 64}


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """300 rows, 5 numeric columns, `e` with missing values."""
    rng = np.random.default_rng(7)
    columns = {
        name: rng.normal(size=300) * scale for name, scale in zip("abcd", (1, 10, 0.1, 5), strict=True)
    }
    e = rng.normal(size=300)
    e[::9] = np.nan
    return pa.table({**columns, "e": pa.array(e, from_pandas=True)})


@pytest.fixture(scope="session")
def mixed_table() -> pa.Table:
    """300 rows of every kind of column."""
    rng = np.random.default_rng(8)
    return pa.table(
        {
            "amount": rng.lognormal(size=300),
            "country": pa.array(rng.choice(["fr", "de", "pt"], size=300)),
            "is_new": pa.array(rng.integers(0, 2, size=300).astype(bool)),
            "at": pa.array(1_700_000_000 + rng.integers(0, 10**6, size=300), pa.timestamp("s", tz="UTC")),
        }
    )


@pytest.fixture(scope="session")
def fit_part(table: pa.Table):
    return lambda detector, weight=1.0, rows=table, **params: _fit_part(rows, detector, weight, params)


def _fit_part(rows: pa.Table, detector: str, weight: float, params: dict) -> Part:
    preprocessor = Preprocessor.fit(rows)
    prep = params.setdefault("prep", "zscore")
    x_ND = preprocessor.scale(preprocessor.encode(rows), prep)
    fitted = DETECTORS[detector].build(params, n_features=x_ND.shape[1], n_members=2, seed=3)
    fit(fitted, x_ND, seed=3, checkpoints=(), on_checkpoint=lambda _epoch: False)
    score_type = params.pop("score_type", fitted.score_types[0].name)
    return Part(
        detector=detector,
        params=params,
        n_features=x_ND.shape[1],
        n_members=fitted.n_members,
        score_type=score_type,
        checkpoint=params.get("n_epochs", 0),
        trial=5,
        seed=3,
        weight=weight,
        panel_scores=member_mean(fitted.scores(x_ND[:N_PANEL])[score_type]),
        arrays=fitted.arrays(),
    )


@pytest.fixture(scope="session")
def export(table: pa.Table):
    """(path, parts, rows the preprocessor is fitted on, name, evidence) -> path of the artifact."""

    def write(
        path: Path,
        parts: Sequence[Part],
        rows: pa.Table = table,
        name: str = "payments",
        evidence: dict | None = None,
        vote_rate: float | None = None,
    ) -> Path:
        panel_scores_N = combine(
            [(p.weight, PanelECDF.from_scores(p.panel_scores), p.panel_scores) for p in parts],
            vote_rate=vote_rate,
        )
        return write_artifact(
            path,
            name=name,
            parts=parts,
            preprocessor=Preprocessor.fit(rows),
            threshold=threshold_of(panel_scores_N, rate=0.05),
            vote_rate=vote_rate,
            panel_scores_N=panel_scores_N,
            data_fingerprint="f" * 64,
            seed=11,
            study={"preset": "fast", "max_trials": 3},
            evidence=evidence or {"verdict": "clear", "ranking": []},
        )

    return write


@pytest.fixture(scope="session")
def ensemble_path(export, fit_part, tmp_path_factory) -> Path:
    """Three parts of three preps: a network, stored rows, trees. Read only: copy it to change it."""
    parts = [
        fit_part("autoencoder", 0.5, **TINY),
        fit_part("knn", 0.25, n_neighbors=5, prep="robust"),
        fit_part("isolation_forest", 0.25, n_trees=20, prep="minmax"),
    ]
    return export(tmp_path_factory.mktemp("artifacts") / "ensemble", parts)


@pytest.fixture(scope="session")
def versions(export, fit_part, tmp_path_factory) -> list[Path]:
    """Three artifacts of different content. Read only: copy one to change it."""
    folder = tmp_path_factory.mktemp("versions")
    part = fit_part("mahalanobis", 1.0)
    return [export(folder / f"v{i}", [part], evidence={"verdict": f"version {i}"}) for i in range(3)]
