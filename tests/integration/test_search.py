"""The whole way on a small table: what a search leaves behind, and what it never looks at."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_ad import Scorer, search
from automl_ad.config import DataConfig, SearchConfig
from automl_ad.results import CandidateKey, TrialResult
from automl_ad.searching import SearchOutcome

TRIALS = ("--preset", "fast", "--max-trials", "4")
CONFIG = SearchConfig(preset="fast", max_trials=4)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """90 rows of three numeric, one text and one label column; the last ten rows are anomalies."""
    rng = np.random.default_rng(5)
    x_ND = rng.normal(size=(90, 3))
    x_ND[80:] += 4 * rng.choice([-1, 1], size=(10, 3))
    kind = rng.choice(["card", "cash", "wire"], size=90)
    return pa.table({**{f"x{i}": x_ND[:, i] for i in range(3)}, "kind": kind, "label": [0] * 80 + [1] * 10})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, table: pa.Table) -> Path:
    path = tmp_path_factory.mktemp("data") / "table.parquet"
    pq.write_table(table, path)
    return path


def searched(file: Path, output: Path, config: SearchConfig = CONFIG) -> SearchOutcome:
    outcome = search(DataConfig(sources=(str(file),), label_column="label"), config, output=output)
    assert isinstance(outcome, SearchOutcome)
    return outcome


@pytest.fixture(scope="module")
def outcome(file: Path, tmp_path_factory: pytest.TempPathFactory) -> SearchOutcome:
    return searched(file, tmp_path_factory.mktemp("study") / "study")


def panel_scores(results: tuple[TrialResult, ...], key: CandidateKey) -> np.ndarray:
    return next(c.panel_scores for r in results for c in r.candidates if c.key == key)


def test_artifacts_score_the_panel_as_the_search_saw_it(outcome: SearchOutcome, table: pa.Table):
    rows = table.drop_columns("label").take(outcome.panel_positions)
    scores = Scorer.load(outcome.exported.artifact).score(rows).anomaly_score
    np.testing.assert_allclose(scores, outcome.exported.panel_scores, rtol=1e-6)
    assert outcome.exported.best_artifact is not None
    best = Scorer.load(outcome.exported.best_artifact).score(rows).anomaly_score
    np.testing.assert_allclose(best, panel_scores(outcome.results, outcome.selection.best), rtol=1e-6)


def test_planted_anomalies_come_first(outcome: SearchOutcome):
    is_anomaly = outcome.panel_positions >= 80
    scores = outcome.exported.panel_scores
    wins = scores[is_anomaly][:, None] > scores[~is_anomaly][None, :]
    assert wins.mean() > 0.95


def test_baselines_defaults_and_samples_were_tried(outcome: SearchOutcome):
    origins = [result.config.origin for result in outcome.results]
    assert origins.count("baseline") == 9
    assert len(origins) == 9 + 4
    assert {row.origin for row in outcome.selection.ranking} >= {"baseline", "default"}


def test_labels_do_not_change_the_search(outcome: SearchOutcome, table: pa.Table, tmp_path: Path):
    shuffled = np.random.default_rng(1).permutation(table["label"].to_numpy())
    liar = table.set_column(table.column_names.index("label"), "label", pa.array(shuffled))
    pq.write_table(liar, tmp_path / "table.parquet")
    other = searched(tmp_path / "table.parquet", tmp_path / "study")
    assert other.selection == outcome.selection
    np.testing.assert_array_equal(other.exported.panel_scores, outcome.exported.panel_scores)


def test_resuming_a_finished_study_selects_the_same(automl_ad, file: Path, outcome: SearchOutcome):
    flags = (file, "--label-column", "label", *TRIALS, "--output", outcome.study, "--resume", "--json")
    done = automl_ad("search", *flags)
    document = json.loads(done.out)
    assert document["best"] == str(outcome.selection.best)
    assert document["artifact"] == str(outcome.exported.artifact)
    assert document["audit"]["n_anomalies"] == 10
    assert done.code == (0 if outcome.selection.is_distinguishable else 5)
    kept = json.loads(automl_ad("show", outcome.study, "--json").out)
    for name in ("criteria", "against_baselines"):
        assert kept[name] == document[name] != []


def test_a_study_can_grow(file: Path, tmp_path: Path):
    small = searched(file, tmp_path / "study", SearchConfig(preset="fast", max_trials=1))
    grown_config = SearchConfig(preset="fast", max_trials=2)
    data = DataConfig(sources=(str(file),), label_column="label")
    grown = search(data, grown_config, output=tmp_path / "study", resume=True)
    assert isinstance(grown, SearchOutcome)
    assert len(grown.results) == len(small.results) + 1


def test_the_index_may_live_in_a_database(automl_ad, file: Path, tmp_path: Path):
    import optuna

    url = f"sqlite:///{tmp_path}/index.db"
    flags = ("--drop", "label", *TRIALS, "--output", tmp_path / "s", "--storage", url)
    assert automl_ad("search", file, *flags).code in (0, 5)
    (summary,) = optuna.get_all_study_summaries(url)
    assert summary.n_trials == 9 + 4
    assert "verdict" in summary.user_attrs
    trials = optuna.load_study(study_name=summary.study_name, storage=url).trials
    (network,) = (t for t in trials if t.user_attrs["detector"] == "autoencoder")
    assert sum(t.state.name == "COMPLETE" for t in trials if t.user_attrs["origin"] == "baseline") == 9
    shown = {"score_type", "checkpoint", "objective", "veto", "anchor_agreement", "loss_stability"}
    assert shown <= set(network.user_attrs)
    assert network.value == pytest.approx(network.user_attrs["anchor_agreement"], abs=1e-4)
    assert not (tmp_path / "s/journal.log").exists()


def test_the_last_line_is_the_artifact(automl_ad, file: Path, tmp_path: Path):
    done = automl_ad("search", file, "--label-column", "label", *TRIALS, "--output", tmp_path / "s")
    assert done.code in (0, 5)
    assert Scorer.load(Path(done.out.splitlines()[-1])).schema.feature_names == ("x0", "x1", "x2", "kind")
    assert "AUROC*" in done.out
    assert "Traceback" not in done.err


def test_labels_that_are_no_labels_cost_only_the_audit(automl_ad, file: Path, tmp_path: Path):
    flags = ("--label-column", "kind", "--drop", "label", *TRIALS, "--output", tmp_path / "s")
    done = automl_ad("search", file, *flags)
    assert done.code in (0, 5)
    assert "no audit" in done.err
    assert "AUROC*" not in done.out


def test_clean_training_data_are_judged_on_held_out_rows(file: Path, tmp_path: Path):
    config = SearchConfig(preset="fast", max_trials=2, training_data="clean")
    outcome = searched(file, tmp_path / "study", config)
    assert len(outcome.panel_positions) == 18
    assert any(row.criteria["probe_auc"] is not None for row in outcome.selection.ranking)


def test_a_budget_that_ends_too_early_says_so(automl_ad, file: Path, tmp_path: Path):
    flags = ("--time-budget", "0.01s", "--max-trials", "30", "--output", tmp_path / "study")
    done = automl_ad("search", file, *flags)
    assert done.code == 6
    assert "--resume" in done.err


def test_images_are_searched_as_pixels(automl_ad, public_data: Path, tmp_path: Path):
    images = pq.read_table(public_data / "images/mnist.parquet").slice(0, 120)
    pq.write_table(images, tmp_path / "images.parquet")
    flags = ("--label-column", "class", "--drop", "split", *TRIALS, "--output", tmp_path / "study")
    done = automl_ad("search", tmp_path / "images.parquet", *flags)
    assert done.code in (0, 5), done.err
    scorer = Scorer.load(tmp_path / "study/artifact")
    scores = scorer.score(images.select(["image"]))
    assert np.isfinite(scores.anomaly_score).all()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_search_keeps_its_trials(automl_ad, file: Path, tmp_path: Path, number: int, code: int):
    study = tmp_path / "study"
    flags = ["--max-trials", "400", "--output", str(study), "--label-column", "label"]
    command = [sys.executable, "-m", "automl_ad", "search", str(file), *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    )
    deadline = time.monotonic() + 120
    while len(list(study.glob("trials/0*"))) < 11 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "--resume" in err
    assert "Traceback" not in err
    kept = {path.name for path in study.glob("trials/0*")}
    assert len(kept) >= 11
    resumed = automl_ad("search", file, *flags, "--time-budget", "3s", "--resume")
    assert resumed.code in (0, 5), resumed.err
    assert kept < {path.name for path in study.glob("trials/0*")}


def test_resuming_where_a_killed_creation_left_off_begins_anew(automl_ad, file: Path, tmp_path: Path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s/lock").touch()
    flags = ("--drop", "label", *TRIALS, "--output", tmp_path / "s", "--resume")
    assert automl_ad("search", file, *flags).code in (0, 5)


def test_another_preprocessing_is_not_mixed_into_a_study(file: Path, tmp_path: Path, monkeypatch):
    from automl_ad.data import Preprocessor
    from automl_ad.errors import StudyError

    data, config = (
        DataConfig(sources=(str(file),), label_column="label"),
        SearchConfig(preset="fast", max_trials=1),
    )
    search(data, config, output=tmp_path / "s")
    arrays = Preprocessor.arrays

    def shifted(self: Preprocessor) -> dict[str, np.ndarray]:
        return {name: array + (array.dtype.kind == "f") for name, array in arrays(self).items()}

    monkeypatch.setattr(Preprocessor, "arrays", shifted)
    with pytest.raises(StudyError, match="preprocessing it began with"):
        search(data, config, output=tmp_path / "s", resume=True)


def test_the_threshold_may_change_on_resume(automl_ad, file: Path, outcome: SearchOutcome):
    flags = (file, "--label-column", "label", *TRIALS, "--output", outcome.study, "--resume", "--json")
    done = automl_ad("search", *flags, "--contamination", "0.2")
    assert done.code in (0, 5), done.err
    assert "contamination 20 %" in Scorer.load(outcome.study / "artifact").manifest.threshold.rule


def test_the_selection_may_change_on_resume(automl_ad, file: Path, outcome: SearchOutcome):
    flags = (file, "--label-column", "label", *TRIALS, "--output", outcome.study, "--resume", "--json")
    ranked = ("--rank-by", "consensus=2", "--rank-by", "tail_shape", "--aggregate", "kemeny", "--parts", "1")
    written = {path: path.stat().st_mtime_ns for path in (outcome.study / "trials").rglob("*")}
    done = automl_ad("search", *flags, *ranked)
    assert done.code in (0, 5), done.err
    assert written == {path: path.stat().st_mtime_ns for path in (outcome.study / "trials").rglob("*")}
    rows = [row for row in json.loads(done.out)["ranking"] if not row["veto"]]
    assert [row["aggregate"] for row in rows] == sorted((row["aggregate"] for row in rows), reverse=True)
    selection = Scorer.load(outcome.study / "artifact").manifest.study["selection"]
    assert (selection["rank_by"], selection["aggregate"]) == (["consensus=2", "tail_shape"], "kemeny")


def test_both_artifacts_can_be_served_together(outcome: SearchOutcome):
    paths = [outcome.exported.artifact, outcome.exported.best_artifact]
    assert len({Scorer.load(path).name for path in paths if path}) == 2
