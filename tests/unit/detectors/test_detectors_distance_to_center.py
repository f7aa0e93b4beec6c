from __future__ import annotations

import numpy as np
import pytest

from automl_ad.detectors.distance_to_center import DistanceToCenter
from automl_ad.errors import TrialFailed

ROWS = np.array([[0, 0], [0, 0], [9, 12]], dtype=np.float32)


@pytest.mark.parametrize(
    ("center", "norm", "expected"),
    [
        ("mean", "l2", [5, 5, 10]),
        ("mean", "l1", [7, 7, 14]),
        ("median", "l2", [0, 0, 15]),
        ("median", "l1", [0, 0, 21]),
    ],
)
def test_the_distance_is_that_of_the_norm_to_the_center(
    center: str, norm: str, expected: list[float]
) -> None:
    detector = DistanceToCenter.build({"center": center, "norm": norm}, n_features=2, n_members=1, seed=0)
    detector.fit(ROWS, seed=0)
    np.testing.assert_allclose(detector.scores(ROWS)["distance"][0], expected)


def test_an_unknown_center_is_refused() -> None:
    with pytest.raises(TrialFailed, match="center must be one of mean, median"):
        DistanceToCenter.build({"center": "mode"}, n_features=2, n_members=1, seed=0)
