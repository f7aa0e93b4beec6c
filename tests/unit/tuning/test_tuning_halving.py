"""Asynchronous halving: who is compared with whom, at which point, and how much training it saves."""

import numpy as np
import pytest

from automl_ad.tuning import AsyncHalving

CHECKPOINTS = (0.1, 1 / 3, 0.5, 2 / 3, 1.0)


def shares_trained(values, group="vae"):
    """Share of its planned epochs that each trial trains, one trial after the other."""
    halving = AsyncHalving()
    trained = []
    for trial, value in enumerate(values):
        trained.append(next((s for s in CHECKPOINTS if halving.report(trial, group, s, value)), 1.0))
    return trained


def test_half_of_sixteen_trials_stop_at_the_first_rung():
    values = [0.5 + 0.01 * trial * (-1) ** trial for trial in range(16)]  # now better than all, now worse
    trained = shares_trained(values)
    assert trained.count(1 / 3) == 8
    assert trained.count(1.0) == 8
    assert sum(trained) < 0.7 * 16


def test_on_average_it_saves_epochs_and_keeps_the_best():
    rng = np.random.default_rng(0)
    saved, n_kept = [], 0
    for _ in range(200):
        values = rng.uniform(size=16)
        trained = shares_trained(values)
        saved.append(1 - np.mean(trained))
        n_kept += trained[int(values.argmax())] == 1.0
    assert 0.25 < np.mean(saved) < 0.5
    assert n_kept == 200


def test_nothing_stops_within_the_grace():
    halving = AsyncHalving()
    assert not any(halving.report(trial, "vae", 0.33, -trial) for trial in range(16))


def test_the_first_is_never_stopped_and_ties_go_on():
    assert shares_trained([0.5, 0.5, 0.5]) == [1.0, 1.0, 1.0]
    assert shares_trained([0.5, 0.4]) == [1.0, 1 / 3]


def test_detectors_are_not_compared_with_each_other():
    halving = AsyncHalving()
    assert not halving.report(0, "vae", 0.4, 0.9)
    assert not halving.report(1, "deep_svdd", 0.4, 0.1)
    assert halving.report(2, "vae", 0.4, 0.8)


@pytest.mark.parametrize("value", [None, 0.0])
def test_closed_form_trials_and_ends_are_never_compared(value):
    halving = AsyncHalving()
    assert not halving.report(0, "vae", 1.0, 0.9)
    assert not halving.report(1, "vae", 1.0, value)
    assert not halving.report(2, "vae", 0.4, value)  # the first in the rung: the others left nothing there


def test_a_trial_without_value_goes_on_and_is_no_measure_for_others():
    halving = AsyncHalving()
    halving.report(0, "vae", 0.4, 0.9)
    assert not halving.report(1, "vae", 0.4, None)
    assert not halving.report(2, "vae", 0.4, 0.9)


def test_a_late_value_is_not_held_against_early_ones():
    halving = AsyncHalving()
    halving.report(0, "vae", 0.8, 0.9)  # its first checkpoint beyond the grace is beyond the second rung
    assert not halving.report(1, "vae", 0.4, 0.1)


def test_a_trial_is_judged_once_at_each_rung():
    halving = AsyncHalving()
    halving.report(0, "vae", 0.4, 0.5)
    halving.report(1, "vae", 0.4, 0.9)
    assert not halving.report(0, "vae", 0.5, 0.5)
    assert not halving.report(0, "vae", 0.7, 0.5)
    assert halving.report(2, "vae", 0.7, 0.4)
