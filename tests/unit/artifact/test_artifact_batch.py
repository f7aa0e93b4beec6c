"""Files in, one parquet file of scores out: in order, complete or not at all."""

from __future__ import annotations

import signal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from automl_ad import cli
from automl_ad.artifact import Scorer, batch, score_sources
from automl_ad.data import scores_file
from automl_ad.errors import ConfigError, DataError, RowsError


@pytest.fixture(scope="module")
def scorer(ensemble_path) -> Scorer:
    return Scorer.load(ensemble_path)


@pytest.fixture(scope="module")
def many(table) -> pa.Table:
    """20,100 rows."""
    return pa.concat_tables([table] * 67).combine_chunks()


@pytest.fixture
def small_batches(monkeypatch) -> None:
    monkeypatch.setattr(batch, "MAX_BATCH_ROWS", 1_000)


@pytest.mark.usefixtures("small_batches")
def test_output_has_the_documented_columns_in_row_order(scorer, many, tmp_path):
    pq.write_table(many, tmp_path / "in.parquet")
    done: list[int] = []
    report = score_sources(
        scorer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet", on_progress=done.append
    )
    out = pq.read_table(tmp_path / "out.parquet")
    expected = scorer.score(many)
    assert out.schema.names == ["row_id", "anomaly_score", "percentile", "is_anomaly"]
    assert [str(field.type) for field in out.schema] == ["int64", "double", "double", "bool"]
    np.testing.assert_array_equal(out["row_id"].to_numpy(), np.arange(20_100))
    np.testing.assert_allclose(out["anomaly_score"].to_numpy(), expected.anomaly_score, rtol=1e-5)
    assert (report.n_rows, report.n_anomalies) == (20_100, out["is_anomaly"].to_numpy().sum())
    assert report.n_anomalies > 0
    assert done == [*range(1_000, 20_001, 1_000), 20_100]


def test_positions_go_on_over_files_and_row_groups(scorer, table, tmp_path, monkeypatch):
    monkeypatch.setattr(scores_file, "ROW_GROUP_ROWS", 400)
    for name in ("a", "b", "c"):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    score_sources(scorer, [str(tmp_path / "*.parquet")], tmp_path / "out" / "scores.parquet")
    file = pq.ParquetFile(tmp_path / "out" / "scores.parquet")
    assert file.metadata.num_row_groups == 2
    np.testing.assert_array_equal(file.read()["row_id"].to_numpy(), np.arange(900))


@pytest.mark.parametrize("kind", [pa.string(), pa.int64(), pa.timestamp("ms")])
def test_row_ids_keep_their_values_and_type(kind, scorer, table, tmp_path):
    ids = pa.array(range(1000, 1300)).cast(kind)
    pq.write_table(table.append_column("key", ids), tmp_path / "in.parquet")
    score_sources(scorer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet", id_column="key")
    assert pq.read_table(tmp_path / "out.parquet")["row_id"].combine_chunks().equals(ids)


def test_csv_scores_as_parquet_does(scorer, table, tmp_path):
    pq.write_table(table, tmp_path / "in.parquet")
    pacsv.write_csv(table, tmp_path / "in.csv")
    scores = []
    for name in ("in.parquet", "in.csv"):
        score_sources(scorer, [str(tmp_path / name)], tmp_path / "out.parquet")
        scores.append(pq.read_table(tmp_path / "out.parquet")["anomaly_score"].to_numpy())
    np.testing.assert_allclose(*scores, rtol=1e-6)


@pytest.mark.usefixtures("small_batches")
def test_bad_row_is_named_by_its_position_in_the_data(scorer, many, tmp_path):
    a = many["a"].to_numpy().copy()
    a[12_345] = np.inf
    pq.write_table(many.set_column(0, "a", pa.array(a)), tmp_path / "in.parquet")
    with pytest.raises(RowsError, match=r"'a' must be finite.* in row 12345\n"):
        score_sources(scorer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_failure_keeps_an_older_output(scorer, table, tmp_path):
    (tmp_path / "out.parquet").write_text("older")
    pq.write_table(table.drop_columns("b"), tmp_path / "in.parquet")
    with pytest.raises(DataError, match="'b'"):
        score_sources(scorer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_text() == "older"


def test_batches_of_wide_rows_are_short(scorer, many, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "BATCH_VALUES", 600)  # 6 encoded features: `e` has a flag for missing values
    pq.write_table(many.slice(0, 250), tmp_path / "in.parquet")
    done: list[int] = []
    score_sources(scorer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet", on_progress=done.append)
    assert done == [100, 200, 250]


def test_no_rows_are_an_error(scorer, table, tmp_path):
    pq.write_table(table.slice(0, 0), tmp_path / "in.parquet")
    with pytest.raises(DataError, match="must be rows to score"):
        score_sources(scorer, [str(tmp_path / "in.parquet")], tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_output_over_an_input_is_refused(scorer, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pq.write_table(table, "in.parquet")
    (tmp_path / "link.parquet").symlink_to("in.parquet")
    for source in ("in.parquet", "link.parquet", "*.parquet"):
        for output in ("in.parquet", "link.parquet"):
            with pytest.raises(ConfigError, match="must not be one of the data files"):
                score_sources(scorer, [source], tmp_path / output)
    assert pq.read_table("in.parquet").equals(table)


def test_command_prints_the_output_last_and_talks_on_stderr(ensemble_path, table, tmp_path):
    pq.write_table(table, tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    run = CliRunner().invoke(
        cli.app, ["score", str(ensemble_path), str(tmp_path / "in.parquet"), "-o", str(out)]
    )
    assert run.exit_code == 0, run.output
    assert run.stdout == f"{out}\n"
    assert "300 rows" in run.stderr
    assert "payments" in run.stderr
    assert pq.read_table(out).num_rows == 300


def test_quiet_command_says_only_the_path(ensemble_path, table, tmp_path):
    pq.write_table(table, tmp_path / "in.parquet")
    run = CliRunner().invoke(
        cli.app,
        ["score", str(ensemble_path), str(tmp_path / "in.parquet"), "-o", str(tmp_path / "o"), "--quiet"],
    )
    assert (run.stdout, run.stderr) == (f"{tmp_path / 'o'}\n", "")


def test_command_ended_by_sigterm_leaves_no_partial_file(ensemble_path, table, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "MAX_BATCH_ROWS", 100)
    monkeypatch.setattr(scores_file, "ROW_GROUP_ROWS", 1)
    monkeypatch.setattr(
        "automl_ad.cli.row_progress.RowProgress.__call__",
        lambda _self, n_rows: signal.raise_signal(signal.SIGTERM) if n_rows > 100 else None,
    )
    pq.write_table(table, tmp_path / "in.parquet")
    arguments = ["score", str(ensemble_path), str(tmp_path / "in.parquet"), "-o", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["automl-ad", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 143
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_command_ends_with_code_3_on_a_broken_artifact(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["automl-ad", "score", str(tmp_path), "in.parquet", "-o", "out.parquet"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 3
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert "manifest.json: must exist" in stderr
    assert "hint:" in stderr
