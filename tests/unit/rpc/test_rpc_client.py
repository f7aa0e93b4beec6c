"""The client against a service made up for it: rows in every form, plain records out, errors as ours."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading

import grpc
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from client_fakes import Refusal, listening, rich
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2

from automl_ad.errors import ConfigError, RowsError
from automl_ad.rpc.client import ScoringClient
from automl_ad.rpc.errors import (
    BrokenModel,
    Forbidden,
    Overloaded,
    RefusedRows,
    ServerError,
    Unauthenticated,
    UnknownModel,
)

ROWS = np.array([[0.5, 1.0], [3.5, np.nan]])


@pytest.fixture
def fake():
    with listening() as running:
        yield running


@pytest.fixture
def client(fake):
    with ScoringClient(fake.address, timeout_s=20, retries=False) as client:
        yield client


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        ROWS.astype(np.float32),
        ROWS.tolist(),
        pa.table({"a": ROWS[:, 0], "b": ROWS[:, 1]}),
        pa.record_batch({"a": ROWS[:, 0], "b": ROWS[:, 1]}),
        pd.DataFrame({"a": ROWS[:, 0], "b": ROWS[:, 1]}, index=[7, 9]),
        {"a": [0.5, 3.5], "b": [1.0, None]},
    ],
    ids=["float64", "float32", "lists", "table", "batch", "frame", "mapping"],
)
def test_rows_of_every_form_are_scored(client, rows):
    scores = client.score(rows, model="payments", version="v1")
    np.testing.assert_array_equal(scores.anomaly_score, [0.5, 3.5])
    np.testing.assert_array_equal(scores.percentile, [5, 35])
    np.testing.assert_array_equal(scores.is_anomaly, [False, True])
    assert (scores.model, scores.version, scores.threshold) == ("payments", "v1", 2.5)
    assert scores.row_threshold is None


def test_scores_become_a_table_and_a_frame(client):
    scores = client.score(ROWS)
    expected = {"anomaly_score": [0.5, 3.5], "percentile": [5.0, 35.0], "is_anomaly": [False, True]}
    assert scores.to_arrow().to_pydict() == expected
    assert scores.to_pandas().to_dict("list") == expected


def test_a_frame_is_sent_without_its_index(client, fake):
    client.score(pd.DataFrame({"a": [1.0]}, index=pd.Index([5], name="key")))
    (request,) = fake.service.requests
    assert "key" not in str(request)


def test_models_are_plain_records(client):
    (model,) = client.list_models()
    assert [(f.name, f.kind, f.is_nullable) for f in model.features] == [
        ("a", "numeric", True),
        ("country", "categorical", True),
    ]
    details = client.get_model("payments")
    assert details.model == model
    assert (details.threshold, details.group_thresholds) == (2.5, {"SE": 3.0})
    assert (details.aliases, details.create_time.isoformat()) == (("champion",), "2025-11-26T00:00:00+00:00")
    assert (details.parts[0].detector, details.evidence) == ("knn", {"criteria": ["probe_auc"]})


def test_an_explanation_adds_up(client):
    explained = client.explain(ROWS)
    assert explained.features == ("a", "b")
    total = explained.reference_score + explained.contributions.sum(axis=1)
    np.testing.assert_allclose(total, explained.anomaly_score)
    np.testing.assert_array_equal(explained.standard_errors, [[0, 0.5], [0, 0.5]])


def test_health_is_what_the_server_says_and_is_asked_without_the_token(fake, tmp_path):
    with ScoringClient(fake.address, token=tmp_path / "absent") as client:
        assert client.is_serving()
        fake.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        assert not client.is_serving()


def test_a_server_that_is_not_there_is_named():
    with (
        ScoringClient("127.0.0.1:1", timeout_s=5, retries=False) as client,
        pytest.raises(ServerError) as refused,
    ):
        client.is_serving()
    assert refused.value.code == "UNAVAILABLE"
    assert "127.0.0.1:1" in str(refused.value)


@pytest.mark.parametrize("rows", [[1.0, 2.0, 3.0], [["a", "b", "c"]], np.zeros((1, 1, 3))])
def test_rows_that_are_no_matrix_are_refused_before_sending(client, fake, rows):
    with pytest.raises(RowsError, match=r"rows must be a matrix \[M, F\] of numbers, got"):
        client.score(rows)
    assert fake.service.requests == []


def test_a_request_that_is_too_large_is_refused_before_sending(fake):
    with (
        ScoringClient(fake.address, max_message_bytes=1000) as client,
        pytest.raises(RowsError, match="may have at most") as refused,
    ):
        client.score(np.zeros((1000, 3)))
    assert "score_stream" in refused.value.hint
    assert fake.service.requests == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, RefusedRows),
        (grpc.StatusCode.NOT_FOUND, UnknownModel),
        (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, Forbidden),
        (grpc.StatusCode.FAILED_PRECONDITION, BrokenModel),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Overloaded),
        (grpc.StatusCode.INTERNAL, ServerError),
    ],
)
def test_refusals_come_back_as_our_errors_with_the_servers_facts(client, fake, code, kind):
    fake.service.refusals = [rich(code, "the sentence", "THE_REASON")]
    with pytest.raises(kind, match="the sentence") as refused:
        client.score(ROWS)
    error = refused.value
    assert (error.code, error.reason, error.request_id) == (code.name, "THE_REASON", "from-the-server")


def test_refused_rows_are_rows_errors(client, fake):
    fake.service.refusals = [Refusal(code=grpc.StatusCode.INVALID_ARGUMENT, details="no")]
    with pytest.raises(RowsError, match="no"):
        client.score(ROWS)


def test_a_busy_server_says_when_to_come_back(client, fake):
    delay = Duration(seconds=1, nanos=500_000_000)
    info = error_details_pb2.RetryInfo(retry_delay=delay)
    pushed = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=(("grpc-retry-pushback-ms", "250"),))
    fake.service.refusals = [rich(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", "OVERLOADED", info), pushed]
    for retry_after_s in (1.5, 0.25):
        with pytest.raises(Overloaded, match=f"try again in {retry_after_s:g} s") as refused:
            client.score(ROWS)
        assert refused.value.retry_after_s == retry_after_s


@pytest.mark.parametrize(
    "said",
    [
        "Received message larger than max (20 vs. 10)",
        "the request is larger than the limit",
        "the request is larger than max (16 MiB)",
    ],
)
def test_a_message_that_is_too_large_is_not_sent_again_and_no_sign_of_a_busy_server(fake, said):
    fake.service.always = Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, details=said)
    with ScoringClient(fake.address, timeout_s=20) as client, pytest.raises(ServerError) as refused:
        client.score(ROWS)
    assert "--chunk-rows" in refused.value.hint
    assert len(fake.service.requests) == 1


def test_details_that_no_one_can_read_do_not_hide_the_error(client, fake):
    broken = (("grpc-status-details-bin", b"\xff\xff\xff"),)
    fake.service.refusals = [Refusal(code=grpc.StatusCode.NOT_FOUND, details="gone", trailing=broken)]
    with pytest.raises(UnknownModel, match="gone") as refused:
        client.score(ROWS)
    assert refused.value.reason == ""


def test_a_failure_without_an_answer_has_the_request_id_that_was_sent(client, fake):
    fake.service.refusals = [Refusal(code=grpc.StatusCode.INTERNAL)]
    with pytest.raises(ServerError) as refused:
        client.list_models()
    assert refused.value.request_id == fake.service.metadata[0]["x-request-id"]
    assert refused.value.request_id in refused.value.hint


def test_the_deadline_ends_a_call(fake):
    fake.service.may_answer.clear()
    with ScoringClient(fake.address, timeout_s=0.05) as client, pytest.raises(ServerError) as refused:
        client.score(ROWS)
    assert refused.value.code == "DEADLINE_EXCEEDED"


class TestStream:
    def test_one_answer_a_chunk_in_order(self, client):
        chunks = ([[float(number), 0.0]] * number for number in range(1, 6))
        answers = list(client.score_stream(chunks, model="payments"))
        assert [answer.anomaly_score.tolist() for answer in answers] == [[n] * n for n in range(1, 6)]

    def test_a_table_comes_back_as_one_record(self, client, fake):
        table = pa.table({"a": np.arange(10.0)})
        scores = client.score_table(table, chunk_rows=4)
        np.testing.assert_array_equal(scores.anomaly_score, np.arange(10.0))
        assert len(fake.service.requests) == 1 + 3

    @pytest.mark.parametrize("rows", [np.zeros((5, 2)), {"a": [0.0] * 5}, pd.DataFrame({"a": [0.0] * 5})])
    def test_every_form_of_rows_is_cut(self, client, rows):
        assert len(client.score_table(rows, chunk_rows=2).anomaly_score) == 5

    def test_chunks_have_rows(self, client):
        with pytest.raises(ConfigError, match="chunk_rows must be at least 1, got 0"):
            client.score_table(ROWS, chunk_rows=0)

    def test_chunks_are_read_no_faster_than_answers_are_taken(self, client, fake):
        n_made = itertools.count()
        n_seen = 0

        def endless():
            nonlocal n_seen
            while True:
                n_seen = next(n_made)
                yield np.zeros((8192, 16))  # 0.5 to 1 MiB

        stream = client.score_stream(endless())
        fake.service.may_answer.clear()
        reader = threading.Thread(target=lambda: next(stream))
        reader.start()
        before = -1
        while before != n_seen:  # until the sender stands still
            before = n_seen
            reader.join(0.3)
        assert n_seen < 40
        fake.service.may_answer.set()
        reader.join(20)
        stream.close()

    def test_leaving_early_cancels_the_call(self, client, fake):
        stream = client.score_stream(itertools.repeat(ROWS))
        next(stream)
        stream.close()
        assert fake.service.was_cancelled.wait(20)

    def test_leaving_early_waits_for_the_chunk_that_is_being_made_and_takes_no_other(self, client):
        is_made, may_go_on, taken = threading.Event(), threading.Event(), []

        def chunks():
            yield ROWS
            is_made.set()
            may_go_on.wait(20)
            taken.append("second")
            yield ROWS
            taken.append("third")

        stream = client.score_stream(chunks())
        next(stream)
        is_made.wait(20)
        leaving = threading.Thread(target=stream.close)
        leaving.start()
        leaving.join(0.1)
        assert leaving.is_alive()
        may_go_on.set()
        leaving.join(20)
        assert taken == ["second"]

    def test_the_servers_refusal_of_a_chunk_follows_the_answers_before(self, client, fake):
        fake.service.refused_chunk = 2
        stream = client.score_stream(itertools.repeat(ROWS, 5))
        assert [next(stream).anomaly_score[1] for _ in range(2)] == [3.5, 3.5]
        with pytest.raises(RefusedRows, match="chunk 2: a row must have 3 features"):
            next(stream)

    def test_an_error_of_the_chunks_follows_the_answers_before(self, client):
        def chunks():
            yield ROWS
            raise KeyError("of the caller")

        stream = client.score_stream(chunks())
        assert len(next(stream).anomaly_score) == 2
        with pytest.raises(KeyError, match="of the caller"):
            next(stream)

    def test_a_chunk_that_cannot_be_sent_is_named(self, client):
        stream = client.score_stream([ROWS, [["text"]]])
        next(stream)
        with pytest.raises(RowsError, match="chunk 1: rows must be a matrix"):
            next(stream)

    def test_answers_out_of_order_are_refused(self, client, fake):
        fake.service.first_index = 1
        with pytest.raises(ServerError, match="answers must come in order, got 1 in place of 0"):
            next(client.score_stream([ROWS]))

    def test_time_in_which_no_chunk_waits_does_not_count(self, fake):
        slow = threading.Event()

        def chunks():
            yield ROWS
            slow.wait(0.8)
            yield ROWS

        with ScoringClient(fake.address, timeout_s=0.5) as client:
            assert len(list(client.score_stream(chunks()))) == 2

    def test_an_answer_that_does_not_come_ends_the_stream(self, fake):
        fake.service.may_answer.clear()
        with (
            ScoringClient(fake.address, timeout_s=0.05) as client,
            pytest.raises(ServerError, match=r"must answer a chunk within 0\.05 s") as refused,
        ):
            next(client.score_stream([ROWS]))
        assert refused.value.code == "DEADLINE_EXCEEDED"


def test_the_client_imports_neither_torch_nor_pandas_nor_open_inference():
    code = (
        "import sys, automl_ad.rpc.client, automl_ad.rpc.client.async_client\n"
        "names = 'torch', 'pandas', 'sklearn', 'automl_ad.rpc.oip', 'automl_ad.artifact', 'opentelemetry'\n"
        "print([name for name in names if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
