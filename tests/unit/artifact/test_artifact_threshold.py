"""The threshold flags the asked share of the panel, never more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from automl_ad.artifact import threshold_of

RATES = st.floats(0.001, 0.999)
SCORES = arrays(
    np.float32, st.integers(20, 300), elements=st.floats(-(2.0**60), 2.0**60, width=32), unique=True
)


@given(SCORES, RATES)
def test_untied_panel_is_flagged_at_the_rate(scores_N, rate):
    threshold = threshold_of(scores_N, alert_rate=rate)
    flagged = scores_N.astype(np.float64) > threshold.value
    assert flagged.sum() == min(round(rate * len(scores_N)), len(scores_N) - 1)
    assert scores_N[flagged].min(initial=np.inf) > scores_N[~flagged].max()


@given(arrays(np.float64, st.integers(20, 100), elements=st.integers(0, 3)), RATES)
def test_ties_at_the_cut_are_not_flagged(scores_N, rate):
    flagged = scores_N > threshold_of(scores_N, alert_rate=rate).value
    assert flagged.sum() <= round(rate * len(scores_N))
    assert not set(scores_N[flagged]) & set(scores_N[~flagged])


def test_threshold_stands_away_from_both_neighbours():
    scores_N = np.linspace(0.0, 10.0, 101, dtype=np.float32)
    assert threshold_of(scores_N, alert_rate=0.1).value == pytest.approx(9.05)


def test_contamination_comes_before_alert_rate_and_the_rule_says_so():
    threshold = threshold_of(np.arange(200.0), alert_rate=0.5, contamination=0.05)
    assert threshold.rule == "contamination 5 %: flags 10 of 200 panel rows"
    assert threshold.value == 189.5


def test_rate_below_one_row_flags_none_of_the_panel():
    assert threshold_of(np.arange(20.0), alert_rate=0.01).value == 19.0
