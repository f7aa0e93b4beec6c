"""What comes out of a selection: ranking, output, verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from automl_ad.config import SearchConfig, SelectionConfig
from automl_ad.criteria import CRITERIA
from automl_ad.errors import NoTrialSucceeded
from automl_ad.selection import select

UNKNOWN, CLEAN = SearchConfig(), SearchConfig(training_data="clean")
DETECTORS = ("autoencoder", "deep_svdd", "iaead", "dasvdd", "ocsvm", "vae", "memae")


@pytest.fixture
def searched(make_trial, noisy_truth):
    """Seven good detectors, trials 6 to 12, the last one the best."""
    return [
        make_trial(6 + i, detector, noisy_truth(1.4 - 0.2 * i, i), checkpoints=(10, 20))
        for i, detector in enumerate(DETECTORS)
    ]


def trials(selection):
    return [part.key.trial for part in selection.output]


class TestUnknownTrainingData:
    def test_the_output_is_the_five_best_detectors_with_two_anchors(self, anchors, searched):
        selection = select([*anchors, *searched], UNKNOWN)
        assert selection.output_kind == "ensemble"
        assert selection.is_distinguishable
        assert trials(selection)[5:] == [0, 1]
        assert set(trials(selection)[:5]) <= set(range(6, 13))
        assert {11, 12} <= set(trials(selection)[:5])
        assert [part.weight for part in selection.output] == [1 / 7] * 7
        assert selection.best == selection.ranking[0].key == selection.output[0].key

    def test_one_detector_takes_one_place(self, anchors, make_trial, noisy_truth):
        crowd = [make_trial(6 + i, "autoencoder", noisy_truth(0.2, i)) for i in range(6)]
        other = make_trial(12, "vae", noisy_truth(0.5, 9))
        output = trials(select([*anchors, *crowd, other], UNKNOWN))
        assert len([trial for trial in output if 6 <= trial <= 11]) == 1
        assert 12 in output

    def test_all_baselines_are_ranked_with_their_criteria(self, anchors, searched):
        rows = [row for row in select([*anchors, *searched], UNKNOWN).ranking if row.origin == "baseline"]
        assert sorted(row.key.trial for row in rows) == [0, 1, 2, 3, 4, 5]
        for row in rows:
            assert set(row.criteria) == set(CRITERIA)
            assert row.criteria["anchor_agreement"] is not None
            assert row.criteria["loss_stability"] is None
            assert 0 <= row.aggregate <= 1

    def test_a_baseline_may_be_the_best(self, anchors, make_trial):
        noise = make_trial(6, "autoencoder", np.random.default_rng(1).random(400))
        assert select([*anchors, noise], UNKNOWN).best.trial < 6

    def test_a_leader_of_pyod_is_ranked_first_and_not_shipped(
        self, anchors, searched, make_trial, noisy_truth
    ):
        leader = make_trial(20, "pyod:ecod", noisy_truth(0.05, 7), kept_checkpoints=())
        selection = select([*anchors, *searched, leader], UNKNOWN)
        assert selection.ranking[0].detector == "pyod:ecod"
        assert not selection.ranking[0].veto
        assert selection.best == selection.ranking[1].key
        assert 20 not in trials(selection)
        assert f"the best that can be exported is {selection.ranking[1].detector}" in selection.verdict

    def test_pyod_alone_leaves_nothing_to_ship(self, make_trial, noisy_truth):
        with pytest.raises(NoTrialSucceeded):
            select([make_trial(20, "pyod:ecod", noisy_truth(0.05, 7), kept_checkpoints=())], UNKNOWN)

    def test_the_order_of_the_results_does_not_matter(self, anchors, searched):
        one, other = (
            select([*anchors, *searched], UNKNOWN),
            select([*searched[::-1], *anchors[::-1]], UNKNOWN),
        )
        assert one == other

    def test_a_strictly_increasing_change_of_one_candidate_keeps_its_agreement(self, anchors, searched):
        changed = replace(
            searched[0],
            candidates=tuple(replace(c, panel_scores=np.exp(c.panel_scores)) for c in searched[0].candidates),
        )
        rows = [
            {
                row.key: row.criteria["anchor_agreement"]
                for row in select([*anchors, *results], UNKNOWN).ranking
            }
            for results in (searched, [changed, *searched[1:]])
        ]
        assert rows[0] == pytest.approx(rows[1])


class TestVetoes:
    def test_vetoed_candidates_come_last_with_their_reason(self, anchors, searched, make_trial):
        constant = make_trial(20, "pca", np.ones(400))
        selection = select([*anchors, *searched, constant], UNKNOWN)
        last = selection.ranking[-1]
        assert last.key.trial == 20
        assert "constant" in last.veto
        assert last.aggregate is None
        assert all(not row.veto for row in selection.ranking[:-1])

    def test_only_kept_checkpoints_are_candidates(self, anchors, searched):
        forgotten = [replace(result, kept_checkpoints=(20,)) for result in searched]
        selection = select([*anchors, *forgotten], UNKNOWN)
        assert {row.key.checkpoint for row in selection.ranking if row.veto} == {10}
        assert all("not kept" in row.veto for row in selection.ranking if row.key.checkpoint == 10)
        assert {part.key.checkpoint for part in selection.output} == {0, 20}

    def test_weights_in_the_result_count_as_kept(self, anchors, searched):
        fresh = [replace(result, kept_checkpoints=(), weights={10: {}, 20: {}}) for result in searched]
        assert not any(row.veto for row in select([*anchors, *fresh], UNKNOWN).ranking)

    def test_failed_trials_are_not_candidates(self, anchors, searched, make_trial):
        failed = replace(make_trial(30, "gmm", [0]), state="failed", candidates=(), reason="singular")
        assert 30 not in {row.key.trial for row in select([*anchors, *searched, failed], UNKNOWN).ranking}

    def test_nothing_usable_is_an_error_that_says_why(self, make_trial):
        failed = replace(
            make_trial(0, "gmm", [0]), state="failed", candidates=(), reason="singular covariance"
        )
        with pytest.raises(NoTrialSucceeded, match="singular covariance") as error:
            select([failed, make_trial(1, "knn", np.ones(400))], UNKNOWN)
        assert "constant" in error.value.message
        with pytest.raises(NoTrialSucceeded, match="no trial ran"):
            select([], UNKNOWN)


class TestAgainstTheAnchors:
    def test_noise_does_not_beat_them(self, anchors, make_trial):
        noise = [
            make_trial(6 + i, detector, np.random.default_rng(i).exponential(size=400))
            for i, detector in enumerate(DETECTORS)
        ]
        selection = select([*anchors, *noise], UNKNOWN)
        assert selection.output_kind == "anchors"
        assert not selection.is_distinguishable
        assert trials(selection) == [0, 1, 2, 3, 4]
        assert sum(part.weight for part in selection.output) == pytest.approx(1)

    def test_many_who_share_one_mistake_do_not_beat_them(self, anchors, make_trial):
        mistake = np.random.default_rng(1).exponential(size=400) ** 2
        clique = [
            make_trial(6 + i, detector, mistake + 0.3 * np.random.default_rng(i).random(400))
            for i, detector in enumerate(DETECTORS)
        ]
        selection = select([*anchors, *clique], UNKNOWN)
        assert selection.confidence["consensus_gain_low"] > 0
        assert selection.output_kind == "anchors"

    def test_baselines_alone_have_found_nothing(self, anchors):
        selection = select(anchors, UNKNOWN)
        assert selection.output_kind == "anchors"
        assert selection.best is not None
        assert "baselines" in selection.verdict

    def test_without_two_anchors_consensus_votes_and_the_verdict_says_so(self, anchors, searched):
        selection = select([anchors[1], *searched], UNKNOWN)
        assert "fewer than two anchors" in selection.verdict
        assert trials(selection)[-1] == 1
        assert selection.best.trial > 8

    def test_without_anchors_the_best_five_stand(self, searched):
        selection = select(searched, UNKNOWN)
        assert (selection.output_kind, len(selection.output)) == ("ensemble", 5)
        assert "No anchor" in selection.verdict

    def test_a_single_candidate_is_a_single_output(self, searched):
        only = replace(searched[0], kept_checkpoints=(10,))
        selection = select([only], UNKNOWN)
        assert selection.output_kind == "single"
        assert selection.output[0].weight == 1


class TestCleanTrainingData:
    @pytest.fixture
    def probed(self, anchors, make_trial, noisy_truth):
        """The probes tell autoencoder and vae from the rest, while the anchors prefer the others."""
        rng = np.random.default_rng(0)

        def with_probes(number, detector, scores, shift, origin="sampled"):
            probes = {
                name: rng.choice(scores, size=200) + shift + extra
                for name, extra in (("gauss", 0.5), ("mix", 0.2))
            }
            return make_trial(number, detector, scores, origin=origin, probes=probes)

        trials = [
            with_probes(r.trial, r.config.detector, r.candidates[0].panel_scores, 0.5, "baseline")
            for r in anchors
        ]
        for number, (detector, noise, shift) in enumerate(
            [("autoencoder", 4.0, 6.0), ("vae", 4.0, 4.0), ("memae", 0.1, 0.3), ("iaead", 0.1, 0.2)], start=6
        ):
            trials.append(with_probes(number, detector, noisy_truth(noise, number), shift))
        return trials

    @pytest.mark.parametrize("config", [CLEAN, UNKNOWN])
    def test_probes_and_tail_rank_whatever_the_training_data(self, probed, config):
        selection = select(probed, config)
        assert "by log pseudo discrepancy and tail shape" in selection.verdict
        by_probes, by_anchors = (
            select(probed, replace(config, selection=SelectionConfig(rank_by=(name,))))
            for name in ("probe_auc", "anchor_agreement")
        )
        assert by_probes.best.trial == 6
        assert by_anchors.best.trial not in (6, 7)

    def test_the_output_beats_the_anchors_on_the_probes(self, probed):
        selection = select(probed, CLEAN)
        assert selection.output_kind == "ensemble"
        assert selection.confidence["probe_auc_gain_low"] > 0

    def test_probes_nobody_sees_decide_nothing(self, anchors, searched):
        blind = [
            replace(
                result,
                candidates=tuple(
                    replace(c, probe_scores={"gauss": c.panel_scores - 100}) for c in result.candidates
                ),
            )
            for result in (*anchors, *searched)
        ]
        selection = select(blind, CLEAN)
        assert all(row.criteria["probe_auc"] is None for row in selection.ranking)
        assert selection.output_kind == "anchors"

    def test_without_pseudo_anomalies_the_anchors_vote(self, anchors, searched):
        assert "by anchor agreement and tail shape" in select([*anchors, *searched], CLEAN).verdict


class TestWhatIsSaid:
    def test_the_verdict_names_candidate_criteria_and_baselines(self, anchors, searched):
        selection = select([*anchors, *searched], UNKNOWN)
        assert str(selection.best) in selection.verdict
        for phrase in (
            "anchor agreement",
            "consensus",
            "baseline row",
            "5 candidates with isolation_forest and knn",
        ):
            assert phrase in selection.verdict
        assert selection.verdict.count(". ") <= 5

    def test_confidence_is_lower_when_two_are_alike(self, anchors, make_trial, noisy_truth):
        best = make_trial(6, "autoencoder", noisy_truth(0.05, 1))
        clear = select([*anchors, best, make_trial(7, "vae", noisy_truth(2.0, 2))], UNKNOWN)
        close = select([*anchors, best, make_trial(7, "vae", noisy_truth(0.05, 2))], UNKNOWN)
        assert 0 <= close.confidence["best_stays_first"] < clear.confidence["best_stays_first"] <= 1

    def test_the_seed_decides_the_resamples_only(self, anchors, searched):
        one, other = (select([*anchors, *searched], SearchConfig(seed=seed)) for seed in (0, 1))
        assert one.ranking == other.ranking
        assert one.confidence != other.confidence
