from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.detectors import DETECTORS
from automl_ad.results import Value
from automl_ad.training import checkpoint_epochs, n_epochs, phase_starts


@given(st.integers(1, 5_000))
def test_checkpoints_rise_to_the_last_epoch(total: int):
    epochs = checkpoint_epochs(total)
    assert epochs[-1] == total
    assert list(epochs) == sorted(set(epochs))
    assert all(later <= 2.5 * earlier for earlier, later in pairwise(epochs))


def test_checkpoints_of_a_published_training():
    assert checkpoint_epochs(300) == (5, 10, 20, 50, 100, 200, 300)


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("pca", {}, 0),
        ("autoencoder", {}, 100),
        ("deep_svdd", {}, 250),
        ("deep_svdd", {"pretrain_epochs": 0, "n_epochs": 7}, 7),
        ("iaead", {}, 250),
        ("iaead", {"n_epochs": 1}, 1),
        ("dasvdd", {}, 300),
    ],
)
def test_epochs_of_all_phases_are_counted(name: str, params: dict[str, Value], expected: int):
    detector = DETECTORS[name].build(params, n_features=3, n_members=2, seed=0)
    assert n_epochs(detector, 100) == expected


def test_phases_start_where_the_one_before_ends():
    starts = {
        name: phase_starts(DETECTORS[name].build({}, n_features=3, n_members=2, seed=0), 100)
        for name in ("pca", "autoencoder", "deep_svdd", "iaead")
    }
    assert starts == {"pca": (0,), "autoencoder": (0,), "deep_svdd": (0, 100), "iaead": (0, 20)}
