"""Example rows: they fit the schema, follow each column, and are nobody's row."""

import datetime

import numpy as np
import pyarrow as pa

from automl_ad.data import Preprocessor

N = 400
RNG = np.random.default_rng(0)
X = RNG.normal(5, 2, N)
TABLE = pa.table(
    {
        "x": X,
        "copy": X * 2,
        "count": RNG.poisson(4, N),
        "gaps": pa.array([None if i % 4 == 0 else float(i % 7) for i in range(N)]),
        "flag": pa.array([i % 4 == 0 for i in range(N)]),
        "color": pa.array([["red", "red", "blue", None][i % 4] for i in range(N)]),
        "when": pa.array([datetime.datetime(2026, 1, 1) + datetime.timedelta(hours=i) for i in range(N)]),
    }
)
PREPROCESSOR = Preprocessor.fit(TABLE)
DRAWN = PREPROCESSOR.sample_marginals(2_000, seed=3)


def test_drawn_rows_encode_and_are_reproducible():
    assert np.isfinite(PREPROCESSOR.encode(DRAWN)).all()
    assert DRAWN.equals(PREPROCESSOR.sample_marginals(2_000, seed=3))
    assert not DRAWN.equals(PREPROCESSOR.sample_marginals(2_000, seed=4))


def test_each_column_keeps_its_own_distribution():
    x = DRAWN["x"].to_numpy()
    assert abs(x.mean() - X.mean()) < 0.3
    assert abs(x.std() - X.std()) < 0.4
    assert X.min() <= x.min() <= x.max() <= X.max()
    counts = DRAWN["count"].to_numpy()
    assert (counts == np.rint(counts)).all()
    assert 0.2 < DRAWN["gaps"].null_count / 2_000 < 0.3
    assert 0.2 < np.mean(DRAWN["flag"].to_pylist()) < 0.3
    assert 0.45 < DRAWN["color"].to_pylist().count("red") / 2_000 < 0.55
    assert 0.2 < DRAWN["color"].null_count / 2_000 < 0.3
    assert DRAWN["when"].null_count == 0


def test_columns_are_independent_so_that_no_row_is_a_training_row():
    assert abs(np.corrcoef(DRAWN["x"], DRAWN["copy"])[0, 1]) < 0.1
    training = set(zip(TABLE["x"].to_pylist(), TABLE["copy"].to_pylist(), strict=True))
    assert not training & set(zip(DRAWN["x"].to_pylist(), DRAWN["copy"].to_pylist(), strict=True))
