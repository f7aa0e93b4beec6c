"""What every host does alike: grpc.aio, and both doors of Ray Serve, over the same registry and keys."""

from __future__ import annotations

import io
import signal
import threading
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from automl_ad.artifact import Scorer
from automl_ad.artifact.explaining import explain
from automl_ad.errors import RowsError
from automl_ad.rpc.client import ScoringClient
from automl_ad.rpc.errors import Forbidden, RefusedRows, ServerError, Unauthenticated, UnknownModel
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.oip import open_inference_grpc_pb2_grpc
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc

SERVICES = ("automl_ad.rpc.v1.ScoringService", "inference.GRPCInferenceService")


def infer_request(values: list[float], *, is_raw: bool = False, **other: Any) -> oip.ModelInferRequest:
    request = oip.ModelInferRequest(model_name="sizes", id="7", **other)
    tensor = request.inputs.add(name="rows", datatype="FP64", shape=[len(values) // 3, 3])
    if is_raw:
        request.raw_input_contents.append(np.array(values).tobytes())
    else:
        tensor.contents.fp64_contents.extend(values)
    return request


def matrix(numeric_rows: pa.Table, n_rows: int = 200) -> np.ndarray:
    """The first rows in single precision, so that every form can carry them."""
    rows_MF = np.column_stack([column.to_numpy() for column in numeric_rows.columns])[:n_rows]
    return rows_MF.astype(np.float32)


def arrow_ipc(rows_MF: np.ndarray) -> bytes:
    table = pa.table(dict(zip(("width", "height", "weight"), rows_MF.T, strict=True)))
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def forms_of(rows_MF: np.ndarray) -> dict[str, pb.ScoreRequest]:
    """The same rows in every form that a ScoreRequest has."""
    values = rows_MF.ravel().tolist()
    columns = [
        pb.Column(name=name, numbers=pb.Numbers(values=column.tolist()))
        for name, column in zip(("width", "height", "weight"), rows_MF.T, strict=True)
    ]
    packed = pb.PackedMatrix(n_features=3, float32_values=rows_MF.astype("<f4").tobytes())
    rows: dict[str, dict[str, Any]] = {
        "float": {"float_matrix": pb.FloatMatrix(n_features=3, values=values)},
        "double": {"double_matrix": pb.DoubleMatrix(n_features=3, values=values)},
        "columns": {"columns": pb.Columns(columns=columns)},
        "packed": {"packed_matrix": packed},
        "arrow": {"arrow_ipc": arrow_ipc(rows_MF)},
    }
    return {name: pb.ScoreRequest(model="sizes", **field) for name, field in rows.items()}


class TestHostContract:
    @pytest.fixture
    def client(self, target, tokens):
        with ScoringClient(target.address, timeout_s=20, token=tokens["everything"]) as client:
            yield client

    @pytest.fixture
    def scoring(self, channel):
        return scoring_pb2_grpc.ScoringServiceStub(channel)

    @pytest.fixture
    def inference(self, channel):
        return open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(channel)

    @pytest.mark.parametrize("form", ["float", "double", "columns", "packed", "arrow"])
    def test_every_form_of_rows_scores_the_bits_of_the_library(self, scoring, scorers, numeric_rows, form):
        rows_MF = matrix(numeric_rows)
        answer = scoring.Score(forms_of(rows_MF)[form], timeout=20)
        expected = scorers["sizes"].score(rows_MF.astype(float))
        np.testing.assert_array_equal(answer.anomaly_score, expected.anomaly_score)
        np.testing.assert_array_equal(answer.percentile, expected.percentile)
        np.testing.assert_array_equal(answer.is_anomaly, expected.is_anomaly)
        assert answer.threshold == expected.threshold

    @pytest.mark.parametrize("is_raw", [False, True])
    def test_open_inference_scores_the_bits_of_the_library(self, inference, scorers, numeric_rows, is_raw):
        rows_MF = matrix(numeric_rows).astype(float)
        request = infer_request(rows_MF.ravel().tolist(), is_raw=is_raw)
        answer = inference.ModelInfer(request, timeout=20)
        expected = scorers["sizes"].score(rows_MF).anomaly_score
        if is_raw:
            np.testing.assert_array_equal(np.frombuffer(answer.raw_output_contents[0]), expected)
        else:
            np.testing.assert_array_equal(answer.outputs[0].contents.fp64_contents, expected)

    @pytest.mark.parametrize("chunk_rows", [1, 64, 200])
    def test_a_stream_scores_the_bits_of_the_library(self, client, scorers, numeric_rows, chunk_rows):
        rows_MF = matrix(numeric_rows)[: 8 * chunk_rows]
        chunks = [rows_MF[start : start + chunk_rows] for start in range(0, len(rows_MF), chunk_rows)]
        answers = list(client.score_stream(chunks, model="sizes"))
        assert [len(scores.anomaly_score) for scores in answers] == [len(chunk) for chunk in chunks]
        streamed = np.concatenate([scores.anomaly_score for scores in answers])
        np.testing.assert_array_equal(streamed, scorers["sizes"].score(rows_MF.astype(float)).anomaly_score)

    def test_a_chunk_that_is_refused_ends_the_stream_and_leaves_the_answers_before(self, client):
        answers = client.score_stream([np.zeros((2, 3)), np.zeros((2, 2)), np.zeros((2, 3))], model="sizes")
        assert len(next(answers).anomaly_score) == 2
        with pytest.raises(RefusedRows, match="chunk 1: a row must have 3 features, got 2"):
            next(answers)

    def test_a_stream_keeps_its_model(self, scoring):
        chunk = forms_of(np.zeros((1, 3), np.float32))["packed"]
        other = pb.ScoreRequest(model="moving", packed_matrix=chunk.packed_matrix)
        chunks = [pb.ScoreStreamRequest(chunk=chunk), pb.ScoreStreamRequest(chunk=other)]
        with pytest.raises(grpc.RpcError) as refused:
            list(scoring.ScoreStream(iter(chunks), timeout=20))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "chunk 1: a stream has one model" in refused.value.details()

    def test_rows_are_explained_as_in_the_library(self, client, scorers, numeric_rows):
        rows_MF = matrix(numeric_rows, 3).astype(float)
        served, expected = client.explain(rows_MF, model="sizes"), explain(scorers["sizes"], rows_MF)
        assert served.features == expected.features
        np.testing.assert_array_equal(served.contributions, expected.contributions)
        np.testing.assert_array_equal(served.anomaly_score, expected.anomaly_score)
        assert served.reference_score == expected.reference_score

    def test_more_rows_than_can_be_explained_are_refused(self, client, numeric_rows):
        with pytest.raises(RefusedRows, match="at most 64 rows can be explained at a time, got 65"):
            client.explain(matrix(numeric_rows, 65), model="sizes")

    def test_a_model_is_told_in_full(self, client, scorers):
        details = client.get_model("sizes")
        manifest = scorers["sizes"].manifest
        assert (details.model.name, details.model.version) == ("sizes", scorers["sizes"].version)
        assert (details.threshold, details.aliases) == (manifest.threshold.value, ("champion",))
        assert details.data_fingerprint == manifest.data_fingerprint
        assert [part.detector for part in details.parts] == ["mahalanobis"]
        assert details.model.max_explained_rows == 64

    def test_a_failure_has_a_reason_that_programs_can_read(self, client):
        with pytest.raises(UnknownModel) as unknown:
            client.score(np.zeros((1, 3)), model="nobody")
        with pytest.raises(RefusedRows) as refused:
            client.score(np.zeros((1, 2)), model="sizes")
        assert (unknown.value.code, unknown.value.reason) == ("NOT_FOUND", "MODEL_UNKNOWN")
        assert (refused.value.code, refused.value.reason) == ("INVALID_ARGUMENT", "ROWS_REFUSED")

    def test_the_id_of_a_request_comes_back_with_answers_and_with_failures(self, scoring):
        mine = [("x-request-id", "order-7")]
        good, bad = forms_of(np.zeros((1, 3), np.float32))["packed"], pb.ScoreRequest(model="nobody")
        _, call = scoring.Score.with_call(good, timeout=20, metadata=mine)
        assert dict(call.trailing_metadata())["x-request-id"] == "order-7"
        with pytest.raises(grpc.RpcError) as refused:
            scoring.Score(bad, timeout=20, metadata=mine)
        assert dict(refused.value.trailing_metadata())["x-request-id"] == "order-7"
        stream = scoring.ScoreStream(iter([pb.ScoreStreamRequest(chunk=good)]), timeout=20, metadata=mine)
        assert len(list(stream)) == 1
        assert dict(stream.trailing_metadata())["x-request-id"] == "order-7"

    def test_without_a_token_nothing_is_told_but_health(self, target, bare_channel):
        with ScoringClient(target.address, timeout_s=20) as client:
            with pytest.raises(Unauthenticated):
                client.score(np.zeros((1, 3)), model="sizes")
            with pytest.raises(Unauthenticated):
                list(client.score_stream([np.zeros((1, 3))], model="sizes"))
            with pytest.raises(Unauthenticated):
                client.list_models()
            assert client.is_serving()
        inference = open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(bare_channel)
        assert inference.ServerLive(oip.ServerLiveRequest(), timeout=20).live
        assert inference.ServerReady(oip.ServerReadyRequest(), timeout=20).ready
        with pytest.raises(grpc.RpcError) as refused:
            inference.ModelInfer(infer_request([1, 2, 3]), timeout=20)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED

    def test_a_token_opens_its_own_models_only(self, target, tokens):
        with ScoringClient(target.address, timeout_s=20, token=tokens["sizes"]) as client:
            assert client.score(np.zeros((1, 3)), model="sizes").model == "sizes"
            assert [model.name for model in client.list_models()] == ["sizes"]
            for name in ("payments", "nobody"):
                with pytest.raises(Forbidden):
                    client.score(np.zeros((1, 3)), model=name)
            with pytest.raises(Forbidden):
                list(client.score_stream([np.zeros((1, 3))], model="payments"))

    def test_a_new_champion_takes_over_while_requests_run(self, target, client, artifacts, numeric_rows):
        old = client.get_model("moving").model.version
        new = target.registry.add("moving", artifacts["moved"])
        rows_MF = matrix(numeric_rows, 5).astype(float)
        expected = {
            Scorer.load(artifacts[name]).version: Scorer.load(artifacts[name]).score(rows_MF).anomaly_score
            for name in ("moving", "moved")
        }
        promotion = threading.Thread(target=target.registry.promote, args=("moving", new))
        promotion.start()
        seen = [old]
        while seen[-1] == old:
            scores = client.score(rows_MF, model="moving")
            np.testing.assert_array_equal(scores.anomaly_score, expected[scores.version])
            seen.append(scores.version)
        promotion.join()
        assert set(seen) == {old, new}
        assert client.score(rows_MF, model="moving", version=old).version == old

    @pytest.mark.parametrize("n_rows", [1, 200])
    def test_a_matrix_scores_as_in_the_library(self, client, scorers, numeric_rows, n_rows):
        rows_MF = np.column_stack([column.to_numpy() for column in numeric_rows.columns])[:n_rows]
        served = client.score(rows_MF, model="sizes")
        expected = scorers["sizes"].score(rows_MF)
        np.testing.assert_array_equal(served.anomaly_score, expected.anomaly_score)
        np.testing.assert_array_equal(served.percentile, expected.percentile)
        np.testing.assert_array_equal(served.is_anomaly, expected.is_anomaly)
        assert (served.model, served.version) == ("sizes", expected.version)
        assert served.threshold == expected.threshold

    @pytest.mark.parametrize("n_rows", [1, 200])
    def test_a_table_scores_as_in_the_library(self, client, scorers, mixed_rows, n_rows):
        table = mixed_rows.slice(0, n_rows)
        served = client.score(table.select(["at", "country", "age", "is_new", "amount"]), model="payments")
        expected = scorers["payments"].score(table)
        np.testing.assert_array_equal(served.anomaly_score, expected.anomaly_score)

    def test_models_are_listed(self, client, scorers):
        _moving, payments, sizes = client.list_models()
        assert [feature.name for feature in sizes.features] == ["width", "height", "weight"]
        assert [(feature.name, feature.kind, feature.is_nullable) for feature in payments.features] == [
            ("amount", "numeric", False),
            ("age", "numeric", True),
            ("country", "categorical", False),
            ("is_new", "boolean", False),
            ("at", "timestamp", False),
        ]
        assert sizes.version == scorers["sizes"].version
        assert sizes.max_rows == 5_000

    def test_open_inference_knows_server_and_models(self, inference, scorers):
        assert inference.ServerLive(oip.ServerLiveRequest(), timeout=20).live
        assert inference.ServerReady(oip.ServerReadyRequest(), timeout=20).ready
        assert inference.ServerMetadata(oip.ServerMetadataRequest(), timeout=20).name == "automl-ad"
        assert inference.ModelReady(oip.ModelReadyRequest(name="sizes"), timeout=20).ready
        assert not inference.ModelReady(oip.ModelReadyRequest(name="nobody"), timeout=20).ready
        metadata = inference.ModelMetadata(oip.ModelMetadataRequest(name="payments"), timeout=20)
        assert list(metadata.versions) == [scorers["payments"].version]
        assert [(tensor.name, tensor.datatype) for tensor in metadata.inputs] == [
            ("amount", "FP64"),
            ("age", "FP64"),
            ("country", "BYTES"),
            ("is_new", "BOOL"),
            ("at", "INT64"),
        ]

    def test_a_raw_request_gets_a_raw_answer_and_a_typed_one_a_typed_one(self, inference, scorers):
        values = [0.5, -1.0, 2.0, 9.0, 9.0, -9.0]
        expected = scorers["sizes"].score(np.array(values).reshape(2, 3))
        raw = inference.ModelInfer(infer_request(values, is_raw=True), timeout=20)
        typed = inference.ModelInfer(infer_request(values), timeout=20)
        np.testing.assert_allclose(np.frombuffer(raw.raw_output_contents[0]), expected.anomaly_score)
        np.testing.assert_allclose(typed.outputs[0].contents.fp64_contents, expected.anomaly_score)
        assert list(np.frombuffer(raw.raw_output_contents[2], bool)) == list(expected.is_anomaly)
        assert list(typed.outputs[2].contents.bool_contents) == list(expected.is_anomaly)
        assert not typed.raw_output_contents
        assert raw.id == typed.id == "7"

    def test_columns_as_tensors_score_like_a_table(self, inference, scorers, mixed_rows):
        row = mixed_rows.slice(1, 1).to_pylist()[0]
        request = oip.ModelInferRequest(model_name="payments")
        for name, datatype, field, value in (
            ("amount", "FP64", "fp64_contents", row["amount"]),
            ("age", "FP32", "fp32_contents", row["age"]),
            ("country", "BYTES", "bytes_contents", row["country"].encode()),
            ("is_new", "BOOL", "bool_contents", row["is_new"]),
            ("at", "INT64", "int64_contents", int(row["at"].timestamp() * 1e6)),
        ):
            tensor = request.inputs.add(name=name, datatype=datatype, shape=[1])
            getattr(tensor.contents, field).append(value)
        answer = inference.ModelInfer(request, timeout=20)
        expected = scorers["payments"].score(mixed_rows.slice(1, 1))
        np.testing.assert_allclose(answer.outputs[0].contents.fp64_contents, expected.anomaly_score)

    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            (np.full((1, 3), np.nan), r"column 'width' must not be missing, got null or NaN in row 0"),
            (np.array([[0.0, 0, 0], [0, np.inf, 0]]), r"column 'height' must be finite, got inf in row 1"),
            (np.zeros((1, 2)), r"a row must have 3 features, got 2"),
            (np.zeros((0, 3)), r"a request must carry at least one row, got 0"),
            (np.zeros((5_001, 3)), r"a request may carry at most 5000 rows, got 5001"),
            ({"width": [1.0], "height": [1.0]}, r"column 'weight' is missing"),
            ({"widht": [1.0]}, r"the model has no column 'widht'; did you mean 'width'\?"),
            (
                {"width": ["x"], "height": [1.0], "weight": [1.0]},
                r"column 'width' is numeric and takes .*, got string",
            ),
        ],
    )
    def test_rows_that_do_not_fit_are_refused(self, client, rows, said):
        with pytest.raises(RowsError, match=said):
            client.score(rows, model="sizes")

    def test_a_null_is_accepted_only_where_the_schema_says_so(self, client, mixed_rows):
        table = mixed_rows.slice(0, 1)
        place = table.schema.get_field_index("age")
        client.score(table.set_column(place, "age", pa.array([None], pa.float64())), model="payments")
        place = table.schema.get_field_index("country")
        with pytest.raises(RowsError, match="column 'country' must not be missing, got null or NaN in row 0"):
            client.score(table.set_column(place, "country", pa.array([None], pa.string())), model="payments")

    @pytest.mark.parametrize(
        ("model", "version", "said"),
        [
            ("size", "", r"no model is called 'size'; did you mean 'sizes'\?"),
            ("", "", "a request must name a model where several are served; served: moving, payments, sizes"),
            ("sizes", "v0", "has no version or alias 'v0'"),
        ],
    )
    def test_an_unknown_model_is_not_found(self, client, model, version, said):
        with pytest.raises(UnknownModel, match=said):
            client.score(np.zeros((1, 3)), model=model, version=version)

    def test_an_unknown_output_is_refused(self, inference):
        outputs = [oip.ModelInferRequest.InferRequestedOutputTensor(name="score")]
        with pytest.raises(grpc.RpcError) as refused:
            inference.ModelInfer(infer_request([1, 2, 3], outputs=outputs), timeout=20)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "the model has no output 'score'" in refused.value.details()

    def test_an_oversized_message_is_refused(self, client):
        with pytest.raises(ServerError) as refused:
            client.score(np.zeros((50_000, 3)), model="sizes")
        assert refused.value.code == "RESOURCE_EXHAUSTED"

    @pytest.mark.parametrize("service", ["", *SERVICES])
    def test_health_is_serving(self, bare_channel, service):
        stub = health_pb2_grpc.HealthStub(bare_channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    def test_health_of_an_unknown_service_is_not_found(self, bare_channel):
        with pytest.raises(grpc.RpcError) as refused:
            health_pb2_grpc.HealthStub(bare_channel).Check(
                health_pb2.HealthCheckRequest(service="nobody"), timeout=20
            )
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND

    def test_health_can_be_watched(self, bare_channel):
        watch = health_pb2_grpc.HealthStub(bare_channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()

    def test_reflection_lists_the_services(self, channel):
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([asked]), timeout=20)
        listed = {service.name for service in answer.list_services_response.service}
        assert listed >= {*SERVICES, "grpc.health.v1.Health"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_address_last_and_ends_with_0_when_told_to_stop(
    start_server, artifacts, number
):
    with start_server([artifacts["sizes"]], "--port", "0") as (process, address):
        with ScoringClient(address) as client:
            assert client.score([[0.0, 0.0, 0.0]]).model == "sizes"
        process.send_signal(number)
        assert process.wait(30) == 0
        assert process.stdout.read() == ""
