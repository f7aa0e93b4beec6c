"""A search that knows the groups of its rows: `--group-column`, from the file to the artifact."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_ad import Scorer

SEARCH = ("--detector", "mixer", "--preset", "fast", "--max-trials", "1", "--members", "2")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """A loud and a quiet kind of machine; the last six rows are quiet machines that are too loud."""
    rng = np.random.default_rng(3)
    kind = np.repeat(["loud", "quiet"], [60, 66])
    spread = np.r_[np.full(60, 1.0), np.full(60, 0.05), np.full(6, 0.4)]
    rows = np.where(kind == "loud", 2.0, -2.0)[:, None] + spread[:, None] * rng.normal(size=(126, 4))
    site = np.array(["a", "b", "c"])[rng.integers(3, size=126)]
    return pa.table({**{f"x{i}": rows[:, i] for i in range(4)}, "kind": kind, "site": site})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, table: pa.Table) -> Path:
    path = tmp_path_factory.mktemp("data") / "machines.parquet"
    pq.write_table(table, path)
    return path


def test_a_search_with_groups_leaves_an_artifact_that_needs_none(
    automl_ad, file: Path, table: pa.Table, tmp_path: Path
):
    study = tmp_path / "study"
    flags = (file, *SEARCH, "--output", study, "--drop", "site", "--drop", "kind", "--alert-rate", "0.02")
    done = automl_ad("search", *flags, "--group-column", "kind")
    assert done.code in (0, 5), done.err
    assert json.loads((study / "study.json").read_text())["group_column"] == "kind"
    assert json.loads((study / "data.json").read_text())["group_column"] == "kind"

    scorer = Scorer.load(study / "artifact")
    assert scorer.schema.feature_names == ("x0", "x1", "x2", "x3")
    own = scorer.manifest.threshold.per_group
    assert own is not None
    assert set(own["kind"]) == {"loud", "quiet"}
    scores = scorer.score(table).anomaly_score
    np.testing.assert_array_equal(scorer.score(table.select(["x0", "x1", "x2", "x3"])).anomaly_score, scores)
    mixer_groups = [
        array.shape
        for path in study.glob("trials/*/*.safetensors")
        for name, array in read_arrays(path).items()
        if name.endswith("group_mean")
    ]
    assert mixer_groups
    assert set(mixer_groups) == {(2, 2)}  # members, and the two kinds instead of the default five clusters

    for other in (("--group-column", "site"), ()):
        refused = automl_ad("search", *flags, *other, "--resume")
        assert refused.code == 2
        assert "group_column=" in refused.err
        assert "(was 'kind')" in refused.err
    assert automl_ad("search", *flags, "--group-column", "kind", "--resume").code in (0, 5)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    import safetensors.numpy

    return safetensors.numpy.load_file(path)


def test_an_artifact_with_the_groups_of_the_data_can_be_loaded(
    automl_ad, file: Path, table: pa.Table, tmp_path: Path
):
    """The number of groups is in no params: the artifact's loader learns it from the arrays."""
    from automl_ad.artifact import Part, threshold_of, write_artifact
    from automl_ad.config import DataConfig, SearchConfig
    from automl_ad.data import read_table
    from automl_ad.preparation import prepare
    from automl_ad.results import TrialConfig
    from automl_ad.trial import run_trial

    data = DataConfig(sources=(str(file),), drop=("site",), group_column="kind")
    read = read_table(data, seed=0)
    prepared = prepare(read, SearchConfig())
    params = {"prep": "zscore", "n_epochs": 60, "batch_size": 32, "latent_size": 2}
    config = TrialConfig(detector="mixer", params=params, origin="random")
    result = run_trial(config, prepared.data, number=0, seed=0, n_members=2, report=lambda *_: False)
    candidate = next(c for c in result.candidates if c.key.checkpoint == 60 and c.key.score_type == "group_z")
    part = Part(
        detector="mixer",
        params=params,
        n_features=4,
        n_members=2,
        score_type="group_z",
        checkpoint=60,
        trial=0,
        seed=0,
        weight=1.0,
        panel_scores=candidate.panel_scores,
        arrays=result.weights[60],
    )
    panel = np.asarray(candidate.panel_scores, dtype=np.float64)
    path = write_artifact(
        tmp_path / "artifact",
        name="machines",
        parts=[part],
        preprocessor=prepared.preprocessor,
        threshold=threshold_of(panel, rate=0.05),
        panel_scores_N=panel,
        data_fingerprint=read.fingerprint,
        seed=0,
        study={},
        evidence={},
    )
    scores = Scorer.load(path).score(table).anomaly_score
    np.testing.assert_allclose(scores, panel, rtol=1e-6)
    is_anomaly = np.arange(126) >= 120
    assert (scores[is_anomaly][:, None] > scores[~is_anomaly][None, :]).mean() > 0.9


@pytest.mark.parametrize(("column", "found"), [("kindd", "did you mean 'kind'?"), ("x0", "got 126 in 'x0'")])
def test_a_group_column_that_is_none_ends_with_a_sentence(
    automl_ad, file: Path, tmp_path: Path, column, found
):
    done = automl_ad("search", file, "--group-column", column, "--output", tmp_path / "s")
    assert done.code == 3
    assert found in done.err
