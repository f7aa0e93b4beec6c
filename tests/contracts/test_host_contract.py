"""What every host does alike: grpc.aio, and both doors of Ray Serve, over the same two artifacts."""

from __future__ import annotations

import signal
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from automl_ad.errors import RowsError
from automl_ad.rpc.client import ScoringClient, ServerError
from automl_ad.rpc.models import UnknownModel
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.oip import open_inference_grpc_pb2_grpc

SERVICES = ("automl_ad.rpc.v1.ScoringService", "inference.GRPCInferenceService")


def infer_request(values: list[float], *, is_raw: bool = False, **other: Any) -> oip.ModelInferRequest:
    request = oip.ModelInferRequest(model_name="sizes", id="7", **other)
    tensor = request.inputs.add(name="rows", datatype="FP64", shape=[len(values) // 3, 3])
    if is_raw:
        request.raw_input_contents.append(np.array(values).tobytes())
    else:
        tensor.contents.fp64_contents.extend(values)
    return request


class TestHostContract:
    @pytest.fixture
    def client(self, target):
        with ScoringClient(target, timeout_s=20) as client:
            yield client

    @pytest.fixture
    def inference(self, channel):
        return open_inference_grpc_pb2_grpc.GRPCInferenceServiceStub(channel)

    @pytest.mark.parametrize("n_rows", [1, 200])
    def test_a_matrix_scores_as_in_the_library(self, client, scorers, numeric_rows, n_rows):
        rows_MF = np.column_stack([column.to_numpy() for column in numeric_rows.columns])[:n_rows]
        served = client.score(rows_MF, model="sizes")
        expected = scorers["sizes"].score(rows_MF)
        np.testing.assert_allclose(served.anomaly_score, expected.anomaly_score, rtol=1e-12)
        np.testing.assert_array_equal(served.percentile, expected.percentile)
        np.testing.assert_array_equal(served.is_anomaly, expected.is_anomaly)
        assert (served.model, served.version) == ("sizes", expected.version)
        assert served.threshold == expected.threshold

    @pytest.mark.parametrize("n_rows", [1, 200])
    def test_a_table_scores_as_in_the_library(self, client, scorers, mixed_rows, n_rows):
        table = mixed_rows.slice(0, n_rows)
        served = client.score(table.select(["at", "country", "age", "is_new", "amount"]), model="payments")
        expected = scorers["payments"].score(table)
        np.testing.assert_allclose(served.anomaly_score, expected.anomaly_score, rtol=1e-12)

    def test_models_are_listed(self, client, scorers):
        payments, sizes = client.list_models()
        assert [feature.name for feature in sizes.features] == ["width", "height", "weight"]
        assert [(feature.name, feature.kind, feature.is_nullable) for feature in payments.features] == [
            ("amount", 1, False),
            ("age", 1, True),
            ("country", 3, False),
            ("is_new", 2, False),
            ("at", 4, False),
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
            ({"width": ["x"], "height": [1.0], "weight": [1.0]}, r"'width' is numeric and takes numbers"),
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
            ("", "", "a request must name a model where several are served; served: payments, sizes"),
            ("sizes", "v0", "got version 'v0'"),
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
    def test_health_is_serving(self, channel, service):
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    def test_health_of_an_unknown_service_is_not_found(self, channel):
        with pytest.raises(grpc.RpcError) as refused:
            health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service="nobody"), timeout=20
            )
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND

    def test_health_can_be_watched(self, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
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
