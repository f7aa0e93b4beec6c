"""Trials whose detectors see one truth through independent noise."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.criteria import ANCHOR_DETECTORS
from automl_ad.results import Candidate, CandidateKey, TrialConfig, TrialResult

N_ROWS = 400
TRUTH = np.concatenate([np.random.default_rng(0).exponential(size=380), np.linspace(5, 8, 20)])


@pytest.fixture
def make_trial():
    """One trial with one candidate per checkpoint."""

    def make(
        number, detector, scores, *, origin="sampled", checkpoints=(0,), probes=None, **facts
    ) -> TrialResult:
        candidates = [
            Candidate(
                key=CandidateKey(trial=number, score_type="native", checkpoint=checkpoint),
                detector=detector,
                panel_scores=np.asarray(scores, np.float32),
                probe_scores=probes or {},
            )
            for checkpoint in checkpoints
        ]
        facts = {"state": "completed", "seed": 0, "kept_checkpoints": checkpoints, **facts}
        config = TrialConfig(detector=detector, params={}, origin=origin)
        return TrialResult(trial=number, config=config, candidates=tuple(candidates), **facts)

    return make


@pytest.fixture
def noisy_truth():
    def scores(noise: float, seed: int) -> np.ndarray:
        return TRUTH + noise * np.random.default_rng(seed).exponential(size=N_ROWS)

    return scores


@pytest.fixture
def anchors(make_trial, noisy_truth):
    """The five anchors and one more baseline, trials 0 to 5."""
    return [
        make_trial(number, detector, noisy_truth(1.5, 100 + number), origin="baseline")
        for number, detector in enumerate((*ANCHOR_DETECTORS, "mahalanobis"))
    ]
