"""Slow, obvious versions of what the criteria compute with matrix products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata, spearmanr

from automl_ad.criteria import CRITERIA, Evidence, tail_figures
from automl_ad.criteria.ranks import aucs, mean_ranks, spearman, unit_ranks, weighted_correlations
from automl_ad.criteria.resampled_ranks import resampled_ranks
from automl_ad.results import Candidate, CandidateKey

RNG = np.random.default_rng(0)
DETECTORS = ["knn", "knn", "pca", "gmm", "gmm", "gmm", "kde"]
PROBES = {name: RNG.random((len(DETECTORS), 40)) * 3 for name in ("gauss", "uniform")}
SCORES = (np.linspace(0, 2, 60) + RNG.random((len(DETECTORS), 60)) * np.arange(1, 8)[:, None]).round(1)


@pytest.fixture
def evidence() -> Evidence:
    candidates = [
        Candidate(
            key=CandidateKey(trial=trial, score_type="native", checkpoint=0),
            detector=detector,
            panel_scores=scores.astype(np.float32),
            probe_scores={name: probes[trial].astype(np.float32) for name, probes in PROBES.items()},
        )
        for trial, (detector, scores) in enumerate(zip(DETECTORS, SCORES, strict=True))
    ]
    return Evidence.of(candidates, [], {})


def pairwise_spearman() -> np.ndarray:
    return np.array([[spearmanr(one, other).statistic for other in SCORES] for one in SCORES])


def others_of(position: int) -> dict[str, list[int]]:
    others: dict[str, list[int]] = {}
    for other, detector in enumerate(DETECTORS):
        if detector != DETECTORS[position]:
            others.setdefault(detector, []).append(other)
    return others


def test_consensus_is_the_mean_over_detectors_of_mean_correlations(evidence):
    rho = pairwise_spearman()
    expected = [
        np.mean([np.mean([rho[i, j] for j in family]) for family in others_of(i).values()])
        for i in range(len(DETECTORS))
    ]
    np.testing.assert_allclose(CRITERIA["consensus"](evidence), expected, atol=1e-5)


def test_iterated_consensus_is_ten_rounds_of_weighted_means(evidence):
    rho, agreement = pairwise_spearman(), CRITERIA["consensus"](evidence)
    for _ in range(10):
        weights = [max(c, 0) ** 4 / DETECTORS.count(d) for c, d in zip(agreement, DETECTORS, strict=True)]
        others = [[j for family in others_of(i).values() for j in family] for i in range(len(DETECTORS))]
        agreement = np.array(
            [
                np.average([rho[i, j] for j in js], weights=[weights[j] for j in js])
                for i, js in enumerate(others)
            ]
        )
    np.testing.assert_allclose(CRITERIA["iterated_consensus"](evidence), agreement, atol=1e-4)


def test_model_centrality_is_the_mean_correlation_with_all_others(evidence):
    rho = pairwise_spearman()
    expected = [np.delete(rho[i], i).mean() for i in range(len(DETECTORS))]
    np.testing.assert_allclose(CRITERIA["model_centrality"](evidence), expected, atol=1e-5)


def test_hubs_are_the_leading_eigenvector_of_the_links(evidence):
    links = np.array([1 / rankdata(-c.panel_scores) for c in evidence.candidates])
    _, vectors = np.linalg.eigh(links @ links.T)
    leading = np.abs(vectors[:, -1])
    np.testing.assert_allclose(CRITERIA["hits"](evidence), leading / leading.max(), atol=1e-5)


def test_pseudo_discrepancy_is_the_published_formula_with_a_sign(evidence):
    expected = []
    for candidate in evidence.candidates:
        panel, gauss = (s.astype(float) for s in (candidate.panel_scores, candidate.probe_scores["gauss"]))
        gap = gauss.mean() - panel.mean()
        expected.append(np.sign(gap) * gap**2 / (2 * (gauss.var() + panel.var())))
    np.testing.assert_allclose(CRITERIA["pseudo_discrepancy"](evidence), expected, rtol=1e-4)


def shares_below(candidate: Candidate, level: float) -> tuple[float, float]:
    """(mass, volume) of the set of scores up to the level."""
    return (candidate.panel_scores <= level).mean(), (candidate.probe_scores["uniform"] <= level).mean()


def test_excess_mass_is_the_area_until_nine_tenths(evidence):
    step = 0.001
    expected = []
    for candidate in evidence.candidates:
        sets = [shares_below(candidate, level) for level in candidate.panel_scores]
        area, t = 0.0, 0.0
        while t < 100 and (excess := max(mass - t * volume for mass, volume in sets)) > 0.9:
            area, t = area + step * excess, t + step
        expected.append(area)
    np.testing.assert_allclose(CRITERIA["excess_mass"](evidence), expected, atol=2 * step)


def test_mass_volume_is_the_mean_volume_of_the_smallest_sets(evidence):
    expected = []
    for candidate in evidence.candidates:
        sets = [shares_below(candidate, level) for level in candidate.panel_scores]
        shares = np.linspace(0.9, 0.999, 100)
        expected.append(np.mean([min(v for mass, v in sets if mass >= a - 1e-9) for a in shares]))
    np.testing.assert_allclose(CRITERIA["mass_volume"](evidence), expected, atol=1e-9)


def test_anomaly_gap_is_the_mean_over_all_cuts_of_the_top_fifth():
    scores = RNG.exponential(size=40)
    unit = np.sort((scores - scores.min()) / np.ptp(scores))
    gaps = []
    for n_top in range(1, 9):
        below, above = unit[:-n_top], unit[-n_top:]
        w0, w1 = len(below) / 40, n_top / 40
        within = w0 * below.var() + w1 * above.var() + 1e-6
        gaps.append(w0 * w1 * (below.mean() - above.mean()) ** 2 / within)
    np.testing.assert_allclose(tail_figures(scores[None])[1], [np.mean(gaps)])


few_values = st.integers(0, 6).map(float)


@given(
    arrays(np.float64, st.integers(1, 15), elements=few_values), arrays(np.float64, 7, elements=few_values)
)
def test_auc_counts_pairs(normal, strange):
    groups = [strange[:2], strange[2:]]
    expected = [np.mean([(s > n) + 0.5 * (s == n) for s in group for n in normal]) for group in groups]
    np.testing.assert_allclose(aucs(normal, groups), expected)


@given(arrays(np.float32, (3, 9), elements=few_values), arrays(np.int64, 14, elements=st.integers(0, 8)))
def test_ranks_of_drawn_rows_are_those_of_their_scores(scores, drawn):
    found = resampled_ranks(mean_ranks(scores), drawn)
    np.testing.assert_array_equal(found, rankdata(scores[:, drawn], axis=1))


@pytest.mark.parametrize("name", ["anchor_agreement", "tail_shape", "probe_auc", "consensus", "hits"])
def test_a_resample_is_judged_like_a_pool_of_these_rows(name, evidence):
    drawn = np.random.default_rng(1).integers(60, size=60)
    anchors = {"knn": SCORES[0], "pca": SCORES[2], "isolation_forest": SCORES[4]}
    resampled = [replace(c, panel_scores=c.panel_scores[drawn]) for c in evidence.candidates]
    expected = Evidence.of(resampled, [], {anchor: scores[drawn] for anchor, scores in anchors.items()})
    found = Evidence.of(evidence.candidates, [], anchors).at(drawn)
    np.testing.assert_array_equal(CRITERIA[name](found), CRITERIA[name](expected))


@given(arrays(np.float64, (2, 12), elements=few_values))
def test_spearman_is_scipys(scores):
    if np.ptp(scores, axis=1).min() == 0:
        assert np.isnan(spearman(*scores))
    else:
        assert spearman(*scores) == pytest.approx(spearmanr(*scores).statistic)


def test_weighted_correlation_is_spearman_of_the_repeated_rows():
    first, second = RNG.random((2, 3, 200))
    counts = RNG.multinomial(200, np.full(200, 1 / 200), size=4)
    found = weighted_correlations(unit_ranks(first), unit_ranks(second), counts)
    expected = [
        [spearmanr(a.repeat(c), b.repeat(c)).statistic for a, b in zip(first, second, strict=True)]
        for c in counts
    ]
    np.testing.assert_allclose(found, expected, atol=0.03)
    whole = weighted_correlations(unit_ranks(first), unit_ranks(second), np.ones((1, 200), dtype=np.int64))
    np.testing.assert_allclose(
        whole[0], [spearman(a, b) for a, b in zip(first, second, strict=True)], atol=1e-6
    )
