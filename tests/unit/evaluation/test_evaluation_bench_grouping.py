"""Seeds are averaged before families, and regimes are never pooled."""

import numpy as np
import pytest

from automl_ad.evaluation.bench.grouping import regime_table, regime_tables
from automl_ad.evaluation.bench.records import BenchReport


def test_seeds_are_averaged_first_then_the_datasets_of_a_family(make_outcome):
    outcomes = [
        make_outcome("a", {"output": 0.5}, family="ab", seed=0),
        make_outcome("a", {"output": 0.7}, family="ab", seed=1),
        make_outcome("b", {"output": 0.9}, family="ab"),
        make_outcome("c", {"output": 0.4}),
    ]
    table = regime_table("natural", outcomes)
    assert table.groups == ("ab", "c")
    assert table.auroc("output") == pytest.approx([0.75, 0.4])  # ((.5 + .7) / 2 + .9) / 2
    assert table.average_precision_GR[:, 0] == pytest.approx([0.375, 0.2])
    assert (table.n_datasets, table.n_outcomes) == (3, 4)


def test_a_row_that_one_seed_lacks_does_not_count_for_the_dataset(make_outcome):
    outcomes = [
        make_outcome("a", {"output": 0.5, "peer": 0.9}, seed=0, criteria={"hits": 0.2}),
        make_outcome("a", {"output": 0.7}, seed=1),
        make_outcome("b", {"output": 0.6, "peer": 0.8}, criteria={"hits": 0.4}),
    ]
    table = regime_table("natural", outcomes)
    np.testing.assert_allclose(table.auroc("peer"), [np.nan, 0.8])
    np.testing.assert_allclose(table.spearman_GC[:, 0], [np.nan, 0.4])
    assert np.isnan(table.auroc("unheard of")).all()


def test_regimes_stay_apart_and_come_in_order(make_outcome):
    regimes = ["natural", "injected-10", "injected-5", "clean"]
    outcomes = [make_outcome("a", {"output": i / 10}, regime=regime) for i, regime in enumerate(regimes)]
    tables = regime_tables(BenchReport(outcomes=tuple(outcomes)))
    assert [table.regime for table in tables] == ["clean", "injected-5", "injected-10", "natural"]
    assert [float(table.auroc("output")[0]) for table in tables] == [0.3, 0.2, 0.1, 0.0]


def test_no_outcome_is_no_table():
    assert regime_tables(BenchReport(outcomes=())) == []
