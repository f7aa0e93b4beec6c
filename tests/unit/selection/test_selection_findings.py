"""What is said of the best candidate, criterion by criterion and against each baseline row."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.config import SearchConfig
from automl_ad.criteria import CRITERIA
from automl_ad.results import CriterionFinding
from automl_ad.selection import select
from automl_ad.selection.findings import PROVEN, criterion_findings
from automl_ad.selection.ranking import Ranking

NAN = float("nan")
CHANCE = {"loss_stability", "member_agreement", "gamma_balance", "tail_shape", "loss_entropy"}


def findings_of(best: int = 0, **table: list[float]) -> dict[str, CriterionFinding]:
    """Of four candidates, ranked as they are listed."""
    ranking = Ranking(
        voters={"anchor_agreement": 1.0},
        method="borda",
        aggregate_K=np.array([1.0, 0.75, 0.5, 0.25]),
        order=(0, 1, 2, 3),
    )
    arrays = {name: np.array(values) for name, values in table.items()}
    return {f.criterion: f for f in criterion_findings(arrays, ranking, best)}


class TestFourCandidatesByHand:
    def test_the_voter_itself(self):
        found = findings_of(anchor_agreement=[0.9, 0.8, 0.7, 0.6])["anchor_agreement"]
        assert (found.has_voted, found.is_proven, found.n_candidates) == (True, True, 4)
        assert (found.correlation, found.best_beats, found.agrees) == (1.0, 1.0, True)

    def test_one_that_ranks_the_other_way_with_a_tie(self):
        """Centred ranks (-1.5, 0, 0, 1.5) and (1.5, .5, -.5, -1.5): -4.5 / sqrt(4.5 * 5)."""
        found = findings_of(consensus=[0.1, 0.2, 0.2, 0.4])["consensus"]
        assert found.correlation == pytest.approx(-4.5 / np.sqrt(22.5))
        assert (found.best_beats, found.agrees) == (0.0, False)

    def test_ties_count_half(self):
        assert findings_of(best=1, consensus=[0.1, 0.2, 0.2, 0.4])["consensus"].best_beats == pytest.approx(
            0.5
        )

    def test_less_is_better_where_the_criterion_says_so(self):
        found = findings_of(loss_stability=[1.0, 2.0, 3.0, NAN])["loss_stability"]
        assert (found.correlation, found.best_beats, found.n_candidates) == (1.0, 1.0, 3)

    def test_in_the_better_half_of_another_order_is_no_agreement(self):
        found = findings_of(best=1, hits=[1.0, 3.0, 2.0, 4.0])["hits"]
        assert (found.best_beats, found.agrees) == (pytest.approx(2 / 3), False)

    @pytest.mark.parametrize("values", [[NAN] * 4, [0.3] * 4, [0.9, 0.1, NAN, NAN], [NAN, 3.0, 2.0, 1.0]])
    def test_what_cannot_tell_does_not_agree(self, values):
        assert findings_of(consensus=values)["consensus"].agrees is None


def test_no_better_than_chance_is_never_proven():
    assert not CHANCE & PROVEN


def test_every_criterion_is_found_once_and_every_other_baseline(anchors, make_trial, noisy_truth):
    selection = select([*anchors, make_trial(6, "vae", noisy_truth(0.1, 1))], SearchConfig())
    assert [f.criterion for f in selection.criteria] == list(CRITERIA)
    assert {f.criterion for f in selection.criteria if f.has_voted} == {"anchor_agreement", "tail_shape"}
    assert sorted(row.key.trial for row in selection.baselines) == [0, 1, 2, 3, 4, 5]
    ranks = {row.key: rank for rank, row in enumerate(selection.ranking, start=1)}
    for row in selection.baselines:
        assert row.rank == ranks[row.key]
        assert sorted((*row.ahead, *row.behind, *row.level, *row.absent)) == sorted(CRITERIA)
        assert "loss_stability" in row.absent


def test_ahead_and_behind_are_the_figures_of_the_table(anchors, make_trial, noisy_truth):
    selection = select([*anchors, make_trial(6, "vae", noisy_truth(0.1, 1))], SearchConfig())
    figures = {row.key: row.criteria["anchor_agreement"] for row in selection.ranking}
    for row in selection.baselines:
        is_ahead = figures[selection.best] > figures[row.key]
        assert ("anchor_agreement" in row.ahead) == is_ahead


def test_a_baseline_that_wins_is_not_compared_with_itself(anchors, make_trial):
    noise = make_trial(6, "autoencoder", np.random.default_rng(1).random(400))
    selection = select([*anchors, noise], SearchConfig())
    assert selection.best.trial < 6
    assert selection.best not in {row.key for row in selection.baselines}
    assert len(selection.baselines) == 5


def test_without_baselines_nothing_is_compared(make_trial, noisy_truth):
    searched = [make_trial(i, name, noisy_truth(0.5, i)) for i, name in enumerate(("vae", "memae", "iaead"))]
    selection = select(searched, SearchConfig())
    assert selection.baselines == ()
    assert "No baseline row could be compared with it." in selection.verdict


class TestTheOutputAgainstOneRow:
    def test_it_is_ahead_of_noise_and_level_with_what_it_is(self, make_trial, noisy_truth):
        noise = make_trial(0, "knn", np.random.default_rng(1).random(400), origin="baseline")
        good = make_trial(1, "gmm", noisy_truth(0.5, 1), origin="baseline")
        judges = [make_trial(2 + i, f"judge{i}", noisy_truth(0.5, 5 + i)) for i in range(4)]
        rows = {row.detector: row for row in select([noise, good, *judges], SearchConfig()).baselines}
        assert rows["knn"].output_gains["consensus_gain_low"] > 0.2
        assert rows["knn"].output_gains["consensus_gain"] > rows["gmm"].output_gains["consensus_gain"]

    def test_the_rows_detector_does_not_judge_and_alone_leaves_no_judge(self, make_trial, noisy_truth):
        rows = [make_trial(i, "knn", noisy_truth(1.0, i), origin="baseline") for i in range(3)]
        assert all(row.output_gains == {} for row in select(rows, SearchConfig()).baselines)

    def test_pseudo_anomalies_compare_where_all_have_scored_them(self, make_trial, noisy_truth):
        def trial(number, detector, shift, **facts):
            scores = noisy_truth(0.5, number)
            probes = None if shift is None else {"gauss": scores[:100] + shift}
            return make_trial(number, detector, scores, probes=probes, **facts)

        seeing = [trial(1 + i, f"judge{i}", 9.0) for i in range(4)]
        blind, unprobed = (trial(0, "mahalanobis", shift, origin="baseline") for shift in (0.0, None))
        (row,) = select([blind, *seeing], SearchConfig()).baselines
        assert row.output_gains["probe_auc_gain_low"] > 0.1
        (row,) = select([unprobed, *seeing], SearchConfig()).baselines
        assert "consensus_gain" in row.output_gains
        assert "probe_auc_gain" not in row.output_gains
