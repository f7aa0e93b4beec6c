"""Every wrong input ends with its exit code and a sentence that names what is wrong."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, blob_columns) -> Path:
    """A folder of good and bad files."""
    folder = tmp_path_factory.mktemp("files")
    good = blob_columns(n_rows=60, n_columns=3, seed=0)
    good = good.append_column("label", pa.array([1] * 5 + [0] * 55))
    pq.write_table(good, folder / "good.parquet")
    pq.write_table(good.slice(0, 40), folder / "other.parquet")
    pq.write_table(good.slice(0, 0), folder / "norows.parquet")
    pq.write_table(good.slice(0, 5), folder / "fiverows.parquet")
    (folder / "empty.parquet").write_bytes(b"")
    (folder / "truncated.parquet").write_bytes((folder / "good.parquet").read_bytes()[:300])
    (folder / "text.parquet").write_text("x0,x1\n1,2\n")
    (folder / "table.xlsx").write_text("?")
    (folder / "ragged.csv").write_text("a,b\n1,2\n3\n4,5,6\n")
    pq.write_table(pa.table({"a": [1.0] * 50, "b": ["x"] * 50}), folder / "constant.parquet")
    pq.write_table(pa.table({"a": [*np.arange(49.0) ** 2, np.inf]}), folder / "infinite.parquet")
    (folder / "mixed").mkdir()
    pq.write_table(pa.table({"a": np.arange(50.0)}), folder / "mixed/1.parquet")
    pq.write_table(pa.table({"a": [str(i) for i in range(50)]}), folder / "mixed/2.parquet")
    (folder / "bad_space.toml").write_text(
        'detector = "knn"\n[parameters.n_neighbors]\ntype = "int"\nlow = 9\nhigh = 2\ndefault = 5\n'
    )
    return folder


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Path:
    """A finished study of good.parquet."""
    from automl_ad import search
    from automl_ad.config import DataConfig, SearchConfig

    folder = tmp_path_factory.mktemp("study") / "study"
    data = DataConfig(sources=(str(files / "good.parquet"),), label_column="label")
    search(data, SearchConfig(detectors=("knn",), max_trials=1), output=folder)
    return folder


SEARCHES = [
    (3, ["missing.parquet"], "missing.parquet"),
    (3, ["godo.parquet"], "good.parquet"),
    (3, ["empty.parquet"], "empty.parquet"),
    (3, ["truncated.parquet"], "truncated.parquet"),
    (3, ["text.parquet"], "text.parquet"),
    (3, ["table.xlsx"], "table.xlsx"),
    (3, ["ragged.csv"], "ragged.csv"),
    (3, ["norows.parquet"], "row"),
    (3, ["fiverows.parquet"], "20"),
    (3, ["constant.parquet"], "constant"),
    (3, ["infinite.parquet"], "'a'"),
    (3, ["nothing-*.parquet"], "nothing-*.parquet"),
    (3, ["mixed"], "'a'"),
    (3, ["good.parquet", "--label-column", "labell"], "label"),
    (3, ["good.parquet", "--drop", "x9"], "'x9'"),
    (3, ["good.parquet", "--id-column", "row_id"], "'row_id'"),
    (2, [], "data source"),
    (2, ["good.parquet", "--demo"], "--demo"),
    (2, ["good.parquet", "--max-trials", "0"], "--max-trials"),
    (2, ["good.parquet", "--max-trials", "many"], "--max-trials"),
    (2, ["good.parquet", "--time-budget", "soon"], "write for example 10m"),
    (2, ["good.parquet", "--preset", "quick"], "quick"),
    (2, ["good.parquet", "--detector", "knm"], "knn"),
    (2, ["good.parquet", "--contamination", "0.7"], "--contamination"),
    (2, ["good.parquet", "--alert-rate", "0"], "--alert-rate"),
    (2, ["good.parquet", "--seed", "-1"], "--seed"),
    (2, ["good.parquet", "--members", "0"], "--members"),
    (2, ["good.parquet", "--parts", "0"], "--parts"),
    (2, ["good.parquet", "--rank-by", "tail_shap"], "did you mean 'tail_shape'?"),
    (2, ["good.parquet", "--rank-by", "tail_shape=no"], "CRITERION=WEIGHT"),
    (2, ["good.parquet", "--aggregate", "condorcet"], "robust_borda"),
    (2, ["good.parquet", "--max-rows", "3"], "--max-rows"),
    (2, ["good.parquet", "--gpus-per-trial", "-1", "--executor", "ray"], "--gpus-per-trial"),
    (2, ["good.parquet", "--labels", "label"], "--labels"),
]


@pytest.mark.parametrize(("code", "arguments", "named"), SEARCHES)
def test_search_refuses(automl_ad, files, tmp_path, monkeypatch, code, arguments, named):
    monkeypatch.chdir(files)
    done = automl_ad("search", *arguments, "--output", tmp_path / "study")
    assert_refused(done, code, named)
    assert not (tmp_path / "study").exists()


def assert_refused(done, code: int, named: str) -> None:
    assert done.code == code, done.err
    assert named in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_an_existing_study_is_not_overwritten(automl_ad, files, study):
    done = automl_ad("search", files / "good.parquet", "--label-column", "label", "--output", study)
    assert_refused(done, 2, "--resume")


@pytest.mark.parametrize(
    ("source", "flags", "named"),
    [
        ("other.parquet", (), "other data"),
        ("good.parquet", ("--seed", "5"), "seed=5"),
        ("good.parquet", ("--max-trials", "0"), "--max-trials"),
    ],
)
def test_resume_refuses_another_study(automl_ad, files, study, source, flags, named):
    same = ("--label-column", "label", "--detector", "knn", "--max-trials", "1", *flags)
    done = automl_ad("search", files / source, *same, "--output", study, "--resume")
    assert_refused(done, 2, named)


def test_a_folder_that_is_no_study_is_left_alone(automl_ad, files, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = automl_ad("search", files / "good.parquet", "--output", tmp_path)
    assert_refused(done, 2, "something else")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("code", "arguments", "named"),
    [
        (2, ["space", "validate", "bad_space.toml"], "n_neighbors"),
        (2, ["space", "validate", "nowhere.toml"], "nowhere.toml"),
        (2, ["space", "show", "dasvd"], "dasvdd"),
        (2, ["serch"], "serch"),
    ],
)
def test_spaces_and_verbs(automl_ad, files, monkeypatch, code, arguments, named):
    monkeypatch.chdir(files)
    assert_refused(automl_ad(*arguments), code, named)


@pytest.fixture
def artifact(study: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(study / "artifact", tmp_path / "artifact"))


def damage_checksum(artifact: Path) -> None:
    part = artifact / "part-0.safetensors"
    part.write_bytes(part.read_bytes()[:-1] + b"x")


def damage_version(artifact: Path) -> None:
    manifest = json.loads((artifact / "manifest.json").read_text())
    (artifact / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99}))


@pytest.mark.parametrize(
    ("break_it", "named"),
    [
        (lambda a: shutil.rmtree(a), "artifact"),
        (lambda a: (a / "manifest.json").unlink(), "manifest.json"),
        (lambda a: (a / "manifest.json").write_text("{"), "manifest.json"),
        (lambda a: (a / "golden.parquet").unlink(), "golden.parquet"),
        (damage_checksum, "part-0.safetensors"),
        (damage_version, "99"),
    ],
)
@pytest.mark.parametrize("verb", ["score", "serve"])
def test_broken_artifacts(
    automl_ad, files, artifact, tmp_path, verb, break_it: Callable[[Path], object], named
):
    break_it(artifact)
    rest = [files / "good.parquet", "-o", tmp_path / "out.parquet"] if verb == "score" else ["--port", "0"]
    assert_refused(automl_ad(verb, artifact, *rest), 3, named)
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("name", "named"),
    [("constant.parquet", "x0"), ("norows.parquet", "row"), ("nowhere.parquet", "nowhere.parquet")],
)
def test_score_refuses_rows_that_do_not_fit(automl_ad, files, artifact, tmp_path, name, named):
    done = automl_ad("score", artifact, files / name, "-o", tmp_path / "out.parquet")
    assert_refused(done, 3, named)
    assert not (tmp_path / "out.parquet").exists()
