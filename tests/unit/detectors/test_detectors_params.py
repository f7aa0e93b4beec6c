from __future__ import annotations

import pytest

from automl_ad.detectors.params import read_choice, read_float, read_int
from automl_ad.errors import TrialFailed


def test_a_missing_parameter_takes_the_default() -> None:
    assert read_float({}, "nu", 0.5) == 0.5
    assert read_int({}, "k", 50) == 50
    assert read_choice({}, "norm", ("l2", "l1")) == "l2"


@pytest.mark.parametrize("value", [0.0, 1.5, -1.0, float("nan"), "0.5", True])
def test_a_float_outside_its_interval_is_refused(value: float | str | bool) -> None:
    with pytest.raises(TrialFailed, match=r"nu must be a number in \(0, 1\], got"):
        read_float({"nu": value}, "nu", 0.5, up_to=1.0)


@pytest.mark.parametrize("value", [0, 2.5, "3", True, float("nan"), float("inf")])
def test_what_is_no_positive_integer_is_refused(value: float | str | bool) -> None:
    with pytest.raises(TrialFailed, match="k must be an integer of at least 1, got"):
        read_int({"k": value}, "k", 50)


def test_an_unknown_choice_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TrialFailed, match="norm must be one of l2, l1, got 'l3'"):
        read_choice({"norm": "l3"}, "norm", ("l2", "l1"))
