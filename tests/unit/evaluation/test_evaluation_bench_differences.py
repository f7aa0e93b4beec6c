"""One row against another: counts by hand, the test against scipy's, the correction by hand."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from automl_ad.evaluation.bench.differences import compare, compare_with, compare_with_all, wilcoxon_p
from automl_ad.evaluation.bench.holm import holm
from automl_ad.evaluation.bench.measured import absent, measured

OURS = [0.81, 0.72, 0.93, 0.64, 0.75, 0.5004, 0.9]
THEIRS = [0.80, 0.70, 0.90, 0.60, 0.70, 0.5000, 0.97]


def test_wins_ties_and_losses(make_table):
    found = compare(make_table(output=OURS, knn=THEIRS), "output", "knn")
    assert (found.n_groups, found.wins, found.ties, found.losses) == (7, 5, 1, 1)
    assert found.difference.value == pytest.approx(np.mean(np.subtract(OURS, THEIRS)))


def test_the_test_is_scipys_and_one_sided(make_table):
    table = make_table(output=OURS, knn=THEIRS)
    assert compare(table, "output", "knn").p.value == pytest.approx(
        wilcoxon(OURS, THEIRS, alternative="greater").pvalue
    )
    assert compare(table, "knn", "output").p.value > 0.5


def test_all_wins_have_the_smallest_p_there_is():
    assert wilcoxon_p(np.array([0.1, 0.2, 0.3, 0.4, 0.5])).value == pytest.approx(1 / 32)
    assert wilcoxon_p(np.full(5, 0.1)).value == pytest.approx(1 / 32)


def test_equal_pairs_are_dropped():
    apart = np.array([0.1, 0.2, 0.3, -0.05])
    with_equal = np.concatenate([apart, np.zeros(3)])
    assert wilcoxon_p(with_equal).value == pytest.approx(wilcoxon(apart, alternative="greater").pvalue)


def test_rows_that_are_equal_but_for_rounding_are_equal(make_table):
    table = make_table(output=[0.1 + 0.2] * 6, knn=[0.3] * 6)
    found = compare(table, "output", "knn")
    assert found.p.value is None
    assert found.p.reason == "the rows are equal on every dataset"
    assert (found.wins, found.ties, found.losses) == (0, 6, 0)
    assert found.interval == (0, 0)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_datasets_are_counted_but_not_tested(make_table, n):
    found = compare(make_table(output=OURS[:n], knn=THEIRS[:n]), "output", "knn")
    assert found.wins == n
    assert found.p.reason == f"needs at least 5 datasets, got {n}"
    assert found.interval is None


def test_a_row_that_is_not_there_is_not_compared(make_table):
    found = compare(make_table(output=OURS), "output", "knn")
    assert (found.n_groups, found.difference.value, found.p.value) == (0, None, None)


def test_the_interval_is_reproducible_and_holds_the_mean(make_table):
    table = make_table(output=OURS, knn=THEIRS)
    first, again = compare(table, "output", "knn"), compare(table, "output", "knn")
    assert first.interval == again.interval
    assert first.interval[0] < first.difference.value < first.interval[1]


def test_holm_by_hand():
    corrected = holm([measured(0.01), measured(0.04), absent("why"), measured(0.03), measured(0.02)])
    # sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, never falling: .04 .06 .06 .06
    assert [p.value for p in corrected] == pytest.approx([0.04, 0.06, None, 0.06, 0.06])
    assert corrected[2].reason == "why"


def test_holm_stays_a_probability():
    assert [p.value for p in holm([measured(0.7), measured(0.9)])] == [1, 1]
    assert holm([]) == []


def test_a_row_is_corrected_for_all_rivals_but_the_oracles(make_table):
    table = make_table(output=OURS, knn=THEIRS, mean_trial=[0.4] * 7, oracle_trial=[1.0] * 7)
    found = {c.other: c for c in compare_with_all(table, "output")}
    assert set(found) == {"knn", "mean trial"}
    assert found["mean trial"].p_holm.value == pytest.approx(2 / 128)
    assert compare_with(table, "output", ["mean trial"])[0].p_holm.value == pytest.approx(1 / 128)
