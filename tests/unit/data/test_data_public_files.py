"""The public benchmark files go all the way: read, fit, encode, scale, and back from an artifact."""

import os
from pathlib import Path

import numpy as np
import pytest

from automl_ad.config import DataConfig
from automl_ad.data import Preprocessor, read_table

ROOT = Path(__file__).parents[3]
FOLDER = Path(os.environ.get("AUTOML_AD_TEST_DATA", ROOT.parent / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no public data in {FOLDER}; set AUTOML_AD_TEST_DATA"
)
TABLES = sorted(path.stem for path in (FOLDER / "tabular").glob("*.parquet"))
N_CONSTANT = {"mnist_100d": 22, "arrhythmia": 17}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name):
    config = DataConfig(
        sources=(str(FOLDER / "tabular" / f"{name}.parquet"),), label_column="label", max_rows=2_000
    )
    table = read_table(config, seed=0)
    assert "label" not in table.columns.column_names
    fitted = Preprocessor.fit(table.columns, row_positions=table.row_positions)
    encoded_ND = fitted.encode(table.columns)
    assert encoded_ND.shape == (len(table), len(fitted.encoded_names))
    restored = Preprocessor.from_parts(fitted.to_json(), fitted.arrays())
    for prep in fitted.scalers:
        scaled_ND = restored.scale(encoded_ND, prep)
        assert np.isfinite(scaled_ND).all()
        np.testing.assert_array_equal(scaled_ND, fitted.scale(encoded_ND, prep))
    np.testing.assert_array_equal(fitted.encode_rows(encoded_ND), encoded_ND)
    if name in N_CONSTANT:
        assert len(fitted.schema.dropped) >= N_CONSTANT[name]


def test_images():
    config = DataConfig(
        sources=(str(FOLDER / "images" / "mnist.parquet"),),
        label_column="class",
        drop=("split",),
        max_rows=200,
    )
    table = read_table(config, seed=0)
    assert table.n_source_rows == 70_000
    fitted = Preprocessor.fit(table.columns)
    encoded_ND = fitted.encode(table.columns)
    assert encoded_ND.shape == (200, 784)
    assert 0.05 < encoded_ND.mean() < 0.25


def test_a_table_with_text_and_times():
    config = DataConfig(
        sources=(str(FOLDER / "timeseries" / "nab.parquet"),), label_column="label", drop=("point",)
    )
    table = read_table(config, seed=0)
    fitted = Preprocessor.fit(table.columns, row_positions=table.row_positions)
    assert [feature.kind for feature in fitted.schema.features] == ["categorical", "timestamp", "numeric"]
    assert np.isfinite(fitted.scale(fitted.encode(table.columns), "robust")).all()
