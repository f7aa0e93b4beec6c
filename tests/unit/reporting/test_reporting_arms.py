"""What each arm of a search reached, and whether the report is honest about the sampler."""

import numpy as np
import pytest

from automl_ad.reporting.arms import Arm, arms, arms_sentence
from automl_ad.results import Candidate, CandidateKey, Origin, TrialConfig, TrialResult


def trial(detector: str, origin: Origin, *objectives: float | None) -> TrialResult:
    candidates = tuple(
        Candidate(
            key=CandidateKey(trial=0, score_type="native", checkpoint=i),
            detector=detector,
            panel_scores=np.arange(3, dtype=np.float32),
            objective=objective,
        )
        for i, objective in enumerate(objectives)
    )
    config = TrialConfig(detector=detector, params={}, origin=origin)
    state = "completed" if candidates else "failed"
    return TrialResult(trial=0, config=config, seed=0, state=state, candidates=candidates)


def test_an_arm_is_the_best_objective_of_each_of_its_trials():
    found = arms(
        [trial("vae", "random", 0.1, 0.5), trial("gmm", "random", 0.3), trial("vae", "default", 0.9)]
    )
    assert found.by_origin["random"] == Arm(n_trials=2, mean=pytest.approx(0.4), best=0.5)
    assert found.by_origin["default"] == Arm(n_trials=1, mean=0.9, best=0.9)
    assert found.by_origin["sampled"] == Arm(n_trials=0, mean=None, best=None)
    assert found.gain is None


def test_baselines_failures_and_trials_without_objective_are_in_no_arm():
    found = arms([trial("knn", "baseline", 0.9), trial("vae", "random"), trial("vae", "random", None)])
    assert {arm.n_trials for arm in found.by_origin.values()} == {0}


def test_tpe_is_compared_with_random_inside_detectors():
    results = [
        trial("good", "sampled", 0.9),
        trial("good", "random", 0.9),
        trial("good", "sampled", 0.8),  # TPE's mean here is .05 less
        trial("bad", "random", 0.1),  # would make random look poor
        trial("other", "sampled", 0.99),
    ]
    found = arms(results)
    assert found.by_origin["sampled"].mean > found.by_origin["random"].mean
    assert found.gain == pytest.approx(-0.05)
    assert found.n_compared == 1


@pytest.mark.parametrize(
    ("sampled", "said"),
    [
        (0.75, "TPE is ahead of random configs: +0.225 +- 0.025 in 2 detectors"),
        (0.5, "Random configs are as good as TPE's: +0.100 +- 0.100 in 2 detectors"),
        (0.25, "Random configs are as good as TPE's: -0.025 +- 0.225 in 2 detectors"),
    ],
)
def test_the_sentence_says_when_random_is_as_good(sampled, said):
    vae = [trial("vae", "sampled", sampled), trial("vae", "random", 0.5)]
    knn = [trial("knn", "sampled", 0.7), trial("knn", "random", 0.5)]
    sentence = arms_sentence(arms([*vae, *knn]))
    assert sentence.endswith(said)
    assert f"best {max(sampled, 0.7):.3f} of 2" in sentence
    assert "published defaults no trial" in sentence


def test_without_a_comparison_nothing_is_claimed():
    random = trial("vae", "random", 0.5)
    assert "TPE proposed nothing" in arms_sentence(arms([random]))
    assert "nothing can be said" in arms_sentence(arms([random, trial("gmm", "sampled", 0.75)]))
    assert "too few to tell: +0.250" in arms_sentence(arms([random, trial("vae", "sampled", 0.75)]))
