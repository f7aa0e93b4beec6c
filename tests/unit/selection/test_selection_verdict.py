"""The sentences about a selection, to the letter."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.results import BaselineFinding, CandidateKey, CriterionFinding
from automl_ad.selection.comparison import Comparison
from automl_ad.selection.findings import Findings
from automl_ad.selection.gains import Gain
from automl_ad.selection.pool import gather
from automl_ad.selection.ranking import Ranking
from automl_ad.selection.verdict import verdict

VOTERS = {"anchor_agreement": 1.0, "tail_shape": 1.0}
PROVEN = ("anchor_agreement", "consensus", "hits", "model_centrality")
GAINS = {
    "consensus": Gain(value=0.02, low=0.01, high=0.03),
    "tail": Gain(value=-0.1, low=-0.2, high=-0.05),
}


def finding(name: str, beats: float | None, correlation: float | None = 0.5) -> CriterionFinding:
    return CriterionFinding(
        criterion=name,
        has_voted=name in VOTERS,
        is_proven=name in PROVEN,
        n_candidates=4,
        correlation=correlation,
        best_beats=beats,
    )


def baseline(trial: int, detector: str, rank: int, **stands: tuple[str, ...]) -> BaselineFinding:
    stands = {"ahead": (), "behind": (), "level": (), "absent": (), **stands}
    key = CandidateKey(trial=trial, score_type="native", checkpoint=0)
    return BaselineFinding(key=key, detector=detector, rank=rank, **stands)


@pytest.fixture
def pool(make_trial, noisy_truth):
    """knn 0 and gmm 1 are baselines, autoencoder 2 is searched, and a PyOD detector 3."""
    return gather(
        [
            make_trial(0, "knn", noisy_truth(0.5, 0), origin="baseline"),
            make_trial(1, "gmm", noisy_truth(0.5, 1), origin="baseline"),
            make_trial(2, "autoencoder", noisy_truth(0.5, 2)),
            make_trial(3, "pyod:ecod", noisy_truth(0.5, 3)),
        ]
    )


@pytest.fixture
def say(pool):
    """The verdict on the pool, ranked in the order given."""

    def say(criteria=(), baselines=(), order=(2, 0, 3, 1), stays=0.41, comparison=None, voters=VOTERS) -> str:
        ranking = Ranking(
            voters=voters, method="borda", aggregate_K=np.array([0.5, 0.25, 1.0, 0.4]), order=order
        )
        found = Findings(criteria=criteria, baselines=baselines, best_stays_first=stays)
        return verdict(pool, ranking, found, (), comparison or Comparison(is_better=False, gains=GAINS))

    return say


CRITERIA = (
    finding("anchor_agreement", 1.0),
    finding("tail_shape", 0.9),
    finding("consensus", 0.92),
    finding("hits", 1.0),
    finding("model_centrality", 0.3),
    finding("loss_stability", 0.99),
    finding("gamma_balance", 0.1),
)
BASELINES = (
    baseline(
        0,
        "knn",
        2,
        ahead=("anchor_agreement", "consensus", "loss_stability"),
        behind=("hits", "gamma_balance"),
        level=("tail_shape",),
        absent=("model_centrality",),
    ),
    baseline(1, "gmm", 4, ahead=("loss_stability",), behind=("hits",)),
)


def test_golden_text(say):
    assert say(CRITERIA, BASELINES) == (
        "autoencoder 2/native@0 leads 4 candidates by anchor agreement and tail shape. "
        "Of the criteria without a vote, consensus (top 8 %) and hits (first), readings of one pool, agree; "
        "model centrality (lower half) does not. "
        "The best baseline row is knn, at rank 2: it is behind in hits and ahead in 2 of 4 criteria that "
        "count; over 1 of 2 baseline rows it is ahead in more criteria than behind. "
        "The first place is not settled: it stays in 41 % of resamples of the panel. "
        "The output is the average of the anchors: nothing beats it by more than noise (agreement with the "
        "other detectors +0.020 (+0.010 to +0.030) and log sharpness of the tail -0.100 (-0.200 to -0.050))."
    )


def test_chance_is_no_support_and_nothing_is_named_twice(say):
    opinions = say(CRITERIA, BASELINES).split(". ")[1]
    for name in ("loss stability", "gamma balance"):
        assert name not in say(CRITERIA, BASELINES)
    for name in ("consensus", "hits", "model centrality"):
        assert opinions.count(name) == 1


def test_a_vote_of_chance_alone_is_called_so(say):
    voted = CriterionFinding(
        criterion="loss_stability",
        has_voted=True,
        is_proven=False,
        n_candidates=4,
        correlation=1.0,
        best_beats=1.0,
    )
    text = say((voted,), voters={"loss_stability": 1.0})
    assert "by loss stability; no vote came from a criterion that is known to be better than chance." in text


def test_a_good_place_in_another_order_does_not_agree(say):
    text = say((finding("consensus", 0.7, -0.2),))
    assert "consensus (top 30 %, but rank correlation -0.20) does not." in text


def test_nan_everywhere_says_nothing_of_other_criteria(say):
    nothing = tuple(finding(name, None, None) for name in (*VOTERS, *PROVEN[1:]))
    text = say(nothing, (baseline(0, "knn", 2, absent=PROVEN),))
    assert "without a vote" not in text
    assert "knn, at rank 2: no criterion that counts compares the two" in text
    assert "nan" not in text.replace("resamples", "")


def test_a_baseline_that_wins(say):
    text = say(CRITERIA, BASELINES[1:], order=(0, 2, 3, 1))
    assert "It is a baseline row: no searched candidate ranks above it." in text
    assert "The best baseline row" not in text


def test_a_baseline_behind_a_leader_that_is_not_shipped(say):
    text = say(CRITERIA, BASELINES[1:], order=(3, 0, 2, 1))
    assert "the best that can be exported is knn 0/native@0, at rank 2." in text
    assert "no searched candidate that can be exported ranks above it." in text


@pytest.mark.parametrize(
    ("share", "said"), [(0.95, "is settled: "), (0.6, "is likely, not settled: "), (0.49, "is not settled: ")]
)
def test_confidence_in_words_with_its_figure(say, share, said):
    assert f"The first place {said}it stays in {100 * share:.0f} % of resamples" in say(stays=share)


def test_at_most_six_sentences(say):
    text = say(CRITERIA, BASELINES, order=(3, 2, 0, 1))
    assert text.count(". ") == 5
