"""Groups with enough panel rows have a threshold of their own; whoever has none keeps that of all."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_ad.artifact import Scorer, Threshold, score_sources, threshold_of, with_groups, write_artifact
from automl_ad.artifact.group_thresholds import row_thresholds
from automl_ad.data import Preprocessor
from automl_ad.errors import ArtifactError, RowsError

OWN = {"loud": 30.0, "quiet": 0.0}


@pytest.fixture(scope="module")
def path(fit_part, table, tmp_path_factory):
    """An artifact in which nothing loud is an anomaly, everything quiet is, and others are above 2."""
    part = replace(fit_part("mahalanobis"), weight=1.0)
    return write_artifact(
        tmp_path_factory.mktemp("groups") / "machines",
        name="machines",
        parts=[part],
        preprocessor=Preprocessor.fit(table),
        threshold=Threshold(value=2.0, rule="chosen", per_group={"kind": OWN}),
        panel_scores_N=part.panel_scores,
        data_fingerprint="f" * 64,
        seed=0,
        study={},
        evidence={},
    )


@pytest.fixture(scope="module")
def kinds() -> np.ndarray:
    return np.array(["loud", "quiet", "new", None])[np.arange(300) % 4]


@pytest.fixture(scope="module")
def expected(path, table, kinds) -> np.ndarray:
    scores = Scorer.load(path).score(table).anomaly_score
    return scores > np.array([OWN.get(kind, 2.0) for kind in kinds])


def test_rows_are_held_against_the_threshold_of_their_group(path, table, kinds, expected):
    scorer = Scorer.load(path)
    named = table.append_column("kind", pa.array(kinds))
    columns = {name: named[name].to_pylist() for name in named.column_names}
    encoded = table.append_column("kind", pa.array(kinds).dictionary_encode())
    for rows in (named, named.to_batches()[0], columns, encoded):
        scores = scorer.score(rows)
        np.testing.assert_array_equal(scores.is_anomaly, expected)
        assert scores.threshold == 2.0
        np.testing.assert_array_equal(scores.row_threshold, [OWN.get(kind, 2.0) for kind in kinds])


def test_rows_that_do_not_tell_their_group_are_held_against_the_threshold_of_all(path, table):
    scorer = Scorer.load(path)
    matrix = np.column_stack([column.to_numpy() for column in table.columns])
    for rows in (table, matrix):
        scores = scorer.score(rows)
        np.testing.assert_array_equal(scores.is_anomaly, scores.anomaly_score > 2.0)
        assert scores.row_threshold is None


def test_a_column_that_cannot_name_groups_is_refused(path, table):
    with pytest.raises(RowsError, match="'kind'"):
        Scorer.load(path).score(table.append_column("kind", pa.array([[1]] * 300)))


@pytest.mark.parametrize("id_column", [None, "kind"])
def test_files_tell_the_groups_too(path, table, kinds, expected, tmp_path, id_column):
    pq.write_table(table.append_column("kind", pa.array(kinds)), tmp_path / "rows.parquet")
    out = tmp_path / "scores.parquet"
    report = score_sources(Scorer.load(path), [str(tmp_path / "rows.parquet")], out, id_column=id_column)
    np.testing.assert_array_equal(pq.read_table(out)["is_anomaly"].to_numpy(), expected)
    assert report.n_anomalies == expected.sum()
    pq.write_table(table, tmp_path / "rows.parquet")
    without = score_sources(Scorer.load(path), [str(tmp_path / "rows.parquet")], out)
    assert without.n_anomalies == Scorer.load(path).score(table).is_anomaly.sum()


def test_an_edited_threshold_of_a_group_is_noticed(path, tmp_path):
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["threshold"]["per_group"]["kind"]["loud"] = 1e9
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in path.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="the manifest was changed"):
        Scorer.load(copy)


@pytest.mark.parametrize("rule", ["alert-rate", "pot", "ema"])
def test_each_group_gets_the_threshold_of_its_own_rows(rule):
    rng = np.random.default_rng(0)
    scores, names = rng.exponential(size=460), ["a"] * 200 + ["b"] * 200 + ["c"] * 30 + [None] * 30
    scores[200:400] *= 10
    of_all = threshold_of(scores, rate=0.01, rule=rule)
    order = rng.permutation(460)
    grouped = with_groups(of_all, scores, names, column="kind", rate=0.01, rule=rule)
    assert grouped.value == of_all.value
    own = {"a": scores[:200], "b": scores[200:400]}
    assert grouped.per_group == {
        "kind": {name: threshold_of(part, rate=0.01, rule=rule).value for name, part in own.items()}
    }
    shuffled = with_groups(
        of_all, scores[order], [names[i] for i in order], column="kind", rate=0.01, rule="alert-rate"
    )
    if rule == "alert-rate":
        assert shuffled == grouped


def test_the_quantile_needs_a_row_of_the_group_above_it():
    scores, names = np.random.default_rng(0).exponential(size=200), ["a", "b"] * 100
    of_all = threshold_of(scores, rate=0.005)
    quantile = with_groups(of_all, scores, names, column="kind", rate=0.005, rule="alert-rate")
    assert quantile.per_group is None
    assert quantile.rule.endswith(
        "; 0 of 2 groups of 'kind' have 200 panel rows and a threshold of their own"
    )
    tail = with_groups(of_all, scores, names, column="kind", rate=0.005, rule="pot")
    assert set(tail.per_group["kind"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("values", "own"),
    [
        (pa.array([1, 2, None], pa.int64()), {"1": 9.0}),
        (pa.array([1.0, 2.5, None]), {"1": 9.0}),
        (pa.array([True, False, None]), {"true": 9.0}),
        (pa.array(["x", "y", None]), {"x": 9.0}),
        (pa.array([86_400, 0, None], pa.timestamp("s")), {"86400": 9.0}),
    ],
)
def test_a_value_names_its_group_however_it_is_stored(values, own):
    threshold = Threshold(value=1.0, rule="chosen", per_group={"kind": own})
    assert row_thresholds(threshold, pa.table({"kind": values})).tolist() == [9.0, 1.0, 1.0]
