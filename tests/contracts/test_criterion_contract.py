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
RANK_BASED = (
    "anchor_agreement",
    "probe_auc",
    "excess_mass",
    "mass_volume",
    "consensus",
    "iterated_consensus",
    "model_centrality",
    "hits",
    "family_agreement",
    "checkpoint_stability",
)
KINDS = ("good", "broken", "poor", "fair", "fair", "fair", "fair", "fair", "fair")
"""Trial 0 is the good one and 1 the broken one of the discrimination test; the others are the pool. Trials
take turns at three detectors."""
QUALITY = {"good": 0.95, "fair": 0.7, "poor": 0.4, "broken": 0.0}
CHECKPOINTS = (20, 10)
"""Candidates are ordered like this: every trial at its last checkpoint, then every trial at the first."""
TRUTH = np.concatenate([np.random.default_rng(99).random(N - N_STRANGE), np.linspace(3, 4, N_STRANGE)])
HAS_NO_FIRST = ("checkpoint_stability",)
"""Absent at the first checkpoint, for there is none before it."""


def strangeness(quality: float, rng: np.random.Generator) -> np.ndarray:
    """Scores [N] that follow the truth as far as `quality` says."""
    return quality * TRUTH + (1 - quality) * 2 * rng.random(N)


def make_candidate(number: int, kind: str, checkpoint: int) -> Candidate:
    quality = QUALITY[kind] * (0.9 if checkpoint < max(CHECKPOINTS) else 1.0)
    rng = np.random.default_rng([number, checkpoint])
    scores = strangeness(quality, rng).astype(np.float32)
    probes = {
        name: (rng.choice(scores[: N - N_STRANGE], size=P) + shift * quality).astype(np.float32)
        for name, shift in (("gauss", 0.4), ("spike", 0.8), ("uniform", 0.8))
    }
    return Candidate(
        key=CandidateKey(trial=number, score_type="distance", checkpoint=checkpoint),
        detector=f"detector_{number % 3}",
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
    candidates = [
        make_candidate(number, kind, checkpoint)
        for checkpoint in CHECKPOINTS
        for number, kind in enumerate(KINDS)
    ]
    results = [make_result(c, kind) for c, kind in zip(candidates, KINDS, strict=False)]
    anchors = {name: strangeness(0.7, np.random.default_rng(100 + i)) for i, name in enumerate(ANCHORS)}
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
        assert values.shape == (len(KINDS) * len(CHECKPOINTS),)
        assert values.dtype == np.float64
        if name in HAS_NO_FIRST:
            assert np.isnan(values[len(KINDS) :]).all()
            values = values[: len(KINDS)]
        low, high = CRITERIA[name].bounds
        assert ((values >= low - 1e-6) & (values <= high + 1e-6)).all()

    def test_ranks_a_good_detector_above_a_broken_one(self, name, evidence):
        good, broken = CRITERIA[name](evidence)[:2]
        assert good > broken if CRITERIA[name].direction == "max" else good < broken

    def test_ignores_the_order_of_the_rows(self, name, evidence):
        shuffled = evidence.at(np.random.default_rng(1).permutation(N))
        np.testing.assert_allclose(CRITERIA[name](shuffled), CRITERIA[name](evidence), atol=1e-5)

    def test_ignores_the_order_of_the_pool(self, name, evidence):
        order = np.random.default_rng(1).permutation(len(evidence.candidates))
        shuffled = pool_of([evidence.candidates[i] for i in order], evidence)
        np.testing.assert_allclose(CRITERIA[name](shuffled), CRITERIA[name](evidence)[order], atol=1e-5)

    def test_ignores_the_unit_of_the_scores(self, name, evidence):
        stretched = changed(evidence, lambda scores: 1000 * scores + 7)
        np.testing.assert_allclose(CRITERIA[name](stretched), CRITERIA[name](evidence), atol=1e-3)

    def test_is_absent_without_what_it_needs(self, name, evidence):
        bare = [
            replace(c, detector="knn", probe_scores={}, member_agreement=None, diagnostics={})
            for c in evidence.candidates
        ]
        results = [replace(result, losses=None) for result in evidence.results.values()]
        alone = np.concatenate([CRITERIA[name](Evidence.of([c], results, {})) for c in bare])
        is_never_absent = "scores" in CRITERIA[name].needs
        assert (np.isfinite(alone) if is_never_absent else np.isnan(alone)).all()

    def test_survives_a_tiny_panel_and_tied_scores(self, name, evidence):
        for n_rows in (2, 3, 9):
            tiny = evidence.at(np.arange(N - n_rows, N))
            assert CRITERIA[name](tiny).shape == (len(tiny.candidates),)
            alone = pool_of(tiny.candidates[:1], tiny)
            assert CRITERIA[name](alone).shape == (1,)
        tied = changed(evidence, lambda scores: (np.asarray(scores) > 0.9).astype(np.float32))
        assert not np.isinf(CRITERIA[name](tied)).any()

    def test_a_candidate_without_probes_takes_nothing_from_the_others(self, name, evidence):
        first, *others = evidence.candidates
        reduced = pool_of([replace(first, probe_scores={}), *others], evidence)
        values = CRITERIA[name](reduced)
        np.testing.assert_allclose(values[1:], CRITERIA[name](evidence)[1:], atol=1e-12)
        assert np.isnan(values[0]) == ("probes" in CRITERIA[name].needs)


@pytest.mark.parametrize("name", RANK_BASED)
@pytest.mark.parametrize("change", [np.exp, np.cbrt, lambda scores: scores.astype(np.float64) ** 3])
def test_rank_based_criteria_ignore_strictly_increasing_changes(name, change, evidence):
    np.testing.assert_allclose(CRITERIA[name](changed(evidence, change)), CRITERIA[name](evidence), atol=1e-6)


def changed(evidence: Evidence, change) -> Evidence:
    candidates = [
        replace(
            c,
            panel_scores=change(c.panel_scores),
            probe_scores={name: change(scores) for name, scores in c.probe_scores.items()},
        )
        for c in evidence.candidates
    ]
    anchors = {name: change(scores) for name, scores in evidence.anchors.items()}
    return pool_of(candidates, replace(evidence, anchors=anchors))


def pool_of(candidates, evidence: Evidence) -> Evidence:
    return Evidence.of(candidates, list(evidence.results.values()), evidence.anchors)
