"""Agreement with the rest of the pool."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.criteria import CRITERIA, Evidence

RNG = np.random.default_rng(0)
TRUTH = RNG.random(400)


def noisy(noise: float) -> np.ndarray:
    return TRUTH + noise * RNG.random(400)


def test_a_crowd_of_one_detector_does_not_outvote_the_others(make_evidence):
    crowd = RNG.random(400)
    pool = [("autoencoder", crowd)] * 20 + [("knn", noisy(0.5)), ("pca", noisy(0.5)), ("kde", noisy(0.5))]
    values = CRITERIA["consensus"](make_evidence(pool))
    assert values[:20].max() < values[20:].min()


def test_own_detector_does_not_count(make_evidence):
    alone = [("autoencoder", noisy(0.5)), ("knn", noisy(0.5)), ("pca", noisy(0.5))]
    twice = [*alone, alone[0]]
    for name in ("consensus", "iterated_consensus"):
        np.testing.assert_allclose(
            CRITERIA[name](make_evidence(twice))[0], CRITERIA[name](make_evidence(alone))[0], atol=1e-6
        )


def test_rounds_silence_those_nobody_agrees_with(make_evidence):
    pool = [(f"good_{i}", noisy(0.5)) for i in range(4)] + [(f"noise_{i}", RNG.random(400)) for i in range(4)]
    plain, iterated = (CRITERIA[name](make_evidence(pool)) for name in ("consensus", "iterated_consensus"))
    assert (iterated[:4] > plain[:4] + 0.2).all()
    assert np.abs(iterated[4:]).max() < 0.2


def test_nobody_left_to_agree_with_is_zero(make_evidence):
    pool = [("knn", TRUTH), ("pca", -TRUTH)]
    assert (CRITERIA["iterated_consensus"](make_evidence(pool)) == 0).all()


@pytest.mark.parametrize("name", ["consensus", "iterated_consensus"])
def test_one_detector_alone_has_no_consensus(name, make_evidence):
    assert np.isnan(CRITERIA[name](make_evidence([("knn", TRUTH), ("knn", noisy(0.5))]))).all()


def test_a_crowd_leads_in_plain_model_centrality(make_evidence):
    pool = [("autoencoder", RNG.random(400))] * 20 + [("knn", noisy(0.5)), ("pca", noisy(0.5))]
    values = CRITERIA["model_centrality"](make_evidence(pool))
    assert values[:20].min() > 0.8 > 0.2 > values[20:].max()


def test_hits_looks_at_the_first_rows_only(make_evidence):
    top_right, rest_right = TRUTH.copy(), TRUTH.copy()
    top_right[TRUTH < 0.95] = RNG.random((TRUTH < 0.95).sum()) * 0.95
    rest_right[TRUTH >= 0.95] = -RNG.random((TRUTH >= 0.95).sum())
    pool = [(f"detector_{i}", TRUTH) for i in range(3)] + [("top", top_right), ("rest", rest_right)]
    *_, top, rest = CRITERIA["hits"](make_evidence(pool))
    assert top > 0.9 > 0.5 > rest


def test_family_agreement_needs_two_other_trials_of_the_detector(make_candidate):
    trials = [make_candidate(noisy(0.5), trial=trial, detector="pca") for trial in range(3)]
    again = make_candidate(noisy(0.5), trial=1, detector="pca", checkpoint=9)
    pair = [make_candidate(noisy(0.5), trial=trial, detector="kde") for trial in (3, 4)]
    values = CRITERIA["family_agreement"](Evidence.of([*trials, again, *pair], [], {}))
    assert np.isnan(values).tolist() == [False] * 4 + [True] * 2


def test_family_agreement_leaves_the_own_trial_out(make_candidate):
    odd = RNG.random(400)
    own = [make_candidate(odd, trial=0, checkpoint=epoch) for epoch in range(1, 9)]
    others = [make_candidate(noisy(0.5), trial=trial) for trial in (1, 2)]
    values = CRITERIA["family_agreement"](Evidence.of([*own, *others], [], {}))
    assert np.abs(values[:8]).max() < 0.2


def test_a_checkpoint_is_compared_with_the_one_before_it(make_candidate):
    scores = {30: noisy(0.5), 10: -TRUTH, 20: TRUTH}
    pool = [make_candidate(s, trial=1, checkpoint=epoch) for epoch, s in scores.items()]
    other = make_candidate(TRUTH, trial=2, checkpoint=20)
    after, first, second, alone = CRITERIA["checkpoint_stability"](Evidence.of([*pool, other], [], {}))
    assert 0.5 < after < 1
    assert second == pytest.approx(-1, abs=1e-6)
    assert np.isnan([first, alone]).all()
