"""The rows of a case by hand: fifty normal rows and one anomaly, so that AUROC is the share it outscores."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from automl_ad.config import SearchConfig
from automl_ad.criteria import ANCHOR_DETECTORS, CRITERIA
from automl_ad.evaluation.bench import records
from automl_ad.evaluation.bench.cases import JudgedCase, judged_scores, native
from automl_ad.evaluation.bench.rows import first_by_criterion, make_rows, measure_selection
from automl_ad.evaluation.bench.tables import Case
from automl_ad.evaluation.metrics import auroc
from automl_ad.results import (
    Candidate,
    CandidateKey,
    Metrics,
    Selection,
    TrialConfig,
    TrialResult,
    WeightedPart,
)
from automl_ad.selection.pool import gather

N_NORMALS = 50
LABELS_N = np.arange(N_NORMALS + 1) == N_NORMALS
DEEP = ("autoencoder", "vae", "deep_svdd", "memae")

MakeTrial = Callable[..., TrialResult]


def scores(n_outscored: int, seed: int) -> np.ndarray:
    """[51]; the anomaly, the last row, outscores so many normal rows. Seeds differ in the normals' order."""
    noise_N = np.arange(N_NORMALS) + np.random.default_rng(seed).normal(size=N_NORMALS)
    return np.append(rankdata(noise_N), n_outscored + 0.5).astype(np.float32)


def metrics(n_outscored: int) -> Metrics:
    """What `scores` must measure: one anomaly with so many normal rows below it."""
    return Metrics(auroc=n_outscored / N_NORMALS, average_precision=1 / (1 + N_NORMALS - n_outscored))


def close(expected: Metrics) -> Metrics:
    return Metrics(
        auroc=pytest.approx(expected.auroc), average_precision=pytest.approx(expected.average_precision)
    )


@pytest.fixture(scope="module")
def make_trial() -> MakeTrial:
    """A trial whose checkpoints outscore so many normal rows; the last checkpoint is its native score."""

    def make(
        number: int,
        detector: str,
        *n_outscored: int,
        origin: str = "sampled",
        losses: Sequence[float] | None = None,
        params: dict[str, object] | None = None,
        **facts: object,
    ) -> TrialResult:
        epochs = [0] if losses is None else range(5, 5 * len(n_outscored) + 1, 5)
        candidates = tuple(
            Candidate(
                key=CandidateKey(trial=number, score_type="native", checkpoint=epoch),
                detector=detector,
                panel_scores=scores(n, 10 * number + i),
                **facts,
            )
            for i, (epoch, n) in enumerate(zip(epochs, n_outscored, strict=True))
        )
        return TrialResult(
            trial=number,
            config=TrialConfig(detector=detector, params=params or {}, origin=origin),
            seed=0,
            state="completed",
            candidates=candidates,
            losses=None if losses is None else np.asarray([losses], np.float32),
            kept_checkpoints=tuple(epochs),
        )

    return make


@pytest.fixture(scope="module")
def baselines(make_trial) -> list[TrialResult]:
    """The anchors, and both distances to a centre: trials 0 to 6, 40 to 46 rows outscored."""
    anchors = [make_trial(i, name, 40 + i, origin="baseline") for i, name in enumerate(ANCHOR_DETECTORS)]
    centers = [
        make_trial(5 + i, "distance_to_center", 45 + i, origin="baseline", params={"center": center})
        for i, center in enumerate(("mean", "median"))
    ]
    return [*anchors, *centers]


@pytest.fixture(scope="module")
def searched(make_trial) -> list[TrialResult]:
    """Trials 7 to 10, natively 20, 30, 45 and 49 rows outscored; trial 7 was perfect before its end."""
    return [
        make_trial(7, "autoencoder", 50, 20, losses=np.linspace(9, 1, 10), origin="default"),
        make_trial(8, "vae", 10, 30, losses=np.linspace(9, 5, 10), origin="random"),
        make_trial(9, "deep_svdd", 10, 45, losses=np.linspace(9, 4, 10), origin="random"),
        make_trial(10, "knn", 49, origin="sampled"),
    ]


def judged(*results: TrialResult) -> JudgedCase:
    case = Case(path=Path("table.parquet"), regime="natural", seed=0)
    return JudgedCase(case=case, config=SearchConfig(), results=results, labels_N=LABELS_N)


@pytest.fixture(scope="module")
def measured(baselines, searched) -> tuple[dict[str, Metrics], dict[str, float], dict[str, str]]:
    return make_rows(judged(*baselines, *searched))


@pytest.fixture(scope="module")
def rows(measured) -> dict[str, Metrics]:
    return measured[0]


