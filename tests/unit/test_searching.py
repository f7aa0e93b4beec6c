"""What a dashboard is told of a trial, without a search."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.results import Candidate, CandidateKey, TrialConfig, TrialResult
from automl_ad.searching import describe

PANEL = np.arange(100, dtype=np.float32)
ANCHORS = {"knn": PANEL.astype(np.float64)}


@pytest.fixture
def result() -> TrialResult:
    """A trial whose pseudo-anomalies score above the lower 60 of 100 panel rows."""
    candidate = Candidate(
        key=CandidateKey(trial=7, score_type="native", checkpoint=0),
        detector="pca",
        panel_scores=PANEL,
        probe_scores={"gauss": np.full(30, 59.5, dtype=np.float32)},
        objective=0.5,
    )
    config = TrialConfig(detector="pca", params={}, origin="sampled")
    return TrialResult(trial=7, config=config, seed=0, state="completed", candidates=(candidate,))


def test_suspect_rows_are_left_out(result):
    assert describe(result, ANCHORS)["probe_auc"] == pytest.approx(60 / 80)
