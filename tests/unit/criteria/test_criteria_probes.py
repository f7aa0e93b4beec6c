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