class TestTrials:
    def test_the_mean_trial_counts_native_scores_of_searched_trials_only(self, rows):
        parts = [metrics(n) for n in (20, 30, 45, 49)]
        assert rows[records.MEAN_TRIAL].auroc == pytest.approx(np.mean([m.auroc for m in parts]))
        expected = np.mean([m.average_precision for m in parts])
        assert rows[records.MEAN_TRIAL].average_precision == pytest.approx(expected)

    def test_the_median_of_three_trials_is_the_second(self, baselines, searched):
        without_the_first, _, _ = make_rows(judged(*baselines, *searched[1:]))
        assert without_the_first[records.MEDIAN_TRIAL] == close(metrics(45))

    def test_oracles_know_the_best_trial_and_the_best_candidate(self, rows):
        assert rows[records.ORACLE_TRIAL] == close(metrics(49))
        assert rows[records.ORACLE_CANDIDATE] == close(metrics(50))

    def test_the_arms_have_means_of_their_own(self, rows):
        assert rows["mean random trial"].auroc == pytest.approx((0.6 + 0.9) / 2)
        assert rows["mean TPE trial"] == close(metrics(49))

    def test_the_lowest_loss_is_the_one_at_the_end_and_closed_forms_have_none(
        self, rows, baselines, searched
    ):
        assert rows["lowest loss"] == close(metrics(20))
        without, _, _ = make_rows(judged(*baselines, searched[3]))
        assert not {"lowest loss", "mean random trial"} & set(without)

    def test_a_trial_whose_scores_are_not_finite_is_in_no_mean(self, rows, baselines, searched, make_trial):
        broken = make_trial(11, "memae", 25)
        broken.candidates[0].panel_scores[3] = np.nan
        with_broken, _, _ = make_rows(judged(*baselines, *searched, broken))
        assert with_broken[records.MEAN_TRIAL] == rows[records.MEAN_TRIAL]


class TestPublished:
    def test_every_baseline_is_a_row_by_its_own_name(self, rows):
        for i, name in enumerate((*ANCHOR_DETECTORS, "distance_to_mean", "distance_to_median")):
            assert rows[name] == close(metrics(40 + i))
        assert "distance_to_center" not in rows

    def test_only_published_defaults_are_defaults(self, rows):
        assert rows["default: autoencoder"] == close(metrics(20))
        assert [name for name in rows if name.startswith(records.DEFAULT_PREFIX)] == ["default: autoencoder"]

    def test_anchors_alone_are_their_ensemble(self, rows, baselines, searched):
        case = judged(*baselines, *searched)
        anchors = [native(result) for result in baselines[:5]]
        assert rows[records.ANCHORS] == case.measure_parts(anchors)
        assert rows[records.ISOLATION_FOREST_AND_KNN] == case.measure_parts(anchors[:2])


class TestSelected:
    def test_what_ships_is_measured_and_again_without_the_strongest(self, measured):
        rows, _, notes = measured
        suffix = ", without knn and isolation_forest"
        names = {records.OUTPUT, records.BEST}
        assert {*names, *(f"{name}{suffix}" for name in names)} <= set(rows)
        assert notes["verdict"]
        assert notes["output"] in ("ensemble", "vote", "single", "anchors")

    def test_nothing_but_the_strongest_leaves_a_note_in_place_of_the_row(self, make_trial):
        knn = make_trial(0, "knn", 40, origin="baseline")
        rows, _, notes = make_rows(judged(knn, make_trial(1, "knn", 45)))
        assert "output" in rows
        assert "output, without knn and isolation_forest" not in rows
        assert "at least one trial" in notes["without knn and isolation_forest"]

    def test_the_output_is_the_ensemble_of_its_parts_and_best_is_one_candidate(self, baselines, searched):
        case = judged(*baselines, *searched)
        parts = [native(searched[2]), native(searched[3])]
        selection = Selection(
            ranking=(),
            best=searched[0].candidates[0].key,
            output=tuple(WeightedPart(key=part.key, weight=0.5) for part in parts),
            output_kind="ensemble",
            is_distinguishable=True,
            verdict="",
        )
        assert measure_selection(case, selection) == (case.measure_parts(parts), metrics(50))


