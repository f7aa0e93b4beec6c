"""Encoding at scoring time: the same numbers as at fit, and refusals that name column and row."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.data import Preprocessor, columns_with_missing
from automl_ad.errors import ConfigError, RowsError

N = 60
RNG = np.random.default_rng(0)
START = datetime.datetime(2026, 1, 1)
MIXED = pa.table(
    {
        "number": RNG.normal(size=N),
        "gaps": pa.array([None if i % 9 == 0 else float(i % 7) for i in range(N)]),
        "flag": pa.array([i % 4 == 0 for i in range(N)]),
        "color": pa.array(["red" if i % 3 else "blue" for i in range(N)]),
        "kind": pa.array([None if i % 10 == 0 else f"k{i % 35}" for i in range(N)]),
        "when": pa.array([START + datetime.timedelta(hours=5 * i) for i in range(N)]),
    }
)
PREPROCESSOR = Preprocessor.fit(MIXED)
NUMBERS = MIXED.select(["number", "gaps", "flag"])


def row(**changes):
    values = {"number": 1.0, "gaps": 2.0, "flag": True, "color": "red", "kind": "k1", "when": START}
    return pa.table({name: [value] for name, value in {**values, **changes}.items()})


def encoded(**changes):
    return dict(zip(PREPROCESSOR.encoded_names, PREPROCESSOR.encode(row(**changes))[0].tolist(), strict=True))


def refusal(**changes):
    with pytest.raises(RowsError) as caught:
        PREPROCESSOR.encode(row(**changes))
    return str(caught.value)


def test_columns_may_come_in_any_order_with_extra_ones_in_any_container():
    expected = PREPROCESSOR.encode(MIXED)
    assert expected.shape == (N, len(PREPROCESSOR.encoded_names))
    shuffled = MIXED.select(sorted(MIXED.column_names)).append_column("extra", pa.nulls(N))
    np.testing.assert_array_equal(PREPROCESSOR.encode(shuffled), expected)
    for batch in (MIXED.combine_chunks().to_batches()[0], pa.concat_tables([MIXED[:7], MIXED[7:]])):
        np.testing.assert_array_equal(PREPROCESSOR.encode(batch), expected)
    coded = MIXED.set_column(3, "color", MIXED["color"].dictionary_encode())
    np.testing.assert_array_equal(PREPROCESSOR.encode(coded), expected)
    assert PREPROCESSOR.encode(MIXED[:0]).shape == (0, expected.shape[1])


def test_a_row_reads_as_documented():
    values = encoded(gaps=None, color="red")
    assert values["number"] == 1
    assert values["gaps"] == np.median([i % 7 for i in range(N) if i % 9])
    assert values["gaps__missing"] == 1
    assert values["flag"] == 1
    assert (values["color=red"], values["color=blue"], values["color__other"]) == (1, 0, 0)
    assert values["when__seconds"] == START.replace(tzinfo=datetime.UTC).timestamp()
    assert (values["when__hour_sin"], values["when__hour_cos"]) == (0, 1)


def test_an_unseen_category_is_other_and_looks_strange():
    values = encoded(color="green", kind="new")
    assert (values["color=red"], values["color=blue"], values["color__other"]) == (0, 0, 1)
    assert values["kind__log_count"] == 0
    scaled = PREPROCESSOR.scale(PREPROCESSOR.encode(row(color="green")), "zscore")[0]
    assert scaled[PREPROCESSOR.encoded_names.index("color__other")] == 10


def test_counted_categories_give_the_logarithm_of_their_count():
    counts = MIXED["kind"].to_pylist()
    assert encoded(kind="k1")["kind__log_count"] == np.log1p(counts.count("k1"))
    assert encoded(kind=None)["kind__log_count"] == np.log1p(counts.count(None))


def test_missing_category_is_its_own():
    texts = Preprocessor.fit(pa.table({"x": ["a", "b", None] * 10}))
    assert texts.encoded_names == ("x=a", "x=b", "x__missing", "x__other")
    assert texts.encode(pa.table({"x": pa.array([None], pa.string())})).tolist() == [[0, 0, 1, 0]]
    assert texts.encode(pa.table({"x": pa.nulls(1)})).tolist() == [[0, 0, 1, 0]]


@pytest.mark.parametrize(
    "when",
    [
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        pa.scalar(START, pa.timestamp("ns", "UTC")),
        datetime.date(2026, 1, 1),
    ],
)
def test_times_in_every_safe_spelling(when):
    assert encoded(when=when) == encoded(when=START)


def test_numbers_in_every_safe_type():
    assert encoded(number=1) == encoded(number=1.0) == encoded(number=True)
    assert encoded(flag=1) == encoded(flag=1.0) == encoded(flag=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"number": "1.0"}, "column 'number' must hold numbers, got string '1.0' in row 0"),
        ({"number": None}, "column 'number' must not be missing, got null or NaN in row 0"),
        ({"number": float("nan")}, "column 'number' must not be missing"),
        ({"number": float("inf")}, "column 'number' must be finite, got inf in row 0"),
        ({"gaps": float("-inf")}, "column 'gaps' must be finite, got -inf in row 0"),
        ({"flag": 2}, "column 'flag' must be boolean (0 or 1), got 2.0 in row 0"),
        ({"color": 3}, "column 'color' must hold text, got int64 3 in row 0"),
        ({"color": None}, "column 'color' must not be missing"),
        ({"when": "yesterday"}, "column 'when' must hold ISO 8601 times, got 'yesterday' in row 0"),
        ({"when": 3}, "column 'when' must hold points in time, got int64 3"),
        ({"when": None}, "column 'when' must not be missing"),
    ],
)
def test_refusals(changes, message):
    assert message in refusal(**changes)


def test_the_row_is_the_first_that_breaks_the_rule():
    values = np.ones(10)
    values[[4, 6]] = np.nan
    with pytest.raises(RowsError, match="in row 4"):
        Preprocessor.fit(pa.table({"x": RNG.normal(size=N)})).encode(pa.table({"x": values}))
    texts = row().take([0] * 5).set_column(5, "when", pa.array([None, "2026-01-01", "2026-01-02", "x", "y"]))
    with pytest.raises(RowsError, match="got 'x' in row 3"):
        PREPROCESSOR.encode(texts)


def test_a_missing_column_gets_the_near_match():
    with pytest.raises(RowsError, match=r"column 'color'[^?]*'colour'\?"):
        PREPROCESSOR.encode(row().rename_columns(["number", "gaps", "flag", "colour", "kind", "when"]))


def test_a_column_given_twice_is_refused():
    with pytest.raises(RowsError, match="'flag' 2 times"):
        PREPROCESSOR.encode(row().append_column("flag", pa.array([True])))


CELLS = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False),
    st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    st.booleans(),
)


@given(st.lists(CELLS, min_size=1, max_size=5))
def test_rows_of_numbers_encode_like_columns(cells):
    number, gaps, flag = zip(*cells, strict=True)
    columns = pa.table({"flag": flag, "gaps": pa.array(gaps, pa.float64()), "number": number})
    rows_NF = np.array(cells, dtype=np.float64)
    numeric = Preprocessor.fit(NUMBERS)
    np.testing.assert_array_equal(numeric.encode_rows(rows_NF), numeric.encode(columns))
    one_by_one = [e.encode(columns.column(e.feature.name)) for e in numeric.encoders]
    np.testing.assert_array_equal(numeric.encode_rows(rows_NF), np.concatenate(one_by_one, axis=1))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1.0, 2.0]], r"shape \[N, 3\], got \[1, 2\]"),
        ([1.0, 2.0, 1.0], r"shape \[N, 3\], got \[3\]"),
        ([["a", "b", "c"]], "rows must be numbers"),
        ([[1.0, 2.0, 1.0], [np.nan, 2.0, 1.0]], "'number' must not be missing, got null or NaN in row 1"),
        ([[1.0, np.inf, 1.0]], "'gaps' must be finite"),
        ([[1.0, 2.0, 0.5]], "'flag' must be boolean"),
    ],
)
def test_refused_rows_of_numbers(rows, message):
    with pytest.raises(RowsError, match=message):
        Preprocessor.fit(NUMBERS).encode_rows(rows)


def test_rows_of_numbers_need_an_all_numeric_schema():
    with pytest.raises(RowsError, match="color, kind, when"):
        PREPROCESSOR.encode_rows(np.zeros((1, 6)))


def test_encoding_does_not_write_into_the_rows_given():
    rows_NF = np.array([[1.0, np.nan, 1.0]])
    numeric = Preprocessor.fit(NUMBERS.select(["number", "gaps", "flag"]))
    numeric.encode_rows(rows_NF)[:] = 7
    assert np.isnan(rows_NF[0, 1])
    plain = Preprocessor.fit(NUMBERS.select(["number"]))
    given_rows = np.ones((1, 1))
    plain.encode_rows(given_rows)[:] = 7
    assert given_rows[0, 0] == 1


def test_missing_values_seen_only_in_rows_held_out_are_accepted_when_announced():
    whole = MIXED.drop_columns(["kind"]).filter(pc.is_valid(MIXED["gaps"]))
    assert columns_with_missing(MIXED) == {"gaps", "kind"}
    assert columns_with_missing(pa.table({"x": [1.0, float("nan")], "y": [1, 2]})) == {"x"}
    fitted = Preprocessor.fit(whole, nullable={"gaps", "color", "when"})
    held_out = whole[:1]
    for name in ("gaps", "color", "when"):
        place = held_out.column_names.index(name)
        held_out = held_out.set_column(place, name, pa.nulls(1, held_out.schema.field(name).type))
    values = dict(zip(fitted.encoded_names, fitted.encode(held_out)[0].tolist(), strict=True))
    assert [values[f"{name}__missing"] for name in ("gaps", "color", "when")] == [1, 1, 1]
    assert np.isfinite(fitted.scale(fitted.encode(held_out), "robust")).all()


def test_an_unknown_prep_gets_the_near_match():
    with pytest.raises(ConfigError, match="did you mean 'zscore'"):
        PREPROCESSOR.scale(np.zeros((1, 1)), "z_score")
