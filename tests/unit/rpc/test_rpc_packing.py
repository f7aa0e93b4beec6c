"""What a client packs, the server unpacks unchanged, whatever the rows come as."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rpc_fakes import mixed_scorer, numeric_scorer

from automl_ad.errors import ConfigError, RowsError
from automl_ad.rpc.client.packing import chunks, score_request
from automl_ad.rpc.options import Limits
from automl_ad.rpc.wire import codec

LIMITS = Limits()
NUMERIC, MIXED = numeric_scorer(), mixed_scorer()
FRAME = pd.DataFrame(
    {
        "amount": [1.5, np.nan],
        "is_vip": [True, False],
        "country": pd.Categorical(["fr", None]),
        "seen_at": pd.to_datetime(["2026-03-01", None], utc=True),
    },
    index=[7, 9],
)


def unpacked(rows: object, scorer=NUMERIC) -> np.ndarray | pa.Table:
    return codec.rows_of(score_request(rows, model="m", version="v"), scorer, LIMITS)


def matrices(dtype: type) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 9), st.just(3))
    return shapes.flatmap(lambda shape: hnp.arrays(dtype, shape))


@given(matrices(np.float32) | matrices(np.float64))
def test_matrices_keep_every_bit_and_their_precision(rows: np.ndarray):
    arrived = unpacked(rows)
    assert arrived.dtype == rows.dtype
    np.testing.assert_array_equal(arrived, rows)


def test_singles_travel_as_bytes_and_doubles_as_numbers():
    rows = np.arange(6.0).reshape(2, 3)
    assert score_request(rows.astype(np.float32), model="", version="").WhichOneof("rows") == "packed_matrix"
    assert score_request(rows, model="", version="").WhichOneof("rows") == "double_matrix"
    assert score_request(rows.astype(np.int64), model="", version="").WhichOneof("rows") == "double_matrix"
    assert score_request(rows.tolist(), model="", version="").WhichOneof("rows") == "double_matrix"


@pytest.mark.parametrize(
    "layout", [np.asfortranarray, lambda rows: rows[::-1], lambda rows: rows.astype(">f4")]
)
def test_matrices_of_any_layout(layout):
    rows = layout(np.arange(12, dtype=np.float32).reshape(4, 3))
    np.testing.assert_array_equal(unpacked(rows), rows)


def test_frames_tables_batches_and_mappings_arrive_alike():
    table = pa.Table.from_pandas(FRAME, preserve_index=False).replace_schema_metadata(None)
    mapping = {name: table[name].to_pylist() for name in table.column_names}
    for rows in (FRAME, table, table.to_batches()[0], mapping):
        assert unpacked(rows, MIXED).to_pydict() == table.to_pydict()


def test_columns_in_types_that_do_not_travel_are_cast():
    table = pa.table(
        {
            "amount": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())),
            "is_vip": pa.array([True, False]).cast(pa.int8()).dictionary_encode(),
            "country": pa.array(["fr", "de"], pa.string_view()),
            "seen_at": pa.array([1, 2], pa.timestamp("s")),
        }
    )
    assert unpacked(table, MIXED)["country"].to_pylist() == ["fr", "de"]
    assert unpacked(table, MIXED)["amount"].to_pylist() == [1, 0]


def test_slices_of_a_long_dictionary_travel_without_it():
    texts = pa.array([f"{number}" * 100 for number in range(5_000)]).dictionary_encode()
    table = pa.table({"text": texts})
    sizes = [score_request(part, model="", version="").ByteSize() for part in chunks(table, 100)]
    assert sum(sizes) < 2 * texts.dictionary.nbytes


def test_many_chunks_with_other_dictionaries_are_one_batch():
    parts = [FRAME.iloc[:1], FRAME.iloc[1:].assign(country=pd.Categorical(["de"]))] * 200
    table = pa.concat_tables(pa.Table.from_pandas(part, preserve_index=False) for part in parts)
    assert table["country"].num_chunks == 400
    assert unpacked(table, MIXED)["country"].to_pylist() == ["fr", "de"] * 200


@pytest.mark.parametrize(
    "rows",
    [np.zeros(3), np.zeros((1, 1, 3)), np.array([["x"]]), "text", {"a": [1], "b": [1, 2]}, {"a": [1, "x"]}],
    ids=str,
)
def test_what_has_no_form_is_refused(rows: object):
    with pytest.raises(RowsError, match="rows must be"):
        score_request(rows, model="", version="")


def test_nested_columns_are_refused():
    with pytest.raises(RowsError, match=r"column 'a' of type list.* cannot be sent"):
        score_request({"a": [[1]]}, model="", version="")


@given(st.integers(1, 30), st.integers(1, 40))
def test_chunks_are_the_rows_in_order(n_rows: int, chunk_rows: int):
    rows = np.arange(3.0 * n_rows).reshape(n_rows, 3)
    parts = [unpacked(part) for part in chunks(rows, chunk_rows)]
    np.testing.assert_array_equal(np.concatenate(parts), rows)
    assert {len(part) for part in parts[:-1]} <= {chunk_rows}
    assert len(parts[-1]) <= chunk_rows
    named = pa.table({name: rows[:, place] for place, name in enumerate("abc")})
    assert pa.concat_tables(unpacked(part) for part in chunks(named, chunk_rows)).equals(named)


def test_chunks_are_refused_before_the_first():
    with pytest.raises(RowsError):
        chunks(np.zeros(3), 2)
    with pytest.raises(ConfigError, match="chunk_rows must be at least 1"):
        chunks(np.zeros((2, 3)), 0)
    assert [len(part) for part in chunks(np.zeros((0, 3)), 5)] == [0]
