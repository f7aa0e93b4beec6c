"""Every rule of the threshold: the share it means to flag, on normal and on contaminated scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from automl_ad.artifact import threshold_of
from automl_ad.artifact.moving_cut import ALPHA, deviations
from automl_ad.artifact.tail_cut import fit_tail

RULES = ("alert-rate", "contamination", "pot", "ema")
RATES = st.floats(0.001, 0.999)
SMALL_RATES = st.floats(1e-6, 0.999)
SCORES = arrays(
    np.float32, st.integers(20, 300), elements=st.floats(-(2.0**60), 2.0**60, width=32), unique=True
)
TIED_SCORES = arrays(np.float64, st.integers(20, 100), elements=st.integers(0, 3))
LAWS = {
    "gaussian": stats.norm(),
    "exponential": stats.expon(),
    "lognormal": stats.lognorm(1.0),
    "student": stats.t(3),
}
N_PANELS, N_PANEL_ROWS = 30, 2_000


def false_alarms(rule: str, law, rate: float, n_rows: int = N_PANEL_ROWS) -> np.ndarray:
    """[N_PANELS], share of fresh rows of the law above the threshold, exactly."""
    panels = (law.rvs(n_rows, random_state=seed) for seed in range(N_PANELS))
    return np.array([law.sf(threshold_of(panel, rate=rate, rule=rule).value) for panel in panels])


@given(SCORES, RATES)
def test_untied_panel_is_flagged_at_the_rate(scores_N, rate):
    threshold = threshold_of(scores_N, rate=rate)
    flagged = scores_N.astype(np.float64) > threshold.value
    assert flagged.sum() == min(round(rate * len(scores_N)), len(scores_N) - 1)
    assert scores_N[flagged].min(initial=np.inf) > scores_N[~flagged].max()


@given(TIED_SCORES, RATES)
def test_ties_at_the_cut_are_not_flagged(scores_N, rate):
    flagged = scores_N > threshold_of(scores_N, rate=rate).value
    assert flagged.sum() <= round(rate * len(scores_N))
    assert not set(scores_N[flagged]) & set(scores_N[~flagged])


def test_threshold_stands_away_from_both_neighbours():
    scores_N = np.linspace(0.0, 10.0, 101, dtype=np.float32)
    assert threshold_of(scores_N, rate=0.1).value == pytest.approx(9.05)


def test_the_rule_says_what_was_assumed():
    threshold = threshold_of(np.arange(200.0), rate=0.05, rule="contamination")
    assert threshold.rule == "contamination 5 %: flags 10 of 200 panel rows"
    assert threshold.value == 189.5


def test_rate_below_one_row_flags_none_of_the_panel():
    assert threshold_of(np.arange(20.0), rate=0.01).value == 19.0


@pytest.mark.parametrize("rule", RULES)
@given(scores_N=st.one_of(SCORES, TIED_SCORES), rates=st.tuples(SMALL_RATES, SMALL_RATES))
def test_a_higher_rate_never_has_a_higher_threshold(rule, scores_N, rates):
    lower, higher = (threshold_of(scores_N, rate=rate, rule=rule).value for rate in sorted(rates))
    assert higher <= lower


@pytest.mark.parametrize("rule", RULES)
@given(
    scores_N=arrays(np.float64, st.integers(20, 300), elements=st.integers(-500, 500)),
    rate=SMALL_RATES,
    scale=st.floats(1e-3, 1e3),
)
def test_scaled_scores_scale_the_threshold(rule, scores_N, rate, scale):
    value = threshold_of(scores_N, rate=rate, rule=rule).value
    scaled = threshold_of(scores_N * scale, rate=rate, rule=rule).value
    assert scaled == pytest.approx(value * scale, rel=1e-3, abs=1e-6 * scale)


@pytest.mark.parametrize("rate", [0.1, 0.01, 0.001])
@pytest.mark.parametrize("law", LAWS)
def test_false_alarms_stay_within_what_the_panel_can_tell(law, rate):
    """Four and a half standard deviations of the share of a panel that lies above the true quantile."""
    alarms = false_alarms("pot", LAWS[law], rate)
    assert np.abs(alarms - rate).max() <= 4.5 * np.sqrt(rate * (1 - rate) / N_PANEL_ROWS)


@pytest.mark.parametrize("law", LAWS)
def test_the_tail_follows_a_rate_below_one_row_where_the_quantile_cannot(law):
    """A fifth of a row: on half of all panels, the tail is off by less than half of what the maximum is."""
    rate = 0.2 / N_PANEL_ROWS
    tail, quantile = (np.median(false_alarms(rule, LAWS[law], rate)) for rule in ("pot", "alert-rate"))
    assert rate / 2 < tail < 2.2 * rate < quantile


def test_a_tail_with_an_end_is_not_left_behind():
    """Shape -1 is outside of what is fitted: thresholds then err on the side of few alarms, near the end."""
    values = [
        threshold_of(np.random.default_rng(s).random(2_000), rate=1e-4, rule="pot").value for s in (0, 1)
    ]
    assert all(1.0 <= value < 1.01 for value in values)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4, 1.5])
def test_the_tail_is_the_one_of_maximum_likelihood(shape):
    excess_P = 7 * stats.genpareto(shape).rvs(200, random_state=4)
    fitted, scale = fit_tail(excess_P)
    reference, _, reference_scale = stats.genpareto.fit(excess_P, floc=0)
    assert fitted == pytest.approx(reference, abs=2e-3)
    assert scale == pytest.approx(reference_scale, rel=2e-3)


@pytest.mark.parametrize(
    ("scores", "rate", "remark"),
    [
        (np.r_[np.zeros(900), np.ones(100)], 0.001, "the quantile itself: the highest scores tie"),
        (np.arange(1000.0), 0.2, "the quantile itself: the rate reaches below the 20 peaks"),
        (np.r_[np.arange(980.0), np.full(20, 2000.0)], 0.001, "exponential tail, for want of distinct peaks"),
        (np.arange(24.0), 0.001, "exponential tail, for want of distinct peaks, on 6 peaks"),
        (np.arange(1000.0), 0.001, "generalized Pareto tail of shape -0.50 on 20 peaks above 979.5"),
    ],
)
def test_what_a_panel_does_not_allow_is_said(scores, rate, remark):
    threshold = threshold_of(scores, rate=rate, rule="pot")
    assert f"pot at alert rate {100 * rate:g} %, {remark}" in threshold.rule
    assert np.isfinite(threshold.value)


def test_a_panel_of_one_score_flags_what_is_above_it():
    for rule in RULES:
        assert threshold_of(np.full(50, 3.0), rate=0.01, rule=rule).value == pytest.approx(3.0)


def test_the_moving_average_goes_over_batches_in_panel_order():
    first, second = np.random.default_rng(0).exponential(size=(2, 128))
    targets = [batch.mean() + deviations(0.05) * batch.std() for batch in (first, second)]
    expected = (1 - ALPHA) * targets[0] + ALPHA * targets[1]
    threshold = threshold_of(np.r_[first, second], rate=0.05, rule="ema")
    assert threshold.value == pytest.approx(expected)
    assert "mean + 2 standard deviations, averaged over 2 batches" in threshold.rule


def test_the_moving_average_is_right_for_exponential_scores():
    alarms = false_alarms("ema", stats.expon(), 0.01)
    assert np.median(alarms) == pytest.approx(0.01, rel=0.25)


@pytest.mark.parametrize(
    ("rule", "rate", "expected_found"),
    [("alert-rate", 0.01, 0.2), ("pot", 0.01, 0.2), ("contamination", 0.05, 1.0), ("ema", 0.01, 1.0)],
)
def test_a_rate_counts_the_anomalies_of_the_panel(rule, rate, expected_found):
    """5 % of the panel are anomalies: a rate of 1 % is a fifth of them, the true share finds all.

    The moving average is no quantile: the anomalies widen its deviation, and it still lies below them.
    """
    rng = np.random.default_rng(1)
    panel = rng.permutation(np.r_[rng.exponential(size=1_900), 12 + rng.exponential(size=100)])
    value = threshold_of(panel, rate=rate, rule=rule).value
    found, false = stats.expon.sf(value - 12), stats.expon.sf(value)
    assert found == pytest.approx(expected_found, abs=0.03)
    assert false < 0.001
