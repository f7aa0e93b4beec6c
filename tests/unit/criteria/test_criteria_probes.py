"""The eight generators, and the AUC against them."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.criteria import CRITERIA, Evidence, make_probes, probe_auc_of

RNG = np.random.default_rng(0)
CLUSTERS = np.concatenate([RNG.normal(-3, 0.3, size=(150, 10)), RNG.normal(3, 0.3, size=(150, 10))])
PROBES = make_probes(CLUSTERS, n_rows=500, seed=0)


def test_every_generator_gives_the_rows_asked_for():
    assert list(PROBES) == ["gauss", "uniform", "marginals", "subset", "scale", "noise", "spike", "mix"]
    assert {rows.shape for rows in PROBES.values()} == {(500, 10)}
    assert all(np.isfinite(rows).all() for rows in PROBES.values())


def test_probes_follow_from_rows_and_seed():
    again, other = make_probes(CLUSTERS, n_rows=500, seed=0), make_probes(CLUSTERS, n_rows=500, seed=1)
    for name, rows in PROBES.items():
        np.testing.assert_array_equal(rows, again[name])
        assert not np.array_equal(rows, other[name])


def test_gauss_keeps_means_and_spreads():
    np.testing.assert_allclose(PROBES["gauss"].mean(axis=0), CLUSTERS.mean(axis=0), atol=0.6)
    np.testing.assert_allclose(PROBES["gauss"].std(axis=0), CLUSTERS.std(axis=0), rtol=0.15)


def test_uniform_fills_the_padded_range():
    low, high = CLUSTERS.min(axis=0), CLUSTERS.max(axis=0)
    padding = 0.1 * (high - low)
    assert (PROBES["uniform"] >= low - padding).all()
    assert (PROBES["uniform"] <= high + padding).all()
    assert (PROBES["uniform"] > high).any()


def test_marginals_are_true_values_without_dependence():
    assert all(np.isin(PROBES["marginals"][:, d], CLUSTERS[:, d]).all() for d in range(10))
    assert abs(np.corrcoef(PROBES["marginals"], rowvar=False)[0, 1]) < 0.2


@pytest.mark.parametrize(("name", "n_changed"), [("subset", 3), ("spike", 1)])
def test_some_features_of_true_rows_change(name, n_changed):
    is_kept = (PROBES[name][:, None] == CLUSTERS[None]).sum(axis=2).max(axis=1)
    assert (is_kept >= 10 - n_changed).all()
    assert is_kept.min() == 10 - n_changed


def test_scale_moves_rows_away_from_the_mean():
    distance, reach = (
        np.linalg.norm(rows - CLUSTERS.mean(axis=0), axis=1) for rows in (PROBES["scale"], CLUSTERS)
    )
    assert distance.min() >= 1.5 * reach.min()
    assert reach.max() < distance.max() <= 3 * reach.max()


def test_noise_stays_around_true_rows():
    nearest = np.linalg.norm(PROBES["noise"][:, None] - CLUSTERS[None], axis=2).min(axis=1)
    assert 0 < np.median(nearest) < 3 * np.sqrt(10)


def test_spike_moves_features_three_to_six_deviations():
    z = np.abs(PROBES["spike"] - CLUSTERS.mean(axis=0)) / CLUSTERS.std(axis=0)
    assert ((z > 2.99).sum(axis=1) == 1).all()
    assert z.max() <= 6.01


def test_mix_lies_between_clusters():
    own_side = np.abs(np.sign(PROBES["mix"]).sum(axis=1)) == 10
    assert np.abs(PROBES["mix"][~own_side]).max() < 2
    assert (~own_side).mean() > 0.3


def test_constant_columns_stay_constant():
    rows = np.column_stack([RNG.normal(size=200), np.zeros(200)])
    assert all((probes[:, 1] == 0).all() for probes in make_probes(rows, n_rows=50, seed=0).values())


def test_identical_rows_have_no_mix():
    assert "mix" not in make_probes(np.zeros((50, 3)), n_rows=10, seed=0)


def test_auc_of_one_candidate_is_the_mean_over_generators():
    panel = np.arange(4.0)
    assert probe_auc_of(panel, {"gauss": np.array([10.0]), "mix": np.array([1.5, -1.0])}) == (1 + 0.25) / 2
    assert np.isnan(probe_auc_of(panel, {}))
    assert np.isnan(probe_auc_of(np.array([np.nan, 1]), {"gauss": panel}))


def test_useless_generators_do_not_count(make_candidate):
    panel = np.arange(100.0)
    pool = [
        make_candidate(
            panel,
            trial=trial,
            probe_scores={"unseen": panel - shift, "obvious": panel + 1000, "useful": panel + shift},
        )
        for trial, shift in enumerate((10, 20, 30))
    ]
    values = CRITERIA["probe_auc"](Evidence.of(pool, [], {}))
    expected = [probe_auc_of(panel, {"useful": panel + shift}) for shift in (10, 20, 30)]
    np.testing.assert_allclose(values, expected)


def test_only_useless_generators_leave_it_absent(make_candidate):
    pool = [make_candidate(np.arange(10.0), probe_scores={"obvious": np.arange(10.0) + 100})]
    assert np.isnan(CRITERIA["probe_auc"](Evidence.of(pool, [], {}))).all()


def test_one_candidate_with_other_generators_changes_nothing_for_the_rest(make_candidate):
    panel = np.arange(100.0)
    pool = [make_candidate(panel, trial=i, probe_scores={"gauss": panel + 10 * i}) for i in (1, 2, 3)]
    odd = make_candidate(panel, trial=9, probe_scores={"blur": panel + 50})
    values = CRITERIA["probe_auc"](Evidence.of([*pool, odd], [], {}))
    np.testing.assert_array_equal(values[:3], CRITERIA["probe_auc"](Evidence.of(pool, [], {})))
    assert np.isnan(values[3])


SUSPECT = np.arange(100.0)
"""The anchors find the last twenty rows strangest."""


def test_rows_that_the_anchors_suspect_are_not_normal(make_candidate):
    probes = np.full(50, 60.5)
    pool = [make_candidate(SUSPECT, probe_scores={"gauss": probes})]
    evidence = Evidence.of(pool, [], {"knn": SUSPECT})
    assert CRITERIA["probe_auc"](evidence)[0] == pytest.approx(61 / 80)
    kept = SUSPECT[:80]
    expected = np.sign(60.5 - kept.mean()) * (60.5 - kept.mean()) ** 2 / (2 * kept.var())
    assert CRITERIA["pseudo_discrepancy"](evidence)[0] == pytest.approx(expected, rel=1e-3)


def test_an_anchor_does_not_say_which_rows_are_normal_for_its_own_detector(make_candidate):
    pool = [make_candidate(SUSPECT, detector="knn", probe_scores={"gauss": np.full(50, 60.5)})]
    evidence = Evidence.of(pool, [], {"knn": SUSPECT})
    assert CRITERIA["probe_auc"](evidence)[0] == pytest.approx(0.61)


def test_discrepancy_has_a_sign(make_candidate):
    panel = RNG.random(200)
    pool = [
        make_candidate(panel, trial=i, probe_scores={"gauss": panel + shift})
        for i, shift in enumerate((2, 0, -2))
    ]
    for name in ("pseudo_discrepancy", "log_pseudo_discrepancy"):
        above, same, below = CRITERIA[name](Evidence.of(pool, [], {}))
        assert above > 1
        assert same == pytest.approx(0, abs=1e-9)
        assert below < -1


def test_a_few_huge_scores_do_not_decide_on_log_scores(make_candidate):
    panel, huge = RNG.random(200), RNG.random(200)
    huge[:3] = 1e4
    pool = [
        make_candidate(scores, trial=i, probe_scores={"gauss": RNG.random(200) + 2})
        for i, scores in enumerate((panel, huge))
    ]
    plain, logs = (
        CRITERIA[name](Evidence.of(pool, [], {})) for name in ("pseudo_discrepancy", "log_pseudo_discrepancy")
    )
    assert plain[1] < 0 < logs[1]


def test_small_sets_have_much_excess_mass_and_little_volume(make_candidate):
    space = np.linspace(0, 1, 1000)
    pool = [
        make_candidate(np.linspace(0, width, 100), trial=i, probe_scores={"uniform": space})
        for i, width in enumerate((0.1, 0.5, 1.0))
    ]
    excess, volume = (CRITERIA[name](Evidence.of(pool, [], {})) for name in ("excess_mass", "mass_volume"))
    assert (np.diff(excess) < 0).all()
    np.testing.assert_allclose(volume, [0.095, 0.475, 0.95], atol=0.01)


def test_excess_mass_is_limited_where_no_uniform_row_is_near(make_candidate):
    pool = [make_candidate(np.arange(100.0), probe_scores={"uniform": np.full(50, 1000.0)})]
    assert CRITERIA["excess_mass"](Evidence.of(pool, [], {}))[0] == pytest.approx(100)
    assert CRITERIA["mass_volume"](Evidence.of(pool, [], {}))[0] == 0
