"""What `SelectionConfig` changes of a selection: who votes, what is shipped, who is left out."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.config import SearchConfig, SelectionConfig
from automl_ad.criteria import CRITERIA
from automl_ad.errors import ConfigError, NoTrialSucceeded
from automl_ad.selection import rank_pool, require_known, select
from automl_ad.selection.aggregation import AGGREGATORS
from automl_ad.selection.ranking import rank

DETECTORS = ("autoencoder", "vae", "iaead", "memae", "dasvdd", "deep_svdd", "rsrae", "drae", "made")


def configured(training_data="unknown", **settings) -> SearchConfig:
    return SearchConfig(training_data=training_data, selection=SelectionConfig(**settings))


@pytest.fixture
def searched(make_trial, noisy_truth):
    """Three good detectors of two candidates each, trials 6 to 11, the later the better."""
    detectors = ("autoencoder", "autoencoder", "vae", "vae", "iaead", "iaead")
    return [
        make_trial(6 + i, detector, noisy_truth(1.2 - 0.2 * i, i), n_parameters=i)
        for i, detector in enumerate(detectors)
    ]


@pytest.fixture
def results(anchors, searched):
    return [*anchors, *searched]


def trials(selection):
    return [part.key.trial for part in selection.output]


class TestWhoVotes:
    def test_names_and_weights_are_read_from_rank_by(self, results):
        config = configured(rank_by=("tail_shape=2", "consensus"))
        assert rank_pool(results, config)[2].voters == {"tail_shape": 2.0, "consensus": 1.0}

    def test_the_named_criterion_orders_the_pool(self, results):
        pool, table, ranking = rank_pool(results, configured(rank_by=("consensus",)))
        assert (np.diff(table["consensus"][list(ranking.order)].round(6)) <= 0).all()
        assert len(ranking.order) == len(pool.evidence.candidates) == 12

    def test_less_is_better_where_the_criterion_says_so(self, anchors, make_trial, noisy_truth):
        rough, smooth = (np.stack([1 + spread * np.sin(np.arange(40.0))] * 2) for spread in (0.5, 0.01))
        unstable = make_trial(6, "autoencoder", noisy_truth(0.1, 1), losses=rough, checkpoints=(40,))
        stable = make_trial(7, "autoencoder", noisy_truth(1.0, 2), losses=smooth, checkpoints=(40,))
        assert CRITERIA["loss_stability"].direction == "min"
        ranking = select([*anchors, unstable, stable], configured(rank_by=("loss_stability",))).ranking
        assert [row.key.trial for row in ranking[:2]] == [7, 6]

    def test_a_heavy_vote_decides(self, results):
        _, table, ranking = rank_pool(results, configured(rank_by=("consensus", "tail_shape=1000")))
        assert (np.diff(table["tail_shape"][list(ranking.order)].round(6)) <= 0).all()

    @pytest.mark.parametrize("method", AGGREGATORS)
    def test_every_aggregator_ranks_and_says_how_sure_it_is(self, results, method):
        config = configured(aggregate=method, rank_by=("anchor_agreement", "tail_shape", "consensus"))
        selection = select(results, config)
        assert selection.ranking[0].key.trial > 5
        assert 0.1 < selection.confidence["best_stays_first"] <= 1

    def test_robust_borda_does_not_hear_the_odd_one_out(self, results):
        pool, table, _ = rank_pool(results, SearchConfig())
        against = {**table, "probe_auc": -table["consensus"]}
        names = ("anchor_agreement", "consensus", "iterated_consensus", "probe_auc")
        robust = rank(pool, against, SelectionConfig(rank_by=names, aggregate="robust_borda"))
        assert robust.order == rank(pool, table, SelectionConfig(rank_by=names[:3])).order

    def test_a_misspelt_criterion_is_named(self, results):
        config = configured(rank_by=("anchor_agreemnt",))
        with pytest.raises(ConfigError, match="did you mean 'anchor_agreement'") as error:
            require_known(config.selection)
        assert error.value.exit_code == 2
        with pytest.raises(ConfigError, match="anchor_agreemnt"):
            select(results, config)

    def test_a_criterion_without_figures_is_named_with_what_it_needs(self, results):
        with pytest.raises(ConfigError, match=r"'gamma_balance'.* all 12 candidates \(it needs gamma\)"):
            select(results, configured(rank_by=("tail_shape", "gamma_balance")))


class TestWhatIsShipped:
    def test_the_best_alone(self, results):
        selection = select(results, configured(n_parts=1, with_anchors=False))
        assert (selection.output_kind, trials(selection)) == ("single", [selection.best.trial])
        assert selection.output[0].weight == 1

    def test_the_best_alone_must_beat_the_anchors_too(self, anchors, make_trial):
        mistake = np.random.default_rng(1).exponential(size=400) ** 2
        clique = [
            make_trial(6 + i, detector, mistake + 0.3 * np.random.default_rng(i).random(400))
            for i, detector in enumerate(DETECTORS)
        ]
        config = configured(n_parts=1, with_anchors=False, rank_by=("consensus",))
        selection = select([*anchors, *clique], config)
        assert selection.best.trial >= 6
        assert selection.confidence["consensus_gain_low"] > 0
        assert selection.output_kind == "anchors"

    def test_a_baseline_alone_has_found_nothing(self, anchors, make_trial):
        noise = make_trial(6, "autoencoder", np.random.default_rng(1).random(400))
        selection = select([*anchors, noise], configured(n_parts=1, with_anchors=False))
        assert selection.output_kind == "anchors"

    @pytest.mark.parametrize(("n_parts", "cap", "expected"), [(2, 1, 2), (5, 1, 3), (5, 2, 5), (9, 9, 6)])
    def test_as_many_as_asked_for_within_the_cap(self, results, n_parts, cap, expected):
        config = configured(n_parts=n_parts, max_per_detector=cap, rank_by=("consensus",))
        chosen = [trial for trial in trials(select(results, config)) if trial > 5]
        detectors = [r.config.detector for r in results if r.trial in chosen]
        assert len(chosen) == expected
        assert max(map(detectors.count, detectors)) <= cap

    def test_without_the_anchors_they_are_candidates_like_others(self, results):
        selection = select(results, configured(n_parts=20, with_anchors=False))
        assert trials(selection)[:8] != [0, 1, 2, 3, 4]
        assert len(selection.output) == 9
        assert [part.weight for part in selection.output] == [1 / 9] * 9


class TestWhoIsLeftOut:
    def test_an_excluded_detector_is_neither_candidate_nor_anchor(self, results):
        excluded = {"knn", "isolation_forest"}
        selection = select(results, SearchConfig(), exclude=excluded)
        assert not excluded & {row.detector for row in selection.ranking}
        assert not {0, 1} & set(trials(selection))
        pool, _, _ = rank_pool(results, SearchConfig(), exclude=excluded)
        assert set(pool.anchors) == set(pool.evidence.anchors) == {"gmm", "pca", "kde"}

    def test_leaving_out_is_as_if_it_had_never_run(self, results):
        remaining = [r for r in results if r.config.detector != "knn"]
        assert select(results, SearchConfig(), exclude={"knn"}) == select(remaining, SearchConfig())

    def test_nothing_left_is_an_error(self, anchors):
        with pytest.raises(NoTrialSucceeded, match="no trial ran"):
            select([anchors[1]], SearchConfig(), exclude={"knn"})


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "named"),
        [
            ({"rank_by": ("tail_shape=0",)}, r"--rank-by .*positive weight, got 'tail_shape=0'"),
            ({"rank_by": ("tail_shape=nan",)}, "got 'tail_shape=nan'"),
            ({"rank_by": ("tail_shape=inf",)}, "got 'tail_shape=inf'"),
            ({"rank_by": ("tail_shape=heavy",)}, "got 'tail_shape=heavy'"),
            ({"rank_by": ("=2",)}, "got '=2'"),
            ({"rank_by": ("consensus", "consensus=2")}, "once, got consensus, consensus=2"),
            ({"aggregate": "condorcet"}, "borda, robust_borda, kemeny, got 'condorcet'"),
            ({"n_parts": 0}, "--parts must be at least 1, got 0"),
            ({"max_per_detector": 0}, "max_per_detector must be at least 1, got 0"),
        ],
    )
    def test_a_wrong_setting_is_named(self, settings, named):
        with pytest.raises(ConfigError, match=named):
            SelectionConfig(**settings)
