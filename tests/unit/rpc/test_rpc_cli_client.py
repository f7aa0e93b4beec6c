"""`automl-ad client` against a made-up service: files in, a complete file out, sentences on stderr."""

from __future__ import annotations

import json
import signal
import sys

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import trustme
from client_fakes import Refusal, listening, rich
from grpc_health.v1 import health, health_pb2

from automl_ad import cli
from automl_ad.data import scores_file
from automl_ad.rpc.client import file_scoring


@pytest.fixture
def fake():
    with listening() as running:
        yield running


@pytest.fixture
def run(monkeypatch, capsys):
    """(arguments) -> exit code, stdout, stderr."""
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")
    monkeypatch.delenv("AUTOML_AD_TOKEN", raising=False)

    def invoke(*arguments: object):
        monkeypatch.setattr(sys, "argv", ["automl-ad", "client", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return invoke


@pytest.fixture
def data(tmp_path):
    """120 rows in two files, with an id and a column that is no feature; row N has score N."""
    for name, start in (("one", 0), ("two", 60)):
        rows = np.arange(start, start + 60)
        columns = {
            "key": pa.array([f"k{row}" for row in rows]),
            "a": rows / 10,
            "country": ["SE"] * 60,
            "other": rows,
        }
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    return tmp_path / "*.parquet"


class TestScore:
    def test_files_become_the_file_that_score_writes(self, run, fake, data, tmp_path):
        out = tmp_path / "out" / "scores.parquet"
        code, stdout, stderr = run("score", fake.address, data, "-o", out, "--chunk-rows", 25)
        assert (code, stdout) == (0, f"{out}\n")
        scores = pq.read_table(out)
        assert scores.schema.names == ["row_id", "anomaly_score", "percentile", "is_anomaly"]
        np.testing.assert_array_equal(scores["row_id"], np.arange(120))
        np.testing.assert_array_equal(scores["anomaly_score"], np.arange(120) / 10)
        assert "scored 120 rows" in stderr
        assert "with payments, version v1: 94 anomalies (78.33%) above 2.5 (99 % of the panel)" in stderr

    def test_rows_are_sent_in_chunks_of_the_features_only(self, run, fake, data, tmp_path):
        run("score", fake.address, data, "-o", tmp_path / "out", "--id-column", "key", "--chunk-rows", 1000)
        chunks = [pa.ipc.open_stream(sent.chunk.arrow_ipc).read_all() for sent in fake.service.requests[2:]]
        assert [chunk.num_rows for chunk in chunks] == [50, 10, 50, 10]  # the model takes 50
        assert {tuple(chunk.column_names) for chunk in chunks} == {("a", "country")}
        assert pq.read_table(tmp_path / "out")["row_id"].to_pylist() == [f"k{row}" for row in range(120)]

    def test_heavy_chunks_are_halved(self, run, fake, data, tmp_path, monkeypatch):
        monkeypatch.setattr(file_scoring, "CHUNK_BYTES", 400)
        assert run("score", fake.address, data, "-o", tmp_path / "out")[0] == 0
        assert len(fake.service.requests) > 2 + 4
        np.testing.assert_array_equal(pq.read_table(tmp_path / "out")["anomaly_score"], np.arange(120) / 10)

    def test_a_long_job_takes_several_streams_of_one_version(self, run, fake, data, tmp_path, monkeypatch):
        monkeypatch.setattr(file_scoring, "STREAM_S", 0.0)
        assert run("score", fake.address, data, "-o", tmp_path / "out", "--version", "canary")[0] == 0
        chunks = [sent.chunk for sent in fake.service.requests if hasattr(sent, "chunk")]
        assert len(fake.service.metadata) == 1 + len(chunks) == 5
        assert {(chunk.model, chunk.model_version) for chunk in chunks} == {("payments", "v1")}
        np.testing.assert_array_equal(pq.read_table(tmp_path / "out")["row_id"], np.arange(120))

    def test_a_long_dictionary_does_not_count_for_every_row(self, run, fake, tmp_path, monkeypatch):
        monkeypatch.setattr(file_scoring, "CHUNK_BYTES", 2_000)
        texts = pa.array([f"{number:03d}" * 30 for number in range(200)]).dictionary_encode()
        pq.write_table(pa.table({"a": np.arange(200.0), "country": texts}), tmp_path / "in.parquet")
        assert run("score", fake.address, tmp_path / "in.parquet", "-o", tmp_path / "out")[0] == 0
        sent = [request.chunk.arrow_ipc for request in fake.service.requests[2:]]
        assert 200 * 98 / 2_000 <= len(sent) < 32  # 19.6 kB in halves of halves
        assert sum(map(len, sent)) < 2 * 200 * 98

    def test_what_a_stopping_server_left_unanswered_is_sent_to_another(
        self, run, fake, data, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(file_scoring, "FIRST_PAUSE_S", 0.0)
        fake.service.n_chunks_before_end = 2
        assert run("score", fake.address, data, "-o", tmp_path / "out", "--chunk-rows", 10)[0] == 0
        assert len(fake.service.metadata) == 1 + 6  # two of the twelve chunks a stream
        np.testing.assert_array_equal(pq.read_table(tmp_path / "out")["anomaly_score"], np.arange(120) / 10)

    def test_a_server_that_answers_nothing_any_more_ends_the_job(
        self, run, fake, data, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(file_scoring, "RESENDS", 2)
        monkeypatch.setattr(file_scoring, "FIRST_PAUSE_S", 0.0)
        fake.service.n_chunks_before_end = 0
        code, _, stderr = run("score", fake.address, data, "-o", tmp_path / "out")
        assert (code, "answered UNAVAILABLE: the server stops" in stderr) == (8, True)
        assert len({sent["x-request-id"] for sent in fake.service.metadata}) == 1 + 1 + 2
        assert not (tmp_path / "out").exists()

    def test_csv_is_read_too(self, run, fake, tmp_path):
        pacsv.write_csv(pa.table({"a": [1, 2], "country": ["SE", "NO"]}), tmp_path / "in.csv")
        assert run("score", fake.address, tmp_path / "in.csv", "-o", tmp_path / "out")[0] == 0
        assert pq.read_table(tmp_path / "out")["anomaly_score"].to_pylist() == [1.0, 2.0]

    def test_a_refused_row_is_counted_over_all_files_and_leaves_no_file(self, run, fake, data, tmp_path):
        fake.service.refused_chunk, fake.service.refused_with = (
            3,
            "column 'a' must be finite, got inf in row 4",
        )
        code, _, stderr = run("score", fake.address, data, "-o", tmp_path / "out", "--chunk-rows", 30)
        assert code == 3
        assert "automl-ad: column 'a' must be finite, got inf in row 94" in stderr
        assert sorted(file.name for file in tmp_path.iterdir()) == ["one.parquet", "two.parquet"]

    def test_ctrl_c_leaves_the_older_file_and_no_partial_one(self, run, fake, data, tmp_path, monkeypatch):
        def interrupted(self, n_rows):
            raise KeyboardInterrupt

        monkeypatch.setattr("automl_ad.cli.row_progress.RowProgress.__call__", interrupted)
        (tmp_path / "out").write_text("older")
        assert run("score", fake.address, data, "-o", tmp_path / "out")[0] == 130
        assert (tmp_path / "out").read_text() == "older"
        assert sorted(file.name for file in tmp_path.iterdir()) == ["one.parquet", "out", "two.parquet"]

    def test_sigterm_leaves_no_partial_file_either(self, run, fake, data, tmp_path, monkeypatch):
        before = signal.getsignal(signal.SIGTERM)
        monkeypatch.setattr(
            "automl_ad.cli.row_progress.RowProgress.__call__",
            lambda _self, n_rows: signal.raise_signal(signal.SIGTERM) if n_rows > 25 else None,
        )
        monkeypatch.setattr(scores_file, "ROW_GROUP_ROWS", 1)
        assert run("score", fake.address, data, "-o", tmp_path / "out", "--chunk-rows", 25)[0] == 143
        assert sorted(file.name for file in tmp_path.iterdir()) == ["one.parquet", "two.parquet"]
        assert signal.getsignal(signal.SIGTERM) is before

    def test_a_missing_column_is_named_before_a_row_is_sent(self, run, fake, tmp_path):
        pq.write_table(pa.table({"a": [1.0]}), tmp_path / "in.parquet")
        code, _, stderr = run("score", fake.address, tmp_path / "in.parquet", "-o", tmp_path / "out")
        assert code == 3
        assert "'country'" in stderr


class TestToken:
    def test_it_comes_from_a_file_or_the_environment(self, run, fake, tmp_path, monkeypatch):
        (tmp_path / "token").write_text("from-file\n")
        run("models", fake.address, "--token-file", tmp_path / "token")
        monkeypatch.setenv("AUTOML_AD_TOKEN", "from-environment")
        run("models", fake.address)
        run("models", fake.address, "--token-file", tmp_path / "token")
        sent = [metadata["authorization"] for metadata in fake.service.metadata]
        assert sent == ["Bearer from-file", "Bearer from-environment", "Bearer from-file"]

    def test_it_never_leaves_the_machine_in_clear(self, run, monkeypatch):
        monkeypatch.setenv("AUTOML_AD_TOKEN", "s3cret")
        code, _, stderr = run("models", "models.example:9000")
        assert code == 2
        assert "a token must not travel without encryption" in stderr
        assert "s3cret" not in stderr

    def test_one_that_is_refused_ends_with_a_sentence_and_code_8(self, run, fake):
        refusal = rich(grpc.StatusCode.UNAUTHENTICATED, "the token is not known", "TOKEN_REFUSED")
        fake.service.refusals = [refusal]
        assert run("models", fake.address) == (8, "", "automl-ad: the token is not known\n")


def test_models_are_listed(run, fake):
    code, stdout, _ = run("models", fake.address)
    assert (code, stdout.split()[:2]) == (0, ["payments", "v1"])
    (model,) = json.loads(run("models", fake.address, "--json")[1])
    assert model["features"][1] == {"name": "country", "kind": "categorical", "is_nullable": True}


def test_explanations_are_lines_of_json(run, fake, data):
    code, stdout, _ = run("explain", fake.address, data, "--id-column", "key")
    lines = [json.loads(line) for line in stdout.splitlines()]
    assert (code, len(lines)) == (0, 120)
    assert lines[30] == {
        "row_id": "k30",
        "anomaly_score": 3.0,
        "reference_score": 1.0,
        "contributions": {"a": 2.0, "b": 0.0},
        "standard_errors": {"a": 0.0, "b": 0.5},
        "model": "payments",
        "version": "v1",
    }
    assert len(fake.service.requests) == 1 + 120 / 4


def test_rows_that_cannot_be_explained_are_counted_over_all_data(run, fake, data):
    no_finite = "column 'a' must be finite, got inf in row 3"
    refusal = Refusal(code=grpc.StatusCode.INVALID_ARGUMENT, details=no_finite)
    fake.service.refusals = [None, None, refusal]  # the model is asked for, then 4 rows at a time
    code, stdout, stderr = run("explain", fake.address, data)
    assert (code, len(stdout.splitlines())) == (3, 4)
    assert "got inf in row 7" in stderr


def test_the_name_in_the_certificate_can_be_given(run, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("models.example")
    pair = (issued.private_key_pem.bytes(), issued.cert_chain_pems[0].bytes())
    with listening(grpc.ssl_server_credentials([pair])) as secure:
        asked = ("health", secure.address, "--tls-ca", tmp_path / "ca.pem")
        assert run(*asked, "--tls-server-name", "models.example")[:2] == (0, "SERVING\n")
        assert run(*asked, "--timeout", "1s")[0] == 1


@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "INTERNAL"])
def test_health_is_1_whatever_the_refusal_is(run, monkeypatch, code):
    def refuse(_self, _request, context):
        context.abort(grpc.StatusCode[code], "refused")

    monkeypatch.setattr(health.HealthServicer, "Check", refuse)
    with listening() as running:
        exit_code, stdout, stderr = run("health", running.address)
    assert (exit_code, stdout) == (1, "")
    assert "refused" in stderr


def test_health_of_a_service_that_is_not_known_is_1(run, fake):
    assert run("health", fake.address, "--service", "no.such.Service")[:2] == (1, "")


def test_health_is_an_exit_code(run, fake, monkeypatch):
    monkeypatch.setenv("AUTOML_AD_TOKEN", "not-needed")
    assert run("health", fake.address)[:2] == (0, "SERVING\n")
    fake.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert run("health", fake.address)[:2] == (1, "NOT_SERVING\n")
    code, _, stderr = run("health", "127.0.0.1:1", "--timeout", "1s")
    assert code == 1
    assert "127.0.0.1:1 answered UNAVAILABLE" in stderr


def test_a_server_that_is_busy_for_good_ends_with_code_8(run, fake):
    fake.service.always = Refusal(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED, trailing=(("grpc-retry-pushback-ms", "-1"),)
    )
    code, _, stderr = run("models", fake.address)
    assert code == 8
    assert "is busy: refused" in stderr