class TestMeasureParts:
    def test_one_part_keeps_its_scores(self, make_trial):
        trial = make_trial(0, "knn", 33)
        assert judged(trial).measure_parts(trial.candidates) == close(metrics(33))

    def test_several_are_the_mean_of_their_surprises_on_the_panel(self, make_trial):
        trials = [make_trial(i, "vae", n) for i, n in enumerate((3, 48, 30))]
        parts = [native(trial) for trial in trials]
        ranks_PN = np.stack([rankdata(part.panel_scores) for part in parts]) / len(LABELS_N)
        surprise_N = -np.log(1 - ranks_PN + 0.5 / len(LABELS_N)).mean(axis=0)
        assert judged(*trials).measure_parts(parts).auroc == pytest.approx(auroc(LABELS_N, surprise_N))

    def test_rows_on_the_side_are_judged_through_the_panel(self, make_trial):
        panel_N = np.arange(30, dtype=np.float32)
        trials = [
            make_trial(i, "vae", 10, hindsight_scores=side)
            for i, side in enumerate((scores(2, 1), scores(48, 2)))
        ]
        for trial in trials:
            object.__setattr__(trial.candidates[0], "panel_scores", panel_N)
        parts = [native(trial) for trial in trials]
        surprise_N = -np.log(1 - rankdata(panel_N) / 30 + 0.5 / 30)
        sides = [judged_scores(part).astype(float) for part in parts]
        spread = 29 - 14.5
        mean_N = np.mean(
            [np.interp(s, panel_N, surprise_N) + np.log1p(np.maximum(s - 29, 0) / spread) for s in sides],
            axis=0,
        )
        case = judged(*trials)
        assert [case.metrics[part.key] for part in parts] == [close(metrics(2)), close(metrics(48))]
        assert case.measure_parts(parts).auroc == pytest.approx(auroc(LABELS_N, mean_N))


class TestCriteria:
    def test_first_is_the_highest_or_the_lowest_by_direction(self, baselines, searched):
        pool = gather([*baselines, *searched])
        values_K = np.full(len(pool.evidence.candidates), np.nan)
        values_K[[3, 5, 7, 8]] = [1.0, 4.0, -2.0, 4.0]
        firsts = dict(first_by_criterion(pool, {"consensus": values_K, "loss_stability": values_K}))
        assert (CRITERIA["consensus"].direction, CRITERIA["loss_stability"].direction) == ("max", "min")
        assert firsts["consensus"] is pool.evidence.candidates[5]
        assert firsts["loss_stability"] is pool.evidence.candidates[7]

    def test_a_criterion_that_says_nothing_picks_nobody(self, baselines):
        pool = gather(baselines)
        silent_K = np.full(len(pool.evidence.candidates), np.nan)
        assert list(first_by_criterion(pool, {"consensus": silent_K})) == []

    def test_correlations_are_signed_so_that_one_is_best(self, baselines, make_trial):
        """Restless losses belong to the worse trials; agreeing members to the worse trials too."""
        deep = [
            make_trial(
                7 + i,
                name,
                48 - 10 * i,
                losses=[9, 8, 7, 6, 6 - 0.5 * i],
                member_agreement=0.5 + 0.1 * i,
                member_jaccard=0.5 + 0.1 * i,
            )
            for i, name in enumerate(DEEP)
        ]
        rows, criteria, _ = make_rows(judged(*baselines, *deep))
        assert criteria["loss_stability"] == pytest.approx(1)
        assert criteria["member_agreement"] == pytest.approx(-1)
        assert rows["only: loss_stability"] == close(metrics(48))
        assert rows["only: member_agreement"] == close(metrics(18))

    def test_where_all_candidates_are_equally_good_nothing_correlates(self, baselines, make_trial):
        equal = [
            make_trial(i, result.config.detector, 50, origin="baseline") for i, result in enumerate(baselines)
        ]
        _, criteria, _ = make_rows(judged(*equal, make_trial(7, "vae", 50)))
        assert criteria == {}


class TestFirstTrials:
    def test_baselines_stay_and_the_first_trials_are_kept_in_their_order(self, baselines, searched):
        case = judged(*baselines, *searched).first_trials(2)
        assert [result.trial for result in case.searched] == [7, 8]
        assert [result.trial for result in case.baselines] == [0, 1, 2, 3, 4, 5, 6]

    def test_a_failed_trial_was_searched_too(self, baselines, searched):
        failed = TrialResult(trial=6, config=searched[0].config, seed=0, state="failed", reason="it diverged")
        case = judged(*baselines, failed, *searched).first_trials(2)
        assert [result.trial for result in case.results if result.config.origin != "baseline"] == [6, 7]
        assert [result.trial for result in case.searched] == [7]

    def test_more_than_there_are_is_all(self, baselines, searched):
        case = judged(*baselines, *searched)
        assert case.first_trials(99).results == case.results


def test_a_case_whose_searched_trials_all_failed_has_the_rows_of_its_baselines(baselines):
    failed = TrialResult(
        trial=7,
        config=TrialConfig(detector="vae", params={}, origin="sampled"),
        seed=0,
        state="failed",
        reason="it diverged",
    )
    rows, _, _ = make_rows(judged(*baselines, failed))
    assert rows["knn"] == close(metrics(41))
    assert records.MEAN_TRIAL not in rows
    assert records.ORACLE_TRIAL not in rows
    assert rows[records.ORACLE_CANDIDATE] == close(metrics(46))
