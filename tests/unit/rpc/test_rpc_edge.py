"""What every call goes through: token, request id, limits, statuses with details, and metrics."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from rpc_fakes import numeric_scorer

from automl_ad.errors import RowsError
from automl_ad.rpc.errors import BrokenModel, Forbidden, Overloaded, Unauthenticated, UnknownModel
from automl_ad.rpc.failures import failure_of
from automl_ad.rpc.interceptor import MAX_WATCHES
from automl_ad.rpc.options import HostOptions, Limits
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc

TOKENS = {"all": "a" * 64, "one": "b" * 64}
BIG = [1.0, 2.0, 3.0] * 1_000


def rows(*values: float, model: str = "numeric", version: str = "") -> pb.ScoreRequest:
    matrix = pb.DoubleMatrix(n_features=3, values=values or (1, 2, 3))
    return pb.ScoreRequest(model=model, model_version=version, double_matrix=matrix)


def chunks(*requests: pb.ScoreRequest) -> Iterator[pb.ScoreStreamRequest]:
    return (pb.ScoreStreamRequest(chunk=request) for request in requests)


def connected(address: str) -> grpc.Channel:
    """A connection of its own: one connection alone may not open more calls than the server works on."""
    return grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {TOKENS[name]}"),)


def details_of(error: Any) -> dict[str, Any]:
    """Short name of a google.rpc message -> the message, out of the trailing metadata."""
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    found = {}
    for packed in status.details:
        name = packed.type_url.rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name)()
        assert packed.Unpack(found[name])
    return found


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> Path:
    hashes = {name: hashlib.sha256(token.encode()).hexdigest() for name, token in TOKENS.items()}
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.write_text(
        f'[keys.all]\nsha256 = "{hashes["all"]}"\n'
        f'[keys.one]\nsha256 = "{hashes["one"]}"\nmodels = ["numeric", "secret-name"]\n'
    )
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def guarded(serve_in_thread, keys):
    """A host of two models that asks for tokens."""
    options = HostOptions(port=0, keys=keys, drain_s=1)
    with serve_in_thread([numeric_scorer(), numeric_scorer("other")], options) as host:
        yield host


@pytest.fixture(scope="module")
def stub(guarded):
    with grpc.insecure_channel(guarded.address) as channel:
        yield scoring_pb2_grpc.ScoringServiceStub(channel)


class TestTokens:
    @pytest.mark.parametrize(
        "metadata", [(), (("authorization", "Bearer wrong"),), (("authorization", "Basic " + "a" * 64),)]
    )
    def test_without_a_known_token_nothing_is_answered(self, stub, metadata):
        calls = (
            lambda: stub.Score(rows(), timeout=5, metadata=metadata),
            lambda: list(stub.ScoreStream(chunks(rows()), timeout=5, metadata=metadata)),
            lambda: stub.ListModels(pb.ListModelsRequest(), timeout=5, metadata=metadata),
            lambda: stub.GetModel(pb.GetModelRequest(), timeout=5, metadata=metadata),
        )
        for call in calls:
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert details_of(refused.value)["ErrorInfo"].reason == "TOKEN_REFUSED"

    def test_a_known_token_is_answered(self, stub):
        assert stub.Score(rows(), timeout=5, metadata=bearer("all")).model == "numeric"
        (answer,) = stub.ScoreStream(chunks(rows()), timeout=5, metadata=bearer("one"))
        assert answer.scores.model == "numeric"

    def test_probes_need_no_token(self, guarded):
        with grpc.insecure_channel(guarded.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == 1
            assert next(health.Watch(health_pb2.HealthCheckRequest(), timeout=5)).status == 1

    def test_reflection_needs_a_token(self, guarded):
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        with grpc.insecure_channel(guarded.address) as channel:
            reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
            with pytest.raises(grpc.RpcError) as refused:
                list(reflect(iter([asked]), timeout=5))
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert list(reflect(iter([asked]), timeout=5, metadata=bearer("one")))

    @pytest.mark.parametrize("model", ["other", "no-such-model"])
    def test_a_model_of_others_is_refused_whether_it_exists_or_not(self, stub, model):
        for call in (
            lambda: stub.Score(rows(model=model), timeout=5, metadata=bearer("one")),
            lambda: list(stub.ScoreStream(chunks(rows(model=model)), timeout=5, metadata=bearer("one"))),
            lambda: stub.GetModel(pb.GetModelRequest(model=model), timeout=5, metadata=bearer("one")),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert f"'one' may not use model '{model}'" in refused.value.details()

    def test_who_may_not_use_all_models_does_not_learn_their_names(self, stub):
        listed = stub.ListModels(pb.ListModelsRequest(), timeout=5, metadata=bearer("one")).models
        assert [model.name for model in listed] == ["numeric"]
        for model, version in (("", ""), ("", "v9"), ("secret-name", "")):
            with pytest.raises(grpc.RpcError) as refused:
                stub.Score(rows(model=model, version=version), timeout=5, metadata=bearer("one"))
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND
            assert "other" not in refused.value.details()


class TestRequestIds:
    def send(self, stub, given: str) -> str:
        _, call = stub.Score.with_call(
            rows(), timeout=5, metadata=(*bearer("all"), *([("x-request-id", given)] if given else []))
        )
        return dict(call.trailing_metadata())["x-request-id"]

    def test_the_clients_own_comes_back(self, stub):
        assert self.send(stub, "order-7/retry:2") == "order-7/retry:2"

    @pytest.mark.parametrize("given", ["", "two words", "x" * 129, 'a"b', "a;b"])
    def test_one_that_is_missing_or_could_forge_a_line_of_log_is_replaced(self, stub, given):
        assert re.fullmatch(r"[0-9a-f]{32}", self.send(stub, given))

    def test_a_failure_carries_it(self, stub):
        with pytest.raises(grpc.RpcError) as refused:
            stub.Score(rows(1, 2), timeout=5, metadata=(*bearer("all"), ("x-request-id", "abc")))
        found = details_of(refused.value)
        assert found["RequestInfo"].request_id == "abc"
        assert dict(refused.value.trailing_metadata())["x-request-id"] == "abc"
        assert found["ErrorInfo"].domain == "automl-ad"
        assert found["BadRequest"].field_violations[0].field == "rows"


@pytest.fixture(scope="module")
def open_stub(serve_in_thread):
    """Of a host that asks for no tokens."""
    with (
        serve_in_thread([numeric_scorer()], HostOptions(port=0, drain_s=1)) as host,
        grpc.insecure_channel(host.address) as channel,
    ):
        yield scoring_pb2_grpc.ScoringServiceStub(channel)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (Unauthenticated("who?"), "UNAUTHENTICATED", "TOKEN_REFUSED"),
        (Forbidden("no"), "PERMISSION_DENIED", "MODEL_FORBIDDEN"),
        (UnknownModel("none"), "NOT_FOUND", "MODEL_UNKNOWN"),
        (BrokenModel("broken"), "FAILED_PRECONDITION", "MODEL_BROKEN"),
        (Overloaded("busy", retry_after_s=0.25), "RESOURCE_EXHAUSTED", "OVERLOADED"),
        (RowsError("bad"), "INVALID_ARGUMENT", "ROWS_REFUSED"),
        (ZeroDivisionError("secret"), "INTERNAL", "INTERNAL"),
    ],
)
def test_every_error_has_one_code_and_one_reason(error, code, reason):
    failure = failure_of(error, "id")
    assert (failure.code.name, failure.reason) == (code, reason)
    assert "secret" not in str(failure)


def test_trailers_stay_below_what_clients_accept():
    """gRPC drops a call whose metadata exceed 8 KiB: the sentence goes escaped, and twice in base64."""
    failure = failure_of(RowsError("é\x00" * 5_000, "é" * 5_000), "i" * 128)
    n_bytes = sum(len(key) + 1.34 * len(value) for key, value in failure.trailing)
    assert n_bytes + 3 * len(failure.details.encode()) < 8_000


class TestOverload:
    @pytest.fixture
    def scorer(self):
        return numeric_scorer()

    @pytest.fixture
    def busy(self, scorer, serve_in_thread):
        """A host with room for one call, and one call in it."""
        options = HostOptions(port=0, limits=Limits(max_in_progress=1), drain_s=1)
        with (
            serve_in_thread([scorer], options) as host,
            connected(host.address) as first,
            connected(host.address) as second,
        ):
            scorer.may_finish.clear()
            running = scoring_pb2_grpc.ScoringServiceStub(first).Score.future(rows(*BIG), timeout=20)
            wait_until(lambda: scorer.rows is not None)
            yield scoring_pb2_grpc.ScoringServiceStub(second)
            scorer.may_finish.set()
            assert len(running.result().anomaly_score) == 1_000

    def test_a_call_over_the_limit_is_told_when_to_come_back(self, busy):
        with pytest.raises(grpc.RpcError) as refused:
            busy.Score(rows(), timeout=5)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        delay = details_of(refused.value)["RetryInfo"].retry_delay.ToTimedelta().total_seconds()
        assert 0.05 <= delay <= 5
        pushback = int(dict(refused.value.trailing_metadata())["grpc-retry-pushback-ms"])
        assert pushback == pytest.approx(1e3 * delay, abs=1)

    def test_a_stream_waits_instead(self, busy, scorer):
        threading.Timer(0.2, scorer.may_finish.set).start()
        (answer,) = busy.ScoreStream(chunks(rows(7, 0, 0)), timeout=10)
        assert list(answer.scores.anomaly_score) == [7]


class TestStreams:
    def test_chunks_are_answered_in_order_each_before_the_next_is_needed(self, open_stub):
        sent: list[int] = []

        def one_at_a_time() -> Iterator[pb.ScoreStreamRequest]:
            for index in range(5):
                wait_until(lambda index=index: len(answered) == index)
                sent.append(index)
                yield pb.ScoreStreamRequest(chunk=rows(index, 0, 0))

        answered: list[pb.ScoreStreamResponse] = []
        for answer in open_stub.ScoreStream(one_at_a_time(), timeout=10):
            answered.append(answer)
        assert [answer.index for answer in answered] == list(range(5))
        assert [answer.scores.anomaly_score[0] for answer in answered] == list(range(5))

    def test_an_empty_stream_has_no_answers(self, open_stub):
        assert list(open_stub.ScoreStream(iter(()), timeout=5)) == []

    def test_a_chunk_that_is_refused_ends_the_stream_and_earlier_answers_stand(self, open_stub):
        stream = open_stub.ScoreStream(chunks(rows(), rows(1, 2), rows()), timeout=5)
        assert next(stream).index == 0
        with pytest.raises(grpc.RpcError) as refused:
            next(stream)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert refused.value.details().startswith("chunk 1: the number of values must be a multiple")

    def test_a_stream_has_one_model(self, open_stub):
        with pytest.raises(grpc.RpcError, match="chunk 1: a stream has one model, 'numeric'"):
            list(open_stub.ScoreStream(chunks(rows(), rows(model="other")), timeout=5))

    def test_a_client_that_leaves_ends_its_stream(self, open_stub):
        gone = threading.Event()

        def endless() -> Iterator[pb.ScoreStreamRequest]:
            while not gone.is_set():
                yield pb.ScoreStreamRequest(chunk=rows())

        stream = open_stub.ScoreStream(endless(), timeout=30)
        next(stream)
        stream.cancel()
        gone.set()
        assert open_stub.Score(rows(), timeout=5).model == "numeric"


def test_health_watches_cannot_take_all_calls_of_the_server(serve_in_thread):
    with (
        serve_in_thread([numeric_scorer()], HostOptions(port=0, drain_s=1)) as host,
        connected(host.address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest(), timeout=20) for _ in range(MAX_WATCHES)]
        assert {next(watch).status for watch in watches} == {1}
        with pytest.raises(grpc.RpcError) as refused:
            next(stub.Watch(health_pb2.HealthCheckRequest(), timeout=5))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        watches[0].cancel()
        wait_until(lambda: is_watched(stub))
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == 1


def is_watched(stub: health_pb2_grpc.HealthStub) -> bool:
    try:
        return next(stub.Watch(health_pb2.HealthCheckRequest(), timeout=5)).status == 1
    except grpc.RpcError:
        return False


def test_calls_are_counted_by_what_became_of_them(serve_in_thread):
    scorer = numeric_scorer()
    with (
        serve_in_thread([scorer], HostOptions(port=0, metrics_port=0, drain_s=1)) as host,
        grpc.insecure_channel(host.address) as channel,
    ):
        stub = scoring_pb2_grpc.ScoringServiceStub(channel)
        stub.Score(rows(*BIG), timeout=5)
        with pytest.raises(grpc.RpcError):
            stub.Score(rows(np.inf, 0, 0), timeout=5)
        scorer.may_finish.clear()
        scorer.rows = None
        leaving = stub.Score.future(rows(*BIG), timeout=20)
        wait_until(lambda: scorer.rows is not None)
        leaving.cancel()
        counted = host.metrics.registry.get_sample_value

        def calls(code: str) -> float | None:
            labels = {"method": "Score", "code": code, "model": "numeric"}
            return counted("automl_ad_requests_total", labels)

        wait_until(lambda: calls("CANCELLED") == 1)
        scorer.may_finish.set()
        assert (calls("OK"), calls("INVALID_ARGUMENT")) == (1, 1)
        assert counted("automl_ad_refused_total", {"reason": "rows_refused"}) == 1


def wait_until(holds) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
