"""A small benchmark as a user runs it: stopped in the middle, finished by the same command, read again."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from automl_ad.artifact import Scorer
from automl_ad.evaluation.bench.cases import read_case
from automl_ad.evaluation.bench.records import report_from_json
from automl_ad.evaluation.bench.searching import BenchConfig, search_case
from automl_ad.evaluation.bench.tables import Case, make_table
from automl_ad.evaluation.metrics import auroc

PROGRAM = (sys.executable, "-c", "from automl_ad.cli import main; main()")
PROGRESS = re.compile(r"\[ *\d+ s\] .+")
REGIMES = ("clean", "natural")
TIMEOUT_S = 900
"""For processes that import torch on a busy machine; nothing here is timed."""

pytestmark = pytest.mark.timeout(TIMEOUT_S)


@dataclass(frozen=True)
class Run:
    """What a benchmark left behind."""

    code: int
    out: str
    err: str
    written: dict[str, int]
    """Result of a finished trial -> when it was written."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """Two labelled tables of scikit-learn, one of them messy, and a file that is none."""
    folder = tmp_path_factory.mktemp("tables")
    wine, cancer = load_wine(as_frame=True), load_breast_cancer(as_frame=True)
    pq.write_table(
        labelled(wine.data, wine.target == 2, n_normals=80, n_anomalies=12), folder / "wine.parquet"
    )
    rows = labelled(cancer.data.iloc[:, :6], cancer.target == 0, n_normals=80, n_anomalies=10)
    messy = {
        "gap": [None if i % 7 == 0 else float(i % 5) for i in range(90)],
        "text": ["red", "green", "blue"] * 30,
        "constant": [1.0] * 90,
    }
    pyarrow.csv.write_csv(
        pa.table({**messy, **dict(zip(rows.column_names, rows.columns, strict=True))}), folder / "cancer.csv"
    )
    (folder / "broken.parquet").write_bytes(b"PAR1 and no more")
    return folder


def labelled(frame, is_anomaly, *, n_normals: int, n_anomalies: int) -> pa.Table:
    normals, anomalies = np.flatnonzero(~is_anomaly)[:n_normals], np.flatnonzero(is_anomaly)[:n_anomalies]
    rows = np.random.default_rng(0).permutation(np.concatenate([normals, anomalies]))
    columns = {str(name).replace(" ", "_"): frame[name].to_numpy()[rows] for name in frame.columns}
    return pa.table({**columns, "label": is_anomaly.to_numpy()[rows].astype(int)})


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("bench") / "output"


@pytest.fixture(scope="module")
def command(tables: Path, output: Path) -> list[str]:
    settings = {"--preset": "fast", "--max-trials": 4, "--max-rows": 120, "--jobs": 2, "--output": output}
    words = [str(word) for setting in settings.items() for word in setting]
    regimes = [word for regime in REGIMES for word in ("--regime", regime)]
    return [*PROGRAM, "bench", str(tables), *words, *regimes, "--no-peers"]


def run(command: Sequence[str], output: Path, *, until_n_trials: int | None = None) -> Run:
    """Run the command; after so many trials, press Ctrl-C, which every process of the terminal gets.

    Returns when nobody has stdout or stderr open any more: no process is left behind.
    """
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        if until_n_trials is not None:
            while len(written(output)) < until_n_trials:
                assert process.poll() is None
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
        try:
            out, err = process.communicate(timeout=TIMEOUT_S / 3 if until_n_trials is None else 60)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return Run(process.returncode, out, err, written(output))


def written(output: Path) -> dict[str, int]:
    results = output.glob("cases/*/*/*/study/trials/[0-9]*/result.json")
    return {str(path.relative_to(output)): path.stat().st_mtime_ns for path in results}


@pytest.fixture(scope="module")
def stopped(command, output) -> Run:
    return run(command, output, until_n_trials=5)


@pytest.fixture(scope="module")
def finished(stopped, command, output) -> Run:
    return run(command, output)


@pytest.fixture(scope="module")
def repeated(finished, command, output) -> Run:
    return run([*command, "--json"], output)


def test_ctrl_c_ends_all_searches_without_a_traceback(stopped, output):
    assert stopped.code == 130
    assert stopped.out == ""
    assert f"automl-ad: stopped; finished trials are kept in {output}" in stopped.err
    assert "Traceback" not in stopped.err
    assert 5 <= len(stopped.written) < 2 * 2 * 4
    assert not (output / "bench.html").exists()


def test_the_same_command_finishes_what_was_stopped(stopped, finished, output):
    assert finished.code == 0
    assert finished.written.items() > stopped.written.items()
    last = finished.out.splitlines()[-1]
    assert last == str(output / "bench.html")
    assert "<html" in Path(last).read_text()
    assert {"clean: 2 datasets, 2 searches", "natural: 2 datasets, 2 searches"} <= set(
        finished.out.splitlines()
    )


def test_stderr_has_progress_only_and_the_reason_why_a_file_is_left_out(finished):
    lines = finished.err.splitlines()
    assert [line for line in lines if not PROGRESS.fullmatch(line)] == []
    assert "6 searches of 4 trials, 2 at a time" in lines[0]
    left_out = [line.partition("left out: ")[2] for line in lines if "left out: " in line]
    assert sorted(reason.partition(":")[0] for reason in left_out) == [
        f"broken/{regime}/seed-0" for regime in REGIMES
    ]
    assert all("broken.parquet must be a parquet file" in reason for reason in left_out)


def test_finished_searches_are_not_repeated(finished, repeated):
    assert repeated.code == 0
    assert repeated.written == finished.written
    assert repeated.err.count("kept from before") == 4


def test_json_is_one_document_with_every_search(repeated, output):
    document = json.loads(repeated.out)
    assert json.loads((output / "bench.json").read_text()) == document
    assert [regime["regime"] for regime in document["statistics"]] == [*REGIMES]
    report = report_from_json(json.dumps(document["report"]))
    assert sorted((o.dataset, o.regime) for o in report.outcomes) == [
        (name, regime) for name in ("cancer", "wine") for regime in REGIMES
    ]
    for outcome in report.outcomes:
        assert outcome.n_trials == 4
        assert {"output", "best", "mean trial", "knn", "isolation_forest"} <= set(outcome.rows)
    assert report.config["max_trials"] == 4


@pytest.mark.parametrize("regime", REGIMES)
def test_the_row_of_the_output_is_what_the_artifact_scores(tables, output, repeated, regime):
    case = Case(path=tables / "wine.parquet", regime=regime, seed=0)
    table = make_table(case, label_column="label", max_rows=120)
    judged_rows = table.fit if table.test is None else table.test
    scorer = Scorer.load(output / "cases" / case.folder / "study/artifact")
    scored = scorer.score(judged_rows).anomaly_score
    report = report_from_json(json.dumps(json.loads(repeated.out)["report"]))
    (row,) = (o.rows["output"] for o in report.outcomes if (o.dataset, o.regime) == ("wine", regime))
    assert row.auroc == pytest.approx(auroc(table.judged_labels, scored), abs=1e-3)


def test_nothing_that_was_written_for_a_search_knows_the_labels(finished, output):
    files = list((output / "cases").rglob("*.parquet"))
    assert len([file for file in files if file.name in ("fit.parquet", "test.parquet")]) == 2 * 2 + 2
    assert not any("label" in pq.read_schema(file).names for file in files)
    for document in (output / "cases").glob("*/*/*/study/*.json"):
        assert '"label"' not in document.read_text()


def test_shuffled_labels_change_nothing_before_the_judgement(tables, tmp_path):
    rows = pq.read_table(tables / "wine.parquet")
    shuffled = pa.array(np.random.default_rng(3).permutation(rows["label"].to_numpy()))
    config = BenchConfig(preset="fast", max_trials=2, max_rows=120)
    judged = []
    for name, labels in (("true", rows["label"]), ("shuffled", shuffled)):
        path = tmp_path / name / "wine.parquet"
        path.parent.mkdir()
        pq.write_table(rows.set_column(rows.num_columns - 1, "label", labels), path)
        case = Case(path=path, regime="natural", seed=0)
        assert search_case(case, config, tmp_path / name)[1] == ""
        judged.append(read_case(case, config, tmp_path / name))
    one, other = ((tmp_path / name / "cases" / case.folder / "fit.parquet") for name in ("true", "shuffled"))
    assert one.read_bytes() == other.read_bytes()
    assert evidence_of(judged[0]) == evidence_of(judged[1])
    assert judged[0].labels_N.tolist() != judged[1].labels_N.tolist()


def evidence_of(judged) -> list[tuple[object, ...]]:
    """Everything that a selection could look at."""
    return [
        (result.config, result.state, str(c.key), c.objective, c.panel_scores.tobytes())
        for result in judged.results
        for c in result.candidates
    ]


def test_other_rows_or_settings_are_not_mixed_into_a_finished_benchmark(tables, output, finished):
    case = Case(path=tables / "wine.parquet", regime="natural", seed=0)
    same = BenchConfig(preset="fast", max_trials=4, max_rows=120)
    assert search_case(case, same, output) == (0.0, "")
    other_rows = BenchConfig(preset="fast", max_trials=4, max_rows=60)
    assert "must hold the rows" in search_case(case, other_rows, output)[1]
    other_settings = BenchConfig(preset="balanced", max_trials=4, max_rows=120)
    assert "preset='balanced' (was 'fast')" in search_case(case, other_settings, output)[1]


class TestRefused:
    """Before anything is searched."""

    def test_a_folder_without_tables(self, automl_ad, tmp_path):
        (tmp_path / "notes.txt").write_text("no table")
        done = automl_ad("bench", tmp_path, "--output", tmp_path / "output")
        assert (done.code, done.out) == (3, "")
        assert f"got none in {tmp_path}" in done.err
        assert not (tmp_path / "output").exists()

    def test_an_unknown_regime(self, automl_ad, tables, tmp_path):
        done = automl_ad("bench", tables, "--regime", "nature", "--output", tmp_path / "output")
        assert (done.code, done.out) == (2, "")
        assert "got 'nature'" in done.err
        assert "did you mean 'natural'?" in done.err

    def test_an_output_folder_that_holds_something_else(self, automl_ad, tables, tmp_path):
        (tmp_path / "thesis.tex").write_text("mine")
        done = automl_ad("bench", tables, "--output", tmp_path)
        assert (done.code, done.out) == (2, "")
        assert f"got {tmp_path}, which holds something else" in done.err
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]

    @pytest.mark.parametrize(
        ("setting", "value", "rule"),
        [
            ("--jobs", 0, "at least 1, got 0"),
            ("--seeds", 0, "at least 1, got 0"),
            ("--max-trials", 0, "at least 1, got 0"),
            ("--max-rows", 19, "at least 20, got 19"),
            ("--contamination", 2, "in (0, 0.5], got 2"),
            ("--contamination", 0, "in (0, 0.5], got 0"),
            ("--random-share", 1.5, "in [0, 1], got 1.5"),
        ],
    )
    def test_a_number_outside_its_range(self, automl_ad, tables, tmp_path, setting, value, rule):
        done = automl_ad("bench", tables, setting, value, "--output", tmp_path / "output")
        assert (done.code, done.out) == (2, "")
        assert f"{setting} must be {rule}" in done.err
        assert not (tmp_path / "output").exists()

    def test_two_tables_of_one_name(self, automl_ad, tables, tmp_path):
        for ending in ("csv", "parquet"):
            (tmp_path / f"wine.{ending}").write_text("")
        done = automl_ad("bench", tmp_path, "--output", tmp_path / "output")
        assert (done.code, done.out) == (2, "")
        assert "different names" in done.err
