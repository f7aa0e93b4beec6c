"""Mean ranks, Friedman's test and Nemenyi's difference, against the published formula and table."""

import math

import pytest
from scipy.stats import friedmanchisquare

from automl_ad.evaluation.bench.grouping import regime_table
from automl_ad.evaluation.bench.ranks import cliques, compare_ranks, critical_difference, headline_rows

A, B, C = [0.9, 0.9, 0.8, 0.7, 0.9], [0.8, 0.9, 0.7, 0.6, 0.8], [0.7, 0.5, 0.9, 0.5, 0.7]


@pytest.mark.parametrize(
    ("n_rows", "n_groups", "q"),
    [(3, 10, 2.343), (5, 30, 2.728), (10, 14, 3.164)],  # q of Demsar 2006, table 5 (a)
)
def test_the_critical_difference_is_the_published_one(n_rows, n_groups, q):
    expected = q * math.sqrt(n_rows * (n_rows + 1) / (6 * n_groups))
    assert critical_difference(n_rows, n_groups).value == pytest.approx(expected, rel=5e-4)


def test_equal_aurocs_share_a_rank(make_table):
    found = compare_ranks(make_table(c=C, a=A, b=B), ["c", "a", "b"])
    assert list(found.mean_ranks) == ["a", "b", "c"]
    assert found.mean_ranks == pytest.approx({"a": 6.5 / 5, "b": 10.5 / 5, "c": 13 / 5})
    assert found.friedman_p.value == pytest.approx(friedmanchisquare(A, B, C).pvalue)


def test_rows_beyond_the_difference_are_told_apart(make_table):
    columns = {name: [0.9 - i / 10] * 20 for i, name in enumerate("abcd")}
    found = compare_ranks(make_table(**columns), list("abcd"))
    assert found.critical_difference.value == pytest.approx(2.569 * math.sqrt(20 / 120), rel=5e-4)
    assert found.cliques == (("a", "b"), ("b", "c"), ("c", "d"))


def test_a_clique_inside_another_is_not_told():
    assert cliques({"a": 1.0, "b": 1.2, "c": 1.4}, 1.0) == (("a", "b", "c"),)
    assert cliques({"a": 1.0, "b": 3.0}, 1.0) == ()


def test_a_row_that_some_dataset_lacks_is_left_out(make_table):
    table = make_table(a=A, b=B, c=C)
    found = compare_ranks(table, ["a", "b", "c", "gone"])
    assert found.left_out == ("gone",)
    assert set(found.mean_ranks) == {"a", "b", "c"}


def test_too_little_is_said(make_table):
    few = compare_ranks(make_table(a=A[:2], b=B[:2], c=C[:2]), ["a", "b", "c"])
    assert few.critical_difference.reason == "needs at least 5 datasets, got 2"
    assert few.cliques == ()
    two = compare_ranks(make_table(a=A, b=B), ["a", "b"])
    assert two.friedman_p.reason == "needs at least 3 rows, got 2"
    assert compare_ranks(make_table(a=A), ["gone"]).friedman_p.value is None


def test_rows_that_always_tie_have_no_test(make_table):
    found = compare_ranks(make_table(a=A, b=A, c=A), ["a", "b", "c"])
    assert found.friedman_p.reason == "the rows are equal on every dataset"
    assert set(found.mean_ranks.values()) == {2.0}


def test_the_headline_is_what_a_user_could_choose(make_outcome):
    names = [
        "output",
        "oracle trial",
        "oracle candidate",
        "mean trial",
        "mean TPE trial",
        "median trial",
        "only: hits",
        "default: vae",
        "knn",
    ]
    table = regime_table("natural", [make_outcome("a", dict.fromkeys(names, 0.5))])
    assert headline_rows(table) == ["output", "mean trial", "knn"]
