"""Why a candidate may not be selected, and that good ones may."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.criteria import veto

SCORES = np.random.default_rng(0).exponential(size=200)


@pytest.fixture
def reason(make_candidate, make_result):
    def of(scores=SCORES, losses=None, typical_levels=200.0, phase_starts=(0,), **facts) -> str:
        checkpoint = 0 if losses is None else np.shape(losses)[1]
        candidate = make_candidate(scores, checkpoint=checkpoint, **facts)
        curve = None if losses is None else np.array(losses, np.float32)
        result = make_result(candidate, losses=curve, phase_starts=phase_starts)
        return veto(candidate, result, typical_levels=typical_levels)

    return of


def test_a_sound_candidate_passes(reason):
    assert reason() == ""
    assert (
        reason(
            losses=[[3, 2, 1]],
            member_agreement=0.8,
            diagnostics={"latent_variance": 0.5, "latent_variance_start": 1.0, "weight_change": 0.3},
        )
        == ""
    )


def test_scores_that_are_not_finite(reason):
    assert "not finite: 2 of 200 panel rows" in reason(np.where(np.arange(200) < 2, np.inf, SCORES))
    assert "1 of 2 gauss rows" in reason(probe_scores={"gauss": np.array([0, np.nan])})


def test_constant_scores(reason):
    assert "constant" in reason(np.full(200, 3.0))


def test_too_few_levels(reason):
    assert "5 distinct values" in reason(np.arange(200) % 5)
    assert reason(np.arange(200) % 20) == ""


def test_rows_that_repeat_excuse_few_levels(reason):
    """On a table of eight distinct rows nobody can give more than eight scores."""
    assert reason(np.arange(200) % 4, typical_levels=8) == ""
    assert "distinct" in reason(np.arange(200) % 3, typical_levels=8)


def test_one_wild_score_is_no_lack_of_levels(reason):
    assert reason(np.where(np.arange(200) == 0, 1e12, SCORES)) == ""


@pytest.mark.parametrize(
    ("variance", "start", "is_out"),
    [(1e-7, 1e-7, True), (1e-3, 2.0, True), (1e-2, 2.0, False), (np.nan, 1.0, True)],
)
def test_collapsed_latent(reason, variance, start, is_out):
    found = reason(diagnostics={"latent_variance": variance, "latent_variance_start": start})
    assert ("collapsed" in found) == is_out


def test_weights_that_never_moved(reason):
    assert "never moved" in reason(diagnostics={"weight_change": 0.0})


def test_diverged_loss(reason):
    assert "diverged: from 1 to 6" in reason(losses=[[1, 3, 6]])
    assert "not finite" in reason(losses=[[1, 3, np.nan]])
    assert reason(losses=[[1, 3, 4]]) == ""
    assert reason(losses=[[-2, -3, -4]]) == ""
    assert "diverged" in reason(losses=[[-2, 0, 100]])


def test_a_later_phase_with_larger_losses_has_not_diverged(reason):
    assert reason(losses=[[0.2, 0.1, 30, 20]], phase_starts=(0, 2)) == ""


def test_members_that_disagree(reason):
    assert "0.10" in reason(member_agreement=0.1)
    assert reason(member_agreement=0.3) == ""
