"""Agreement with the rest of the pool."""

from __future__ import annotations

import numpy as np

from automl_ad.criteria import CRITERIA

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
