"""A report survives the way to disk and back, and refuses figures that are no figures."""

import json

import pytest

from automl_ad.errors import DataError
from automl_ad.evaluation.bench.records import BenchReport, report_from_json, report_to_json


@pytest.fixture
def report(make_outcome) -> BenchReport:
    outcome = make_outcome("a", {"output": 0.75}, criteria={"hits": -0.5}, notes={"peer: ecod": "no PyOD"})
    return BenchReport(
        outcomes=(outcome,), config={"preset": "fast", "max_trials": 40, "share": 0.25, "x": None}
    )


def test_a_report_comes_back_equal(report):
    assert report_from_json(report_to_json(report)) == report


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_outcome_holds_finite_figures(make_outcome, value):
    with pytest.raises(ValueError, match="must be finite, got others for output"):
        make_outcome("a", {"output": value, "best": 0.5})
    with pytest.raises(ValueError, match="must be finite, got others for hits"):
        make_outcome("a", {"output": 0.5}, criteria={"hits": value})


def test_a_damaged_report_names_the_field(report):
    document = json.loads(report_to_json(report))
    del document["outcomes"][0]["regime"]
    with pytest.raises(DataError, match=r"outcomes.0.regime"):
        report_from_json(json.dumps(document))
