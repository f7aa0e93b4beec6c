"""What the course of a training says: settled losses, balanced terms, agreeing members."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.criteria import CRITERIA, Evidence, agreement_of_members


@pytest.fixture
def stability(make_candidate, make_result):
    def of(losses, checkpoint=8, **facts) -> float:
        candidate = make_candidate([0, 1], checkpoint=checkpoint)
        result = make_result(candidate, losses=np.array(losses, np.float32), **facts)
        return float(CRITERIA["loss_stability"](Evidence.of([candidate], [result], {}))[0])

    return of


def test_stability_is_change_over_the_last_quarter_plus_spread(stability):
    assert stability([[8, 7, 6, 5, 4, 2, 2, 1]]) == pytest.approx(0.5)
    assert stability([[3] * 8, [1] * 8]) == pytest.approx(0.5)
    assert stability([[8, 7, 6, 5, 4, 2, 2, 1], [8, 7, 6, 5, 4, 2, 2, 1]]) == pytest.approx(0.5)


def test_stability_of_a_loss_without_zero_does_not_depend_on_its_offset(stability):
    curve = np.array([[8.0, 7, 6, 5, 4, 2, 2, 1]])
    assert stability(curve - 2) == stability(curve - 100) == pytest.approx(1 / 7)


def test_stability_reads_only_the_phase_of_the_checkpoint(stability):
    curve = [900.0] * 8 + [1.0] * 8
    assert stability([curve], checkpoint=16, phase_starts=(0, 8)) == 0
    assert stability([curve], checkpoint=8, phase_starts=(0, 8)) == 0
    assert np.isnan(stability([curve], checkpoint=10, phase_starts=(0, 8)))


def test_stability_ignores_members_that_died(stability):
    assert stability([[1.0] * 8, [1.0] * 4 + [np.nan] * 4]) == 0
    assert np.isnan(stability([[np.nan] * 8]))


def test_gamma_balance_is_what_training_lost(make_candidate):
    kept, lost = (
        make_candidate([0, 1], diagnostics={"gamma_balance_start": 0.5, "gamma_balance_end": end})
        for end in (0.5, 4.0)
    )
    assert CRITERIA["gamma_balance"](Evidence.of([kept, lost], [], {})).tolist() == [0.0, 3.5]


def test_stability_is_that_of_halves_or_else_of_members(make_candidate):
    pool = [
        make_candidate([0, 1], diagnostics={"subsample_stability": 0.4}, member_agreement=0.9),
        make_candidate([0, 1], member_agreement=0.8),
        make_candidate([0, 1]),
    ]
    values = CRITERIA["subsample_stability"](Evidence.of(pool, [], {}))
    np.testing.assert_array_equal(values, [0.4, 0.8, np.nan])


def test_members_of_one_opinion_agree():
    spearman, jaccard = agreement_of_members(np.stack([np.arange(100.0), np.exp(np.arange(100) / 10)]))
    assert (spearman, jaccard) == (pytest.approx(1, abs=1e-6), 1)


def test_jaccard_looks_at_the_top_five_percent():
    one, other = np.arange(100.0), np.arange(100.0)
    other[[98, 99, 0, 1]] = other[[0, 1, 98, 99]]
    assert agreement_of_members(np.stack([one, other]))[1] == pytest.approx(3 / 7)


def test_agreement_is_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    scores = rng.random((3, 60))
    pairs = [agreement_of_members(scores[[i, j]])[0] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert agreement_of_members(scores)[0] == pytest.approx(np.mean(pairs), abs=1e-6)


@pytest.mark.parametrize("scores", [np.ones((1, 9)), np.full((2, 9), np.nan)])
def test_agreement_is_absent_and_never_one(scores):
    assert agreement_of_members(scores) == (None, None)
