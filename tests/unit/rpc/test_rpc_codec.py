"""Both codecs on the server: every form of the same rows is read alike, and what does not fit is refused."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from rpc_fakes import FakeScorer, feature, mixed_scorer, numeric_scorer

from automl_ad.artifact import Threshold
from automl_ad.errors import RowsError
from automl_ad.results import AnomalyScores, Explanations
from automl_ad.rpc.client.packing import score_request
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.options import Limits
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.wire import codec, tensors
from automl_ad.rpc.wire.datatypes import DATATYPES, read_raw, read_typed
from automl_ad.rpc.wire.descriptions import MAX_EVIDENCE_BYTES

MIXED, NUMERIC = mixed_scorer(), numeric_scorer()
GROUPED = FakeScorer("grouped", feature("a", "numeric"), group_column="country")
LIMITS = Limits(max_rows=100, max_columns=8)
NUMBERS = st.floats(allow_infinity=False, allow_nan=False)
KINDS = (pa.float64(), pa.bool_(), pa.string(), pa.timestamp("us", tz="UTC"))
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


def by_columns(table: pa.Table) -> pb.ScoreRequest:
    """The rows of a mixed table as `Columns`, written by hand."""
    columns = []
    for name, field, default in (
        ("amount", "numbers", 0.0),
        ("is_vip", "booleans", False),
        ("country", "strings", ""),
        ("seen_at", "timestamps", 0),
    ):
        values = table[name].cast(pa.int64()) if field == "timestamps" else table[name]
        column = pb.Column(name=name, nulls=np.flatnonzero(values.is_null().to_numpy()).tolist())
        getattr(column, field).values.extend(values.fill_null(default).to_pylist())
        columns.append(column)
    return pb.ScoreRequest(columns=pb.Columns(columns=columns))


@given(TABLES)
def test_tables_arrive_alike_by_columns_and_as_arrow(table: pa.Table):
    for request in (by_columns(table), score_request(table, model="m", version="")):
        assert codec.rows_of(request, MIXED, LIMITS).to_pydict() == table.to_pydict()


@given(st.lists(st.lists(st.floats(width=32, allow_infinity=False), min_size=3, max_size=3), min_size=1))
def test_matrices_arrive_alike_in_every_form(rows: list[list[float]]):
    values = np.array(rows, dtype=np.float32)
    matrix = {"n_features": 3, "values": values.ravel().tolist()}
    forms = {
        "float_matrix": pb.FloatMatrix(**matrix),
        "double_matrix": pb.DoubleMatrix(**matrix),
        "packed_matrix": pb.PackedMatrix(n_features=3, float32_values=values.tobytes()),
        "arrow_ipc": score_request(
            {name: values[:, i] for i, name in enumerate("abc")}, model="", version=""
        ).arrow_ipc,
    }
    for name, form in forms.items():
        arrived = codec.rows_of(pb.ScoreRequest(**{name: form}), NUMERIC, LIMITS)
        if isinstance(arrived, pa.Table):
            arrived = np.stack([column.to_numpy() for column in arrived.columns], axis=1)
        np.testing.assert_array_equal(arrived, values)


class TestRefusals:
    @pytest.mark.parametrize(
        ("matrix", "message"),
        [
            ({"n_features": 0, "float32_values": b""}, "a row must have 3 features, got 0"),
            ({"n_features": 3, "float32_values": b""}, "at least one row, got 0"),
            ({"n_features": 3, "float32_values": bytes(13)}, "numbers of 4 bytes, got 13 bytes"),
            ({"n_features": 3, "float32_values": bytes(16)}, "a multiple of n_features = 3, got 4"),
            ({"n_features": 3, "float32_values": bytes(12 * 101)}, "at most 100 rows, got 101"),
        ],
    )
    def test_of_packed_matrices(self, matrix: dict, message: str):
        with pytest.raises(RowsError, match=message):
            codec.rows_of(pb.ScoreRequest(packed_matrix=pb.PackedMatrix(**matrix)), NUMERIC, LIMITS)

    def test_of_too_many_columns(self):
        columns = [pb.Column(name="a") for _ in range(9)]
        with pytest.raises(RowsError, match="at most 8 columns, got 9"):
            codec.rows_of(pb.ScoreRequest(columns=pb.Columns(columns=columns)), NUMERIC, LIMITS)
        inputs = [oip.ModelInferRequest.InferInputTensor(name="a") for _ in range(9)]
        with pytest.raises(RowsError, match="at most 8 columns, got 9"):
            tensors.rows_of(oip.ModelInferRequest(inputs=inputs), NUMERIC, LIMITS)

    def test_of_a_group_that_the_model_has_not(self):
        columns = [pb.Column(name="country", strings=pb.Strings(values=["fr"]))]
        with pytest.raises(RowsError, match="no column 'country'"):
            codec.rows_of(pb.ScoreRequest(columns=pb.Columns(columns=columns)), NUMERIC, LIMITS)


class TestGroups:
    @pytest.mark.parametrize(
        "groups",
        [
            {"strings": pb.Strings(values=["fr", "de"])},
            {"numbers": pb.Numbers(values=[1, 2])},
            {"booleans": pb.Booleans(values=[True, False])},
        ],
        ids=lambda groups: next(iter(groups)),
    )
    def test_the_column_may_be_there(self, groups: dict):
        a = pb.Column(name="a", numbers=pb.Numbers(values=[1, 2]))
        for columns in ([a], [pb.Column(name="country", **groups), a]):
            rows = codec.rows_of(pb.ScoreRequest(columns=pb.Columns(columns=columns)), GROUPED, LIMITS)
            assert rows.column_names == ["a", "country"][: len(columns)]

    def test_the_column_may_be_a_tensor_of_bytes(self):
        request = oip.ModelInferRequest()
        request.inputs.add(name="country", datatype="BYTES", shape=[2]).contents.bytes_contents.extend(
            [b"fr", b"de"]
        )
        request.inputs.add(name="a", datatype="FP64", shape=[2, 1]).contents.fp64_contents.extend([1, 2])
        assert tensors.rows_of(request, GROUPED, LIMITS).to_pydict() == {"a": [1, 2], "country": ["fr", "de"]}

    def test_thresholds_of_rows_travel_back(self):
        scores = AnomalyScores(
            anomaly_score=np.array([1.0, 2.0]),
            percentile=np.array([10.0, 20.0]),
            is_anomaly=np.array([True, False]),
            threshold=3.0,
            model="m",
            version="v",
        )
        assert not codec.score_response(scores).row_threshold
        own = codec.score_response(
            AnomalyScores(**{**fields_of(scores), "row_threshold": np.array([0.5, 3.0])})
        )
        assert list(own.row_threshold) == [0.5, 3.0]
        assert own.threshold == 3.0


def fields_of(scores: AnomalyScores) -> dict:
    return {name: getattr(scores, name) for name in scores.__slots__}


def test_explanations_keep_rows_and_features_apart():
    explanations = Explanations(
        features=("a", "b", "c"),
        contributions=np.array([[1.0, 2.0, 0.0], [0.0, 0.0, -1.0]]),
        standard_errors=np.zeros((2, 3)),
        anomaly_score=np.array([4.0, 0.0]),
        reference_score=1.0,
        model="numeric",
        version="v1",
    )
    response = codec.explain_response(explanations, NUMERIC)
    assert (response.model, response.model_version, list(response.features)) == (
        "numeric",
        "v1",
        ["a", "b", "c"],
    )
    assert [list(row.contributions) for row in response.explanations] == explanations.contributions.tolist()
    assert [row.anomaly_score for row in response.explanations] == [4.0, 0.0]
    assert response.reference_score == 1.0


def described(evidence: dict) -> pb.GetModelResponse:
    scorer = numeric_scorer()
    scorer.manifest = SimpleNamespace(
        threshold=Threshold(value=2.5, rule="fixed", per_group={"country": {"fr": 1.0}}),
        data_fingerprint="f" * 64,
        contains_training_rows=True,
        n_panel_rows=100,
        parts=[SimpleNamespace(detector="knn", score_type="distance", weight=1.0, n_members=1)],
        evidence=evidence,
        library_versions={"torch": "2"},
        created=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
    return codec.details_of(scorer, ["champion"], LIMITS)


class TestDetails:
    def test_say_what_the_manifest_says(self):
        details = described({"verdict": "clear", "ranking": [{"rank": 1, "is_best": True}]})
        document = json_format.MessageToDict(details, preserving_proto_field_name=True)
        assert document["evidence"] == {"verdict": "clear", "ranking": [{"rank": 1, "is_best": True}]}
        assert document["threshold"]["group_values"] == {"fr": 1.0}
        assert document["create_time"] == "2026-03-01T12:00:00Z"
        assert document["verdict"] == "clear"
        assert document["aliases"] == ["champion"]
        assert (details.model.max_rows, details.model.max_explained_rows) == (100, 64)

    def test_long_lists_are_cut_and_other_numbers_are_null(self):
        details = described(
            {"ranking": list(range(500)), "x": float("nan"), "y": 10**400, "z": [float("-inf")]}
        )
        evidence = json.loads(json_format.MessageToJson(details.evidence))
        assert evidence == {"ranking": list(range(50)), "x": None, "y": None, "z": [None]}

    def test_huge_and_deep_documents_stay_small(self):
        deep: dict = {}
        for _ in range(150):
            deep = {"inner": deep}
        details = described(
            {"huge": "x" * 2**20, "verdict": "clear", "deep": deep, "many": {str(i): i for i in range(9**5)}}
        )
        assert details.evidence.ByteSize() <= MAX_EVIDENCE_BYTES
        assert details.evidence["verdict"] == "clear"
        assert pb.GetModelResponse.FromString(details.SerializeToString()) == details


class TestTensors:
    @given(st.lists(st.text(), max_size=20))
    def test_raw_and_typed_bytes_read_the_same(self, texts: list[str]):
        encoded = [text.encode() for text in texts]
        raw = b"".join(struct.pack("<I", len(value)) + value for value in encoded)
        typed = oip.InferTensorContents(bytes_contents=encoded)
        datatype = DATATYPES["BYTES"]
        assert read_raw("x", datatype, raw, len(texts)) == encoded
        assert read_typed("x", datatype, typed, len(texts)) == encoded

    @given(st.data())
    def test_raw_and_typed_numbers_read_the_same(self, data: st.DataObject):
        datatype = data.draw(st.sampled_from([d for d in DATATYPES.values() if d.dtype and d.field]))
        drawn = data.draw(st.lists(st.sampled_from([0, 1, 3, 100]), max_size=9))
        values = np.array(drawn, dtype=datatype.dtype)
        typed = oip.InferTensorContents(**{datatype.field: values.tolist()})
        from_raw = read_raw("x", datatype, values.tobytes(), len(values))
        np.testing.assert_array_equal(from_raw, read_typed("x", datatype, typed, len(values)))
        np.testing.assert_array_equal(from_raw, values)

    @pytest.mark.parametrize("datatype", ["FP64", "FP32", "FP16", "INT8", "UINT16", "INT64", "UINT64"])
    def test_a_matrix_of_any_number_is_read(self, datatype: str):
        values = np.array([[1, 2, 3]], dtype=DATATYPES[datatype].dtype)
        request = oip.ModelInferRequest(raw_input_contents=[values.tobytes()])
        request.inputs.add(name="rows", datatype=datatype, shape=[1, 3])
        np.testing.assert_array_equal(tensors.rows_of(request, NUMERIC, LIMITS), values)

    @pytest.mark.parametrize(
        "shape",
        [
            [],
            [0, 3],
            [-1, 3],
            [1, 0],
            [1, -3],
            [2**62, 3],
            [2**62, 2**62],
            [-(2**63), 3],
            [1, 3, 1],
            [1] * 50,
        ],
        ids=str,
    )
    def test_shapes_that_no_rows_have_are_refused(self, shape: list[int]):
        request = oip.ModelInferRequest()
        request.inputs.add(name="rows", datatype="FP64", shape=shape).contents.fp64_contents.extend([1, 2, 3])
        with pytest.raises(RowsError):
            tensors.rows_of(request, NUMERIC, LIMITS)

    @pytest.mark.parametrize("raw", [b"\x02", b"\x02\x00\x00\x00f", b"\xff\xff\xff\xfffr", bytes(8), b""])
    def test_raw_bytes_of_another_length_are_refused(self, raw: bytes):
        with pytest.raises(RowsError, match=r"raw BYTES of input 'x' end inside|must hold 1 BYTES"):
            read_raw("x", DATATYPES["BYTES"], raw, 1)

    def test_raw_bytes_are_not_read_beyond_the_shape(self):
        with pytest.raises(RowsError, match="must hold 1 BYTES elements for its shape, got more"):
            read_raw("x", DATATYPES["BYTES"], bytes(4_000), 1)

    def test_typed_integers_that_do_not_fit_are_refused(self):
        contents = oip.InferTensorContents(int_contents=[300])
        with pytest.raises(RowsError, match="must fit INT8"):
            read_typed("x", DATATYPES["INT8"], contents, 1)
        with pytest.raises(RowsError, match="FP16 must be raw"):
            read_typed("x", DATATYPES["FP16"], contents, 1)

    def test_metadata_offers_the_matrix_only_where_all_is_numeric(self):
        (rows,) = tensors.input_metadata(NUMERIC.schema)
        assert (rows.name, rows.datatype, list(rows.shape)) == ("rows", "FP64", [-1, 3])
        assert [(t.name, t.datatype, list(t.shape)) for t in tensors.input_metadata(MIXED.schema)] == [
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


def test_an_output_is_answered_once_however_often_it_is_asked_for():
    """Each wish would be a copy of all scores: 14 kB of wishes made an answer of 8 MB."""
    wishes = [oip.ModelInferRequest.InferRequestedOutputTensor(name="percentile")] * 2
    with pytest.raises(RowsError, match="an output may be asked for once, got 2 wishes"):
        tensors.wanted_outputs(oip.ModelInferRequest(outputs=wishes))
