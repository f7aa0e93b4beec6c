"""Gain and regret, by hand."""

import pytest

from automl_ad.evaluation.bench.gains import gain_of


def test_gain_pools_and_regret_averages(make_table):
    table = make_table(output=[0.7, 0.55], mean_trial=[0.5, 0.5], oracle_trial=[0.9, 0.6])
    found = gain_of(table, "output")
    assert found.gain.value == pytest.approx((0.2 + 0.05) / (0.4 + 0.1))
    assert found.regret.value == pytest.approx((0.2 / 0.4 + 0.05 / 0.1) / 2)


def test_the_references_are_the_ends(make_table):
    table = make_table(mean_trial=[0.5, 0.6], oracle_trial=[0.9, 0.8])
    assert [gain_of(table, "mean trial").gain.value, gain_of(table, "oracle trial").gain.value] == [0, 1]
    assert [gain_of(table, "mean trial").regret.value, gain_of(table, "oracle trial").regret.value] == [1, 0]


def test_a_dataset_without_room_has_no_part_in_the_regret(make_table):
    table = make_table(output=[0.9, 0.7], mean_trial=[0.9995, 0.6], oracle_trial=[1.0, 0.8])
    assert gain_of(table, "output").regret.value == pytest.approx(0.5)


def test_the_interval_holds_the_gain_and_shrinks_to_a_point_when_all_agree(make_table):
    equal = make_table(output=[0.7] * 6, mean_trial=[0.5] * 6, oracle_trial=[0.9] * 6)
    assert gain_of(equal, "output").interval == pytest.approx((0.5, 0.5))
    apart = make_table(output=[0.6, 0.65, 0.7, 0.8, 0.9, 0.7], mean_trial=[0.5] * 6, oracle_trial=[0.9] * 6)
    low, high = gain_of(apart, "output").interval
    assert 0 < low < gain_of(apart, "output").gain.value < high < 1


def test_without_room_or_references_there_is_a_reason(make_table):
    flat = gain_of(make_table(output=[0.5], mean_trial=[0.7], oracle_trial=[0.7]), "output")
    assert (flat.gain.value, flat.interval) == (None, None)
    assert flat.gain.reason == "no trial is better than the mean trial"
    alone = gain_of(make_table(output=[0.5]), "output")
    assert "no dataset has the row" in alone.gain.reason


def test_few_datasets_have_a_gain_but_no_interval(make_table):
    found = gain_of(make_table(output=[0.7], mean_trial=[0.5], oracle_trial=[0.9]), "output")
    assert found.gain.value == pytest.approx(0.5)
    assert found.interval is None
