"""Both codecs: whatever a client packs, the server unpacks unchanged."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from rpc_fakes import mixed_scorer, numeric_scorer

from automl_ad.rpc import codec, tensors
from automl_ad.rpc.datatypes import DATATYPES, read_raw, read_typed
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.packing import score_request

MIXED = mixed_scorer().schema
NUMERIC = numeric_scorer().schema
NUMBERS = st.floats(allow_infinity=False, allow_nan=False)
TABLES = st.lists(
    st.tuples(
        st.none() | NUMBERS,
        st.none() | st.booleans(),
        st.none() | st.text(),
        st.none() | st.datetimes(),
    ),
    min_size=1,
    max_size=20,
).map(
    lambda rows: pa.table(
        [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), KINDS, strict=True)],
        names=["amount", "is_vip", "country", "seen_at"],
    )
)
KINDS = (pa.float64(), pa.bool_(), pa.string(), pa.timestamp("us", tz="UTC"))


@given(TABLES)
def test_tables_survive_the_wire(table: pa.Table):
    request = score_request(table, model="m", version="")
    assert codec.rows_of(request, MIXED, 100).to_pydict() == table.to_pydict()


@given(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=20))
def test_matrices_survive_the_wire(rows: list[list[float]]):
    request = score_request(np.array(rows), model="m", version="")
    np.testing.assert_array_equal(codec.rows_of(request, NUMERIC, 100), rows)


@given(st.lists(st.text(), max_size=20))
def test_raw_and_typed_bytes_read_the_same(texts: list[str]):
    encoded = [text.encode() for text in texts]
    raw = b"".join(struct.pack("<I", len(value)) + value for value in encoded)
    typed = oip.InferTensorContents(bytes_contents=encoded)
    datatype = DATATYPES["BYTES"]
    assert read_raw("x", datatype, raw, len(texts)) == encoded
    assert read_typed("x", datatype, typed, len(texts)) == encoded


@given(st.data())
def test_raw_and_typed_numbers_read_the_same(data: st.DataObject):
    datatype = data.draw(st.sampled_from([d for d in DATATYPES.values() if d.dtype]))
    values = np.array(data.draw(st.lists(st.sampled_from([0, 1, 3, 100]), max_size=9)), dtype=datatype.dtype)
    typed = oip.InferTensorContents(**{datatype.field: values.tolist()})
    from_raw = read_raw("x", datatype, values.tobytes(), len(values))
    np.testing.assert_array_equal(from_raw, read_typed("x", datatype, typed, len(values)))
    np.testing.assert_array_equal(from_raw, values)


def test_metadata_offers_the_matrix_only_where_all_is_numeric():
    (rows,) = tensors.input_metadata(NUMERIC)
    assert (rows.name, rows.datatype, list(rows.shape)) == ("rows", "FP64", [-1, 3])
    assert [(t.name, t.datatype, list(t.shape)) for t in tensors.input_metadata(MIXED)] == [
        ("amount", "FP64", [-1]),
        ("is_vip", "BOOL", [-1]),
        ("country", "BYTES", [-1]),
        ("seen_at", "INT64", [-1]),
    ]
    assert [(t.name, t.datatype, list(t.shape)) for t in tensors.output_metadata()] == [
        ("anomaly_score", "FP64", [-1]),
        ("percentile", "FP64", [-1]),
        ("is_anomaly", "BOOL", [-1]),
    ]
