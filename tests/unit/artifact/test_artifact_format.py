"""What is written can be read, says what it is, and never appears half."""

from __future__ import annotations

import json
import stat
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_ad.artifact import Scorer
from automl_ad.data import Preprocessor
from automl_ad.detectors import DETECTORS
from automl_ad.errors import ArtifactError
from automl_ad.space import load_detector

READS_TABLES = [name for name in DETECTORS if "tabular" in load_detector(name, data_kind="image").data_kinds]


@pytest.fixture(scope="module")
def knn(fit_part):
    return fit_part("knn")


def test_folder_holds_the_documented_files(ensemble_path):
    names = {path.name for path in ensemble_path.iterdir()}
    parts = {f"part-{i}.safetensors" for i in range(3)}
    assert (
        names == {"manifest.json", "preprocessing.safetensors", "panel.safetensors", "golden.parquet"} | parts
    )
    assert not [path for path in ensemble_path.parent.iterdir() if path.name.startswith(".")]


def test_manifest_says_what_it_is(ensemble_path):
    manifest = Scorer.load(ensemble_path).manifest
    assert [part.detector for part in manifest.parts] == ["autoencoder", "knn", "isolation_forest"]
    assert [part.prep for part in manifest.parts] == ["zscore", "robust", "minmax"]
    assert manifest.parts[0].n_members == 2
    assert manifest.contains_training_rows
    assert manifest.seed == 11
    assert manifest.study["max_trials"] == 3
    assert "torch" in manifest.library_versions
    assert manifest.threshold.rule == "alert rate 5 %: flags 5 of 100 panel rows"


@pytest.mark.parametrize("detector", READS_TABLES)
def test_only_detectors_that_store_rows_are_marked(detector, export, fit_part, table, tmp_path):
    params = {"n_epochs": 2, "pretrain_epochs": 1} if "n_epochs" in _deep_params(detector) else {}
    part = fit_part(detector, **params)
    manifest = Scorer.load(export(tmp_path / "one", [part])).manifest
    preprocessor = Preprocessor.fit(table)
    rows = {row.tobytes() for row in preprocessor.scale(preprocessor.encode(table), "zscore")}
    holds_rows = any(
        row.astype(np.float32).tobytes() in rows
        for array in part.arrays.values()
        if array.ndim == 2 and array.shape[1] == part.n_features
        for row in array
    )
    assert manifest.contains_training_rows == holds_rows


def _deep_params(detector: str) -> set[str]:
    return {"n_epochs"} if hasattr(DETECTORS[detector], "phases") else set()


def test_version_is_the_content(export, knn, fit_part, tmp_path):
    first = Scorer.load(export(tmp_path / "a", [knn])).version
    again = Scorer.load(export(tmp_path / "b", [knn])).version
    assert first == again
    others = [
        export(tmp_path / "c", [fit_part("knn", n_neighbors=3)]),
        export(tmp_path / "d", [knn], name="other"),
        export(tmp_path / "e", [knn], evidence={"verdict": "thin"}),
    ]
    assert len({first, *(Scorer.load(path).version for path in others)}) == 4


def test_evidence_that_is_not_finite_becomes_null(export, knn, tmp_path):
    evidence = {"verdict": "clear", "ranking": ({"probe_auc": float("nan"), "rank": 1},)}
    manifest = Scorer.load(export(tmp_path / "a", [knn], evidence=evidence)).manifest
    assert manifest.evidence["ranking"] == [{"probe_auc": None, "rank": 1}]
    json.loads((tmp_path / "a" / "manifest.json").read_text(), parse_constant=pytest.fail)


def test_golden_rows_are_nobodys_rows(ensemble_path, table):
    golden = pq.read_table(ensemble_path / "golden.parquet")
    assert golden.num_rows == 32
    ours = {tuple(row.values()) for row in table.to_pylist()}
    assert not ours & {tuple(row.values()) for row in golden.drop_columns("anomaly_score").to_pylist()}
    scores = Scorer.load(ensemble_path).score(golden)
    np.testing.assert_allclose(scores.anomaly_score, golden["anomaly_score"].to_numpy(), rtol=1e-6)


def test_a_feature_may_be_called_anomaly_score(export, fit_part, table, tmp_path):
    renamed = table.rename_columns(["anomaly_score", "b", "c", "d", "e"])
    part = fit_part("knn", rows=renamed)
    scorer = Scorer.load(export(tmp_path / "a", [part], rows=renamed))
    np.testing.assert_allclose(
        scorer.score(renamed.slice(0, 100)).anomaly_score, part.panel_scores, rtol=1e-5
    )


def test_column_major_arrays_survive(export, knn, tmp_path, table):
    turned = {name: np.asfortranarray(array) for name, array in knn.arrays.items()}
    part = replace(knn, arrays=turned)
    scores = Scorer.load(export(tmp_path / "a", [part])).score(table.slice(0, 100))
    np.testing.assert_allclose(scores.anomaly_score, knn.panel_scores, rtol=1e-5)


def test_an_older_artifact_is_replaced(export, knn, fit_part, tmp_path):
    export(tmp_path / "a", [fit_part("knn", n_neighbors=3)])
    (tmp_path / "a" / "note.txt").write_text("belongs to the old one")
    path = export(tmp_path / "a", [knn], name="newer")
    assert Scorer.load(path).name == "newer"
    assert not (path / "note.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_anything_else_in_the_way_is_left_alone(kind, export, knn, tmp_path):
    path = tmp_path / "a"
    match kind:
        case "file":
            path.write_text("precious")
        case "folder":
            path.mkdir()
            (path / "data.csv").write_text("precious")
        case "link":
            path.symlink_to(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ArtifactError, match="may only replace another artifact"):
        export(path, [knn])
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_export_leaves_nothing_behind(export, knn, fit_part, mixed_table, tmp_path):
    with pytest.raises(ArtifactError, match="must take the"):
        export(tmp_path / "a", [knn], rows=mixed_table)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_keeps_the_older_artifact(export, knn, mixed_table, tmp_path):
    version = Scorer.load(export(tmp_path / "a", [knn])).version
    with pytest.raises(ArtifactError):
        export(tmp_path / "a", [knn], rows=mixed_table)
    assert Scorer.load(tmp_path / "a").version == version


@pytest.mark.parametrize("name", ["", "a/b", "../a", "x" * 200, "with space"])
def test_name_must_be_usable_everywhere(name, export, knn, tmp_path):
    with pytest.raises(ArtifactError, match=r"manifest\.json: name"):
        export(tmp_path / "a", [knn], name=name)


def test_folder_is_as_readable_as_any_other(ensemble_path):
    probe = ensemble_path.parent / "probe"
    probe.mkdir()
    assert stat.S_IMODE(ensemble_path.stat().st_mode) == stat.S_IMODE(probe.stat().st_mode)
    probe.rmdir()


def test_golden_rows_of_mixed_columns_keep_their_kinds(export, fit_part, mixed_table, tmp_path):
    path = export(tmp_path / "a", [fit_part("gmm", rows=mixed_table)], rows=mixed_table)
    golden = pq.read_table(path / "golden.parquet")
    assert golden.schema.field("country").type in (pa.string(), pa.large_string())
    Scorer.load(path)
