"""The demo's table: scikit-learn's breast-cancer data with most malignant rows left out, as parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

N_MALIGNANT = 30
"""Of 212: with 357 benign rows a share of 7.8 %, an anomaly problem and not a classification problem."""


def write_demo_table(path: Path) -> Path:
    """The path, holding 387 shuffled rows of 30 features and a column `malignant` for the audit."""
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer()
    is_malignant = bunch.target == 0
    rows = np.concatenate([np.flatnonzero(~is_malignant), np.flatnonzero(is_malignant)[:N_MALIGNANT]])
    rows = np.random.default_rng(0).permutation(rows)
    columns = {str(name): bunch.data[rows, i] for i, name in enumerate(bunch.feature_names)}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({**columns, "malignant": is_malignant[rows]}), path)
    return path
