"""Scalers: finite, clipped, invertible, fitted on just the given rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from automl_ad.data import PREPS, Scaler
from automl_ad.data.scaling import fit_scalers
from automl_ad.errors import ArtifactError

MATRICES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)


@given(MATRICES, MATRICES)
def test_scaled_values_are_finite_whatever_was_fitted(fitted_ND, other_ND):
    for scaler in fit_scalers(fitted_ND, "tabular").values():
        for encoded_ND in (fitted_ND, np.resize(other_ND, (5, fitted_ND.shape[1]))):
            scaled_ND = scaler(encoded_ND)
            assert scaled_ND.dtype == np.float32
            assert np.isfinite(scaled_ND).all()
            assert (scaled_ND >= np.float32(scaler.low)).all()
            assert (scaled_ND <= np.float32(scaler.high)).all()


def test_the_statistics_are_the_published_ones():
    x_ND = np.random.default_rng(0).normal(3, 2, size=(500, 4))
    scalers = fit_scalers(x_ND, "tabular")
    np.testing.assert_allclose(scalers["zscore"](x_ND).std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(scalers["zscore"](x_ND).mean(axis=0), 0, atol=1e-6)
    low, median, high = np.quantile(x_ND, (0.25, 0.5, 0.75), axis=0)
    np.testing.assert_allclose(scalers["robust"](x_ND), (x_ND - median) / (high - low), rtol=1e-4, atol=1e-6)
    assert scalers["minmax"](x_ND).min() == 0
    assert scalers["minmax"](x_ND).max() == 1
    np.testing.assert_array_equal(scalers["none"](x_ND), x_ND.astype(np.float32))


def test_robust_falls_back_to_the_standard_deviation_when_most_rows_tie():
    x_ND = np.zeros((100, 1))
    x_ND[:10] = 5.0
    scaled_ND = fit_scalers(x_ND, "tabular")["robust"](x_ND)
    np.testing.assert_allclose(scaled_ND[0], 5 / x_ND.std(), rtol=1e-6)


def test_a_column_that_did_not_vary_is_zero_and_shows_the_first_difference():
    scalers = fit_scalers(np.full((30, 1), 4.0), "tabular")
    for prep in ("zscore", "robust", "minmax"):
        assert scalers[prep](np.full((3, 1), 4.0)).tolist() == [[0.0]] * 3
    assert scalers["zscore"](np.array([[5.0]])) == 10
    assert scalers["minmax"](np.array([[5.0]])) == 1


def test_clips():
    scalers = fit_scalers(np.linspace(0, 1, 50)[:, None], "tabular")
    wild = np.array([[1e9], [-1e9]])
    assert scalers["zscore"](wild).ravel().tolist() == [10, -10]
    assert scalers["robust"](wild).ravel().tolist() == [10, -10]
    assert scalers["minmax"](wild).ravel().tolist() == [2, -1]


def test_inverse_gives_back_what_was_not_clipped():
    x_ND = np.random.default_rng(1).normal(100, 7, size=(60, 3))
    for scaler in fit_scalers(x_ND, "tabular").values():
        np.testing.assert_allclose(scaler.inverse(scaler(x_ND)), x_ND, rtol=1e-5)


def test_image_scalers():
    x_ND = np.array([[0.0, 0.5, 1.0]])
    scalers = fit_scalers(x_ND, "image")
    assert tuple(scalers) == PREPS["image"]
    assert scalers["unit"](x_ND).tolist() == [[0, 0.5, 1]]
    assert scalers["pm1"](x_ND).tolist() == [[-1, 0, 1]]


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("center", np.zeros(4), "shape"),
        ("center", np.zeros(3, np.float32), "float64"),
        ("center", np.array([0, np.nan, 0]), "finite"),
        ("spread", np.array([1.0, 0.0, 1.0]), "positive"),
        ("bounds", None, "found none"),
    ],
)
def test_a_damaged_array_is_named(key, value, rule):
    arrays = {f"s/{k}": v for k, v in fit_scalers(np.eye(3), "tabular")["zscore"].arrays().items()}
    arrays = {k: v for k, v in {**arrays, f"s/{key}": value}.items() if v is not None}
    with pytest.raises(ArtifactError, match=f"'s/{key}'.*{rule}|{rule}"):
        Scaler.from_arrays(arrays, "s", 3)
