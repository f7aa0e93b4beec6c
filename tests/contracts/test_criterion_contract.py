"""What every criterion of the registry must do, and that each can tell a good detector from a broken one.

Shapes: N panel rows, the last N_STRANGE of them strange.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from automl_ad.criteria import CRITERIA, Evidence
from automl_ad.results import Candidate, CandidateKey, TrialConfig, TrialResult

N, N_STRANGE, P = 300, 20, 80
ANCHORS = ("isolation_forest", "knn", "gmm", "pca", "kde")
RANK_BASED = ("anchor_agreement", "probe_auc", "consensus", "iterated_consensus")
KINDS = ("good", "broken", "fair", "fair", "poor")
"""Candidate 0 is the good one and 1 the broken one of the discrimination test; the others are the pool."""


def strangeness(quality: float, rng: np.random.Generator) -> np.ndarray:
    """Scores [N] that follow the truth as far as `quality` says."""
    truth = np.concatenate([rng.random(N - N_STRANGE), 3 + rng.random(N_STRANGE)])
    return quality * truth + (1 - quality) * 2 * rng.random(N)


def make_candidate(number: int, kind: str, rng: np.random.Generator) -> Candidate:
    quality = {"good": 0.95, "fair": 0.7, "poor": 0.4, "broken": 0.0}[kind]
    scores = strangeness(quality, np.random.default_rng(number)).astype(np.float32)
    normal = scores[: N - N_STRANGE]
    probes = {
        name: (rng.choice(normal, size=P) + shift * quality).astype(np.float32)
        for name, shift in (("gauss", 0.4), ("spike", 0.8))
    }
    return Candidate(
        key=CandidateKey(trial=number, score_type="distance", checkpoint=20),
        detector=f"detector_{number}",
        panel_scores=scores,
        probe_scores=probes,
        member_agreement=quality,
        member_jaccard=quality / 2,
        diagnostics={"gamma_balance_start": 0.1, "gamma_balance_end": 5 * (1 - quality)},
    )


def make_result(candidate: Candidate, kind: str) -> TrialResult:
    curve = np.exp(-np.arange(20) / 3) + 0.5
    wobble = 0.0 if kind == "good" else 0.4
    losses = np.stack([curve * (1 + wobble * np.sin(np.arange(20))), curve * (1 + wobble)])
    config = TrialConfig(detector=candidate.detector, params={"prep": "zscore"}, origin="sampled")
    return TrialResult(
        trial=candidate.key.trial,
        config=config,
        seed=0,
        state="completed",
        candidates=(candidate,),
        losses=losses.astype(np.float32),
    )


@pytest.fixture
def evidence() -> Evidence:
    rng = np.random.default_rng(0)
    candidates = [make_candidate(number, kind, rng) for number, kind in enumerate(KINDS)]
    results = [make_result(c, kind) for c, kind in zip(candidates, KINDS, strict=True)]
    anchors = {name: strangeness(0.7, np.random.default_rng(10 + i)) for i, name in enumerate(ANCHORS)}
    return Evidence.of(candidates, results, anchors)


@pytest.mark.parametrize("name", CRITERIA)
class TestEveryCriterion:
    def test_describes_itself(self, name):
        criterion = CRITERIA[name]
        assert criterion.name == name
        assert criterion.direction in ("max", "min")
        assert criterion.bounds[0] < criterion.bounds[1]
        assert all((criterion.needs, criterion.cost, criterion.source, criterion.failure_mode))
        assert type(criterion).__doc__

    def test_is_one_figure_per_candidate_within_bounds(self, name, evidence):
        values = CRITERIA[name](evidence)
        assert values.shape == (len(KINDS),)
        assert values.dtype == np.float64
        low, high = CRITERIA[name].bounds
        assert ((values >= low - 1e-6) & (values <= high + 1e-6)).all()

    def test_ranks_a_good_detector_above_a_broken_one(self, name, evidence):
        good, broken = CRITERIA[name](evidence)[:2]
        assert good > broken if CRITERIA[name].direction == "max" else good < broken

    def test_ignores_the_order_of_the_rows(self, name, evidence):
        shuffled = evidence.at(np.random.default_rng(1).permutation(N))
        np.testing.assert_allclose(CRITERIA[name](shuffled), CRITERIA[name](evidence), atol=1e-5)

    def test_ignores_the_order_of_the_pool(self, name, evidence):
        order = [3, 1, 4, 0, 2]
        shuffled = Evidence.of(
            [evidence.candidates[i] for i in order], list(evidence.results.values()), evidence.anchors
        )
        np.testing.assert_allclose(CRITERIA[name](shuffled), CRITERIA[name](evidence)[order], atol=1e-5)

    def test_ignores_the_unit_of_the_scores(self, name, evidence):
        stretched = changed(evidence, lambda scores: 1000 * scores + 7)
        np.testing.assert_allclose(CRITERIA[name](stretched), CRITERIA[name](evidence), atol=1e-3)

    def test_is_absent_without_what_it_needs(self, name, evidence):
        bare = Evidence.of(
            [
                replace(c, detector="knn", probe_scores={}, member_agreement=None, diagnostics={})
                for c in evidence.candidates
            ],
            [replace(result, losses=None) for result in evidence.results.values()],
            {},
        )
        if name == "tail_shape":
            pytest.skip("needs nothing but scores")
        assert np.isnan(CRITERIA[name](bare)).all()


@pytest.mark.parametrize("name", RANK_BASED)
@pytest.mark.parametrize("change", [np.exp, np.cbrt, lambda scores: scores.astype(np.float64) ** 3])
def test_rank_based_criteria_ignore_strictly_increasing_changes(name, change, evidence):
    np.testing.assert_allclose(CRITERIA[name](changed(evidence, change)), CRITERIA[name](evidence), atol=1e-6)


def changed(evidence: Evidence, change) -> Evidence:
    return Evidence.of(
        [
            replace(
                c,
                panel_scores=change(c.panel_scores),
                probe_scores={name: change(scores) for name, scores in c.probe_scores.items()},
            )
            for c in evidence.candidates
        ],
        list(evidence.results.values()),
        {name: change(scores) for name, scores in evidence.anchors.items()},
    )
