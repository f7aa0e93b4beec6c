"""The fingerprint depends on content and nothing else."""

import datetime
import decimal
import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.data import fingerprint

COLUMNS = {
    "int": pa.array([1, None, 3, 4], pa.int32()),
    "float": pa.array([1.5, None, float("nan"), -0.0]),
    "bool": pa.array([True, None, False, True]),
    "text": pa.array(["a", None, "", "bcd"]),
    "large": pa.array(["a", None, "", "bcd"], pa.large_string()),
    "view": pa.array(["a", None, "", "a text of more than twelve bytes"], pa.string_view()),
    "bytes": pa.array([b"a", None, b"", b"\0"]),
    "time": pa.array([datetime.datetime(2026, 1, 1), None, None, datetime.datetime(2026, 2, 1)]),
    "day": pa.array([datetime.date(2026, 1, 1), None, None, datetime.date(2026, 2, 1)]),
    "decimal": pa.array([decimal.Decimal("1.25"), None, decimal.Decimal(0), decimal.Decimal(7)]),
    "coded": pa.array(["x", None, "y", "x"]).dictionary_encode(),
    "none": pa.nulls(4),
}
TABLE = pa.table(COLUMNS)


@given(st.lists(st.integers(0, 4), max_size=4))
def test_chunks_leave_no_trace(cuts):
    borders = [0, *sorted(cuts), 4]
    slices = [TABLE.slice(a, b - a) for a, b in itertools.pairwise(borders)]
    assert fingerprint(pa.concat_tables(slices)) == fingerprint(TABLE)


def test_a_slice_and_a_copy_of_it_agree():
    part = TABLE.slice(1, 2)
    assert (
        fingerprint(part)
        == fingerprint(pa.table(TABLE.slice(1, 2).to_pydict(), schema=TABLE.schema))
        != fingerprint(TABLE)
    )


@pytest.mark.parametrize("name", [name for name in COLUMNS if name != "none"])
def test_every_column_counts(name):
    place = TABLE.column_names.index(name)
    values = TABLE[name].to_pylist()
    for changed in ([values[2], *values[1:]], [None, *values[1:]]):
        column = pa.array(changed, TABLE.schema.field(name).type)
        assert fingerprint(TABLE.set_column(place, name, column)) != fingerprint(TABLE)
    assert fingerprint(TABLE.drop_columns(name)) != fingerprint(TABLE)


def test_names_types_and_borders_between_texts_count():
    one = pa.table({"a": ["ab", "c"]})
    assert fingerprint(one) != fingerprint(pa.table({"a": ["a", "bc"]}))
    assert fingerprint(one) != fingerprint(one.rename_columns(["b"]))
    assert fingerprint(pa.table({"a": [1]})) != fingerprint(pa.table({"a": [1.0]}))


def test_hidden_values_under_nulls_do_not_count():
    values = np.array([1.0, 2.0, 3.0])
    mask = np.array([False, True, False])
    hidden = pa.Array.from_buffers(pa.float64(), 3, [pa.array(mask).buffers()[1], pa.py_buffer(values)])
    other = pa.Array.from_buffers(
        pa.float64(), 3, [pa.array(mask).buffers()[1], pa.py_buffer(values * [9, 1, 9])]
    )
    assert fingerprint(pa.table({"a": hidden})) == fingerprint(pa.table({"a": other}))
