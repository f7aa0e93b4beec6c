"""Every deep detector can be watched: looking at its loss entropy changes nothing of its training."""

import numpy as np
import pytest
import torch

from automl_ad.detectors import DETECTORS, DeepDetector
from automl_ad.training import FitReport, fit

DEEP = [name for name, detector in DETECTORS.items() if issubclass(detector, DeepDetector)]
PARAMS = {"n_epochs": 4, "pretrain_epochs": 2}


def trained(name: str, *, watch_entropy: bool) -> tuple[DeepDetector, FitReport, list[int]]:
    torch.set_num_threads(1)
    detector = DETECTORS[name].build(PARAMS, n_features=4, n_members=2, seed=0)
    assert isinstance(detector, DeepDetector)
    seen: list[int] = []

    def on_checkpoint(epoch: int) -> bool:
        seen.append(epoch)
        return False

    report = fit(
        detector, rows(), seed=0, checkpoints=(), on_checkpoint=on_checkpoint, watch_entropy=watch_entropy
    )
    return detector, report, seen


def rows() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(64, 4)).astype(np.float32)


@pytest.mark.parametrize("name", DEEP)
def test_the_watch_leaves_training_alone_and_brings_its_minimum_back(name: str):
    _, alone, (last,) = trained(name, watch_entropy=False)
    detector, watched, (end, minimum) = trained(name, watch_entropy=True)
    np.testing.assert_array_equal(watched.losses_SE, alone.losses_SE)
    assert end == last
    assert sum(phase.n_epochs for phase in detector.phases(64)[:-1]) < minimum <= last
    assert all(np.isfinite(scores).all() for scores in detector.scores(rows()).values())
