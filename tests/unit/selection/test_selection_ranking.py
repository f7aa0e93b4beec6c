"""Who votes, and how ties are broken."""

from __future__ import annotations

import pytest

from automl_ad.config import SearchConfig
from automl_ad.selection import select


@pytest.mark.parametrize("reverse", [False, True])
def test_ties_go_to_baselines_then_to_the_cheaper_then_to_the_key(anchors, make_trial, noisy_truth, reverse):
    scores = noisy_truth(0.1, 7)
    tied = [
        make_trial(9, "ocsvm", scores),
        make_trial(6, "ocsvm", scores, checkpoints=(40,)),
        make_trial(10, "ocsvm", scores, n_parameters=10),
        make_trial(8, "ocsvm", scores),
        make_trial(7, "ocsvm", scores, checkpoints=(20,)),
        make_trial(11, "ocsvm", scores, origin="baseline"),
    ]
    results = [*anchors, *(reversed(tied) if reverse else tied)]
    ranked = [row.key.trial for row in select(results, SearchConfig()).ranking]
    assert [trial for trial in ranked if trial > 5] == [11, 8, 9, 10, 7, 6]


def test_no_candidate_is_judged_by_its_own_anchor(anchors, make_trial):
    copy = make_trial(6, "knn", anchors[1].candidates[0].panel_scores)
    foreign = make_trial(7, "autoencoder", anchors[1].candidates[0].panel_scores)
    ranking = select([*anchors, copy, foreign], SearchConfig()).ranking
    agreement = {row.key.trial: row.criteria["anchor_agreement"] for row in ranking}
    assert agreement[6] == agreement[1] < agreement[7]
