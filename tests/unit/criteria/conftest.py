"""Small candidates, results and evidence."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.criteria import Evidence
from automl_ad.results import Candidate, CandidateKey, TrialConfig, TrialResult


@pytest.fixture
def make_candidate():
    def make(scores, *, trial=0, detector="autoencoder", checkpoint=0, **facts) -> Candidate:
        key = CandidateKey(trial=trial, score_type="native", checkpoint=checkpoint)
        return Candidate(key=key, detector=detector, panel_scores=np.asarray(scores, np.float32), **facts)

    return make


@pytest.fixture
def make_result():
    def make(*candidates, trial=0, detector="autoencoder", origin="sampled", **facts) -> TrialResult:
        config = TrialConfig(detector=detector, params={}, origin=origin)
        facts = {"state": "completed", "seed": 0, **facts}
        return TrialResult(trial=trial, config=config, candidates=candidates, **facts)

    return make


@pytest.fixture
def make_evidence(make_candidate, make_result):
    """Evidence of one candidate per (detector, scores), each in a trial of its own."""

    def make(pool, anchors=None, **facts) -> Evidence:
        candidates = [
            make_candidate(scores, trial=trial, detector=detector)
            for trial, (detector, scores) in enumerate(pool)
        ]
        results = [make_result(c, trial=c.key.trial, detector=c.detector, **facts) for c in candidates]
        return Evidence.of(candidates, results, anchors or {})

    return make
