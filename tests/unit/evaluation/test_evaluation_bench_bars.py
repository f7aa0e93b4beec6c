"""The bars of a regime: measured, met or not, and silent about what could not be measured."""

import pytest

from automl_ad.evaluation.bench.bars import bars
from automl_ad.evaluation.bench.differences import compare
from automl_ad.evaluation.bench.grouping import RegimeTable, regime_table

N = 16
AUROCS = {
    "output": 0.8,
    "best": 0.7,
    "mean trial": 0.6,
    "oracle trial": 0.9,
    "knn": 0.79,
    "isolation_forest + knn": 0.803,
    "peer: knn_10": 0.81,
    "isolation_forest": 0.7,
    "default: vae": 0.65,
    "default: dasvdd": 0.6,
    "default: ocsvm": 0.85,
    "only: pseudo_discrepancy": 0.55,
    "only: hits": 0.95,
}


@pytest.fixture
def table_of(make_outcome):
    def make(regime: str, n: int = N, **changes: float | None) -> RegimeTable:
        aurocs = {k: v for k, v in {**AUROCS, **changes}.items() if v is not None}
        shifted = [{name: v + i / 1000 for name, v in aurocs.items()} for i in range(n)]
        return regime_table(
            regime, [make_outcome(f"t{i}", rows, regime=regime) for i, rows in enumerate(shifted)]
        )

    return make


def verdicts(table: RegimeTable) -> dict[str, bool | None]:
    return {bar.what: bar.is_met for bar in bars(table)}


def test_the_natural_regime(table_of):
    gain, best, *tests, neighbours = bars(table_of("natural"))
    assert gain.measured.value == pytest.approx(2 / 3)
    assert (gain.wanted, gain.is_met) == (0.5, True)
    assert best.measured.value == pytest.approx(1 / 3)
    assert (best.wanted, best.is_met) == (0.4, False)
    rivals = ["a random trial", "every published default", "NPD"]
    assert [bar.what for bar in tests] == [f"p of 'output' against {rival}" for rival in rivals]
    assert all(bar.is_met for bar in tests)
    assert neighbours.measured.value == pytest.approx(-0.003)
    assert neighbours.is_met
    assert "the better is 'isolation_forest + knn'" in neighbours.detail


def test_the_clean_regime_wants_more(table_of):
    found = bars(table_of("clean"))
    assert [bar.wanted for bar in found] == [0.6, 0.55, 0.01, 0.01, 0.01, 0.01, -0.005]
    assert found[4].what == "p of 'output' against Isolation Forest"
    assert "'peer: knn_10'" in found[-1].detail
    assert found[-1].measured.value == pytest.approx(-0.01)
    assert found[-1].is_met is False


def test_only_defaults_of_deep_detectors_count_and_the_strongest_decides(table_of):
    named = "p of 'output' against every published default"
    assert verdicts(table_of("natural"))[named] is True  # the one-class SVM, which is not deep, is better
    assert verdicts(table_of("natural", **{"default: vae": 0.85}))[named] is False
    assert verdicts(table_of("natural", **{"default: vae": None, "default: dasvdd": None}))[named] is None


def test_p_values_are_corrected_for_the_rivals_named_beforehand(table_of):
    table = table_of("natural")
    for bar in bars(table)[2:5]:  # random, two defaults, NPD: all differences alike
        assert bar.measured.value == pytest.approx(4 * compare(table, "output", "mean trial").p.value)


def test_what_cannot_be_measured_is_neither_met_nor_missed(table_of):
    found = bars(table_of("natural", n=2, output=None))
    assert [bar.is_met for bar in found] == [None, False, None, None, None, None]
    assert all(bar.measured.reason for bar in found if bar.is_met is None)


def test_no_bar_is_set_for_injected_anomalies(table_of):
    assert bars(table_of("injected-5")) == []
