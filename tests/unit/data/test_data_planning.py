"""The decision about each column is taken as documented, and recorded."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from automl_ad.data import Preprocessor
from automl_ad.errors import DataError

N = 100
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=N)


def fit(**columns):
    row_positions = columns.pop("row_positions", None)
    return Preprocessor.fit(pa.table(columns), row_positions=row_positions)


def dropped(**columns):
    return {drop.name: drop.reason for drop in fit(noise=NOISE, **columns).schema.dropped}


def feature(name="x", **columns):
    return next(f for f in fit(**columns).schema.features if f.name == name)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (NOISE, "numeric"),
        (pa.array(RNG.integers(0, 9, N), pa.uint8()), "numeric"),
        (pa.array([decimal.Decimal(i % 7) / 4 for i in range(N)]), "numeric"),
        (pa.array(NOISE.astype(np.float16)), "numeric"),
        (pa.array([i % 3 == 0 for i in range(N)]), "boolean"),
        (pa.array([f"v{i % 3}" for i in range(N)]), "categorical"),
        (pa.array([f"v{i % 3}" for i in range(N)], pa.string_view()), "categorical"),
        (pa.array([f"v{i % 3}" for i in range(N)]).dictionary_encode(), "categorical"),
        (pa.array([i % 3 for i in range(N)]).dictionary_encode(), "numeric"),
        (pa.array([datetime.datetime(2026, 1, 1 + i % 9) for i in range(N)]), "timestamp"),
        (pa.array([datetime.date(2026, 1, 1 + i % 9) for i in range(N)]), "timestamp"),
    ],
)
def test_kinds(values, kind):
    assert feature(x=values).kind == kind


def test_missing_values_are_recorded():
    assert not feature(x=NOISE).is_nullable
    for missing in (None, float("nan")):
        nullable = fit(x=pa.array([missing, *NOISE[1:]]))
        assert nullable.schema.features[0].is_nullable
        assert nullable.encoded_names == ("x", "x__missing")


def test_few_values_are_one_hot_and_many_are_counted():
    few = fit(x=[f"v{i % 32:02}" for i in range(N)])
    assert few.encoded_names[:2] == ("x=v00", "x=v01")
    assert few.encoded_names[-1] == "x__other"
    assert len(few.encoded_names) == 33
    many = fit(x=[f"v{i % 33}" for i in range(N)])
    assert many.encoded_names == ("x__log_count",)


def test_only_cycles_that_vary_are_kept():
    start = datetime.datetime(2026, 1, 5)
    hours = fit(x=[start + datetime.timedelta(minutes=7 * i) for i in range(N)])
    days = fit(x=[start + datetime.timedelta(days=i) for i in range(N)])
    weeks = fit(x=[start + datetime.timedelta(weeks=i) for i in range(N)])
    assert hours.encoded_names == ("x__seconds", "x__hour_sin", "x__hour_cos")
    assert days.encoded_names == ("x__seconds", "x__weekday_sin", "x__weekday_cos")
    assert weeks.encoded_names == ("x__seconds",)


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("x", [7] * N, "constant: every row is 7"),
        ("x", ["same"] * N, "constant: every row is 'same'"),
        ("x", [datetime.date(2026, 1, 1)] * N, "constant"),
        ("x", pa.nulls(N), "all values are missing"),
        ("x", pa.nulls(N, pa.float64()), "all values are missing"),
        ("x", np.full(N, np.nan), "all values are missing"),
        ("x", pa.nulls(N, pa.string()), "all values are missing"),
        ("x", [[1, 2]] * N, "type list<item: int64> is not supported"),
        ("x", [b"no image"] * N, "type binary is not supported"),
        ("x", [datetime.timedelta(seconds=i) for i in range(N)], "type duration"),
        ("x", [f"row {i}" for i in range(N)], "100 different values in 100 rows"),
        ("x", range(N), "counts the rows"),
        ("x", range(5, N + 5), "counts the rows"),
        ("x", [float(i) for i in range(N)], "counts the rows"),
        ("user_id", [3 * i for i in range(N)], "named like one"),
        ("userId", RNG.permutation(N), "named like one"),
        ("ID", [2**60 + i * i for i in range(N)], "named like one"),
        ("Unnamed: 0", RNG.permutation(N), "named like one"),
    ],
)
def test_dropped_with_the_reason(name, values, reason):
    assert reason in dropped(**{name: values})[name]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x", [3 * i for i in range(N)]),
        ("user_id", [i // 2 for i in range(N)]),
        ("user_id", NOISE),
        ("grid", RNG.permutation(N)),
        ("x", [f"v{i % 40}" for i in range(N)]),
        ("x", [None, *["one"] * (N - 1)]),
        ("x", [None, *[1.0] * (N - 1)]),
    ],
)
def test_kept(name, values):
    assert dropped(**{name: values}) == {}


def test_a_row_counter_is_known_in_a_sample_by_the_positions():
    positions = np.sort(RNG.choice(10_000, N, replace=False))
    counter = {"x": positions + 1, "noise": NOISE}
    assert not fit(**counter).schema.dropped
    assert fit(**counter, row_positions=positions).schema.dropped[0].name == "x"


def test_infinities_name_column_and_count():
    with pytest.raises(DataError, match="column 'x' must be finite, got 2 infinite values in 100 rows"):
        fit(x=[np.inf, -np.inf, *NOISE[2:]])
    with pytest.raises(DataError, match="got 100 infinite"):
        fit(x=np.full(N, np.inf))


def test_nothing_usable_lists_the_reasons():
    with pytest.raises(DataError, match=r"'a' \(constant: every row is 1\), 'b' \(all values are missing\)"):
        fit(a=[1] * N, b=pa.nulls(N))


def test_text_that_is_not_utf8_names_the_column():
    broken = pa.array([b"\xff\xfe", *[b"ok"] * (N - 1)]).view(pa.string())
    with pytest.raises(DataError, match="column 'x' must hold UTF-8"):
        fit(x=broken)
