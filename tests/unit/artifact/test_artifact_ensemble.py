"""Raw scores through the panel, and the mean over parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from automl_ad.artifact.ensemble import PanelECDF, combine, majority
from automl_ad.errors import ArtifactError

panels = arrays(np.float32, st.integers(1, 60), elements=st.floats(-1e4, 1e4, width=32))


@given(panels, st.floats(-1e4, 1e4), st.floats(1e-2, 1e6))
def test_surprise_is_strictly_increasing(panel_N, score, step):
    low, high = PanelECDF.from_scores(panel_N)(np.array([score, score + step]))
    assert low < high


@given(panels, st.floats(1e-3, 1e9), st.floats(1e-3, 1e9))
def test_rows_beyond_the_panel_never_tie(panel_N, excess, more):
    ecdf = PanelECDF.from_scores(panel_N)
    top, bottom = float(panel_N.max()), float(panel_N.min())
    step = more + 1e-6 * (1e4 + excess)
    at_maximum, first, second = ecdf(np.array([top, top + excess, top + excess + step]))
    assert at_maximum < first < second
    at_minimum, first, second = ecdf(np.array([bottom, bottom - excess, bottom - excess - step]))
    assert at_minimum > first > second > 0


@given(panels)
def test_panel_scores_follow_the_published_formula(panel_N):
    n = len(panel_N)
    rank = np.array([((panel_N < s).sum() + (panel_N <= s).sum() + 1) / 2 for s in panel_N]) / n
    np.testing.assert_allclose(PanelECDF.from_scores(panel_N)(panel_N), -np.log(1 - rank + 0.5 / n))


@given(panels, st.floats(0.01, 100))
def test_one_part_keeps_its_raw_scores(panel_N, weight):
    ecdf = PanelECDF.from_scores(panel_N)
    np.testing.assert_array_equal(combine([(weight, ecdf, panel_N)]), panel_N.astype(np.float64))


@given(panels, st.floats(0.1, 10))
def test_only_relative_weights_count(panel_N, factor):
    one, other = PanelECDF.from_scores(panel_N), PanelECDF.from_scores(-panel_N)
    parts = [(1.0, one, panel_N), (3.0, other, -panel_N)]
    scaled = [(weight * factor, ecdf, scores) for weight, ecdf, scores in parts]
    expected = 0.25 * one(panel_N) + 0.75 * other(-panel_N)
    np.testing.assert_allclose(combine(parts), expected, rtol=1e-12)
    np.testing.assert_allclose(combine(scaled), expected, rtol=1e-12)


def test_an_affine_change_of_one_part_changes_nothing():
    rng = np.random.default_rng(0)
    panel, scores = rng.normal(size=200), rng.normal(size=50) * 3
    plain, stretched = PanelECDF.from_scores(panel), PanelECDF.from_scores(1e3 * panel - 7)
    np.testing.assert_allclose(plain(scores), stretched(1e3 * scores - 7))


def test_one_exploding_part_does_not_silence_the_other():
    panel = np.linspace(0, 1, 100)
    ecdf = PanelECDF.from_scores(panel)
    mild_in_both, wild_in_one = combine([(1, ecdf, np.array([2.0, 1e12])), (1, ecdf, np.array([2.0, 0.1]))])
    assert wild_in_one < 4 * mild_in_both


@pytest.mark.parametrize("n_parts", [2, 3, 4, 5])
def test_a_vote_counts_the_parts_that_flag_a_row(n_parts):
    panels_PN = np.random.default_rng(n_parts).normal(size=(n_parts, 400))
    parts = [(1 / n_parts, PanelECDF.from_scores(panel_N), panel_N) for panel_N in panels_PN]
    scores_N = combine(parts, vote_rate=0.2)
    flags_PN = panels_PN > np.sort(panels_PN, axis=1)[:, [-81]]  # the 80 highest of 400
    n_votes_N = flags_PN.sum(axis=0)
    np.testing.assert_array_equal(np.floor(scores_N * n_parts + 1e-9), n_votes_N)
    np.testing.assert_array_equal(scores_N > majority(n_parts), 2 * n_votes_N > n_parts)
    mean_N = combine(parts)
    for votes in np.unique(n_votes_N):
        tied = n_votes_N == votes
        np.testing.assert_array_equal(np.argsort(scores_N[tied]), np.argsort(mean_N[tied]))


def test_one_part_has_nobody_to_vote_with():
    panel_N = np.arange(50.0)
    ecdf = PanelECDF.from_scores(panel_N)
    np.testing.assert_array_equal(combine([(1.0, ecdf, panel_N)], vote_rate=0.1), panel_N)


def test_scores_do_not_depend_on_the_batch():
    rng = np.random.default_rng(0)
    ecdfs = [PanelECDF.from_scores(rng.normal(size=100)) for _ in range(7)]
    scores = rng.normal(size=(7, 33))
    whole = combine([(1.0, ecdf, row) for ecdf, row in zip(ecdfs, scores, strict=True)])
    single = combine([(1.0, ecdf, row[5:6]) for ecdf, row in zip(ecdfs, scores, strict=True)])
    assert whole[5] == single[0]


@pytest.mark.parametrize("panel", [[], [0.0, np.nan], [[1.0, 2.0]]])
def test_a_panel_without_finite_scores_is_refused(panel):
    with pytest.raises(ArtifactError, match="finite numbers"):
        PanelECDF.from_scores(np.array(panel))


def test_weights_must_be_positive():
    ecdf = PanelECDF.from_scores(np.arange(3.0))
    for weights in ([], [1.0, 0.0]):
        with pytest.raises(ArtifactError, match="positive weight"):
            combine([(weight, ecdf, np.arange(3.0)) for weight in weights])
