"""What every detector must do for a service that scores the requests of strangers together.

A row gets the same bits whatever else is scored, and however many rows there are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from automl_ad.detectors import DETECTORS, Detector, member_mean
from automl_ad.results import Value
from automl_ad.space import load_detector
from automl_ad.training import fit

N_FITTED, N_SCORED = 211, 1_100
QUICK: dict[str, Value] = {"n_epochs": 3, "pretrain_epochs": 2, "n_query": 5}
SMALL_IMAGES: dict[str, Value] = {"n_epochs": 1, "n_filters": 8, "n_blocks": 1}
MAX_BATCHES = 12


def make_rows(name: str) -> npt.NDArray[np.float32]:
    """Correlated columns with a few rows far out, or 5 x 5 pixels where nothing else is read."""
    rng = np.random.default_rng(5)
    if reads_images_only(name):
        return rng.random((N_SCORED, 25)).astype(np.float32)
    rows_ND = rng.normal(size=(N_SCORED, 3)) @ rng.normal(size=(3, 7)) + 0.3 * rng.normal(size=(N_SCORED, 7))
    rows_ND[::50] *= 8
    return (rows_ND / rows_ND.std(axis=0)).astype(np.float32)


def reads_images_only(name: str) -> bool:
    return load_detector(name, data_kind="image").data_kinds == ("image",)


@pytest.fixture(scope="module", params=sorted(DETECTORS))
def fitted(request: pytest.FixtureRequest) -> Detector:
    rows_ND = make_rows(request.param)
    params = SMALL_IMAGES if reads_images_only(request.param) else QUICK
    detector = DETECTORS[request.param].build(params, n_features=rows_ND.shape[1], n_members=2, seed=3)
    fit(detector, rows_ND[:N_FITTED], seed=3, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


@pytest.fixture(scope="module")
def together(fitted: Detector) -> dict[str, npt.NDArray[np.float32]]:
    """Score type -> what is served of all rows."""
    return served(fitted, make_rows(fitted.name))


def served(detector: Detector, rows_ND: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    return {name: member_mean(scores_SN) for name, scores_SN in detector.scores(rows_ND).items()}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 257, 1_000])
def test_batches_of_any_size_score_like_all_rows_together(
    fitted: Detector, together: dict[str, npt.NDArray[np.float32]], size: int
) -> None:
    rows_ND = make_rows(fitted.name)
    starts = range(0, len(rows_ND) - size + 1, max(size, N_SCORED // MAX_BATCHES))
    for start in starts:
        chosen = slice(start, start + size)
        for name, scores_N in served(fitted, rows_ND[chosen]).items():
            np.testing.assert_array_equal(scores_N, together[name][chosen], err_msg=name)


def test_order_and_memory_layout_do_not_matter(
    fitted: Detector, together: dict[str, npt.NDArray[np.float32]]
) -> None:
    order_N = np.random.default_rng(1).permutation(N_SCORED)[:100]
    rows_ND = np.asfortranarray(make_rows(fitted.name)[order_N])
    for name, scores_N in served(fitted, rows_ND).items():
        np.testing.assert_array_equal(scores_N, together[name][order_N], err_msg=name)
