"""The population stability index of a window of scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from automl_ad.rpc.telemetry.drift import MIN_ROWS, WINDOW_ROWS, ScoreWindow, decile_counts, stability_index

COUNTS = hnp.arrays(np.int64, 10, elements=st.integers(0, 10_000))


def slow_index(now: list[int], then: list[int]) -> float:
    total = 0.0
    for a, b in zip(now, then, strict=True):
        share_a = (a + 0.5) / (sum(now) + 5)
        share_b = (b + 0.5) / (sum(then) + 5)
        total += (share_a - share_b) * math.log(share_a / share_b)
    return total


def window_of(percentiles: np.ndarray, *, chunk: int = 64, panel: np.ndarray | None = None) -> ScoreWindow:
    window = ScoreWindow(None if panel is None else decile_counts(panel))
    for start in range(0, len(percentiles), chunk):
        part = percentiles[start : start + chunk]
        window.add(decile_counts(part), len(part))
    return window


def percentiles_among(panel: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return 100 * np.searchsorted(np.sort(panel), scores, side="right") / len(panel)


@given(COUNTS, COUNTS)
def test_the_index_is_that_of_the_slow_version(now: np.ndarray, then: np.ndarray) -> None:
    assert stability_index(now, then) == pytest.approx(slow_index(now.tolist(), then.tolist()), abs=1e-9)


@given(COUNTS, COUNTS)
def test_the_index_is_symmetric_and_not_negative(now: np.ndarray, then: np.ndarray) -> None:
    assert stability_index(now, then) == pytest.approx(stability_index(then, now))
    assert stability_index(now, then) >= 0


@given(hnp.arrays(np.float64, st.integers(0, 40), elements=st.floats(0, 100)))
def test_a_percentile_falls_into_the_decile_that_ends_at_it_or_above(percentiles: np.ndarray) -> None:
    expected = [0] * 10
    for percentile in percentiles:
        expected[next(i for i in range(10) if percentile <= 10 * (i + 1))] += 1
    assert decile_counts(percentiles).tolist() == expected


def test_rows_like_the_panel_do_not_drift() -> None:
    generator = np.random.default_rng(0)
    panel, rows = generator.normal(size=2_000), generator.normal(size=5_000)
    assert window_of(percentiles_among(panel, rows)).psi() < 0.05


def test_a_shift_is_seen() -> None:
    generator = np.random.default_rng(0)
    panel, rows = generator.normal(size=2_000), generator.normal(1.0, 1.0, size=5_000)
    assert window_of(percentiles_among(panel, rows)).psi() > 0.25


def test_equal_scores_in_the_panel_are_no_drift() -> None:
    generator = np.random.default_rng(0)
    panel, rows = generator.integers(0, 4, size=2_000), generator.integers(0, 4, size=5_000)
    percentiles, own = percentiles_among(panel, rows), percentiles_among(panel, panel)
    assert window_of(percentiles, panel=own).psi() < 0.05
    assert window_of(percentiles).psi() > 0.25


def test_nothing_is_said_of_few_rows() -> None:
    window = window_of(np.linspace(0, 100, MIN_ROWS - 1))
    assert window.psi() is None
    window.add(decile_counts(np.array([50.0])), 1)
    assert window.psi() is not None


@pytest.mark.parametrize("chunk", [1, 64, 30_000])
def test_old_rows_are_forgotten(chunk: int) -> None:
    strange, usual = np.full(30_000, 99.0), np.linspace(0.01, 100, 30_000)
    np.random.default_rng(0).shuffle(usual)
    window = window_of(strange, chunk=chunk)
    assert window.psi() > 1
    for start in range(0, len(usual), chunk):
        part = usual[start : start + chunk]
        window.add(decile_counts(part), len(part))
    assert window.psi() < 0.01


def test_the_window_keeps_its_last_rows() -> None:
    window = window_of(np.full(50_000, 99.0), chunk=7)
    half = np.linspace(0.01, 100, WINDOW_ROWS // 2)
    window.add(decile_counts(half), len(half))
    assert 0.25 < window.psi() < stability_index(decile_counts(np.full(10_000, 99.0)), np.full(10, 1_000))
