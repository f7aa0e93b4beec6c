"""A scorer gives the panel its own scores back, in whatever form the rows come."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from automl_ad.artifact import Scorer
from automl_ad.errors import ConfigError, RowsError

N_PANEL = 100


@pytest.fixture(scope="module")
def scorer(ensemble_path) -> Scorer:
    return Scorer.load(ensemble_path)


@pytest.fixture
def matrix(table) -> np.ndarray:
    return np.column_stack([column.to_numpy() for column in table.columns])


@pytest.mark.parametrize("detector", ["autoencoder", "knn", "isolation_forest", "gmm", "pca", "ocsvm"])
def test_single_part_scores_panel_rows_as_they_were_judged(detector, export, fit_part, table, tmp_path):
    params = {"n_epochs": 2} if detector == "autoencoder" else {}
    part = fit_part(detector, **params)
    scores = Scorer.load(export(tmp_path / "one", [part])).score(table.slice(0, N_PANEL))
    np.testing.assert_allclose(scores.anomaly_score, part.panel_scores, rtol=1e-5)
    assert scores.anomaly_score.dtype == np.float64
    # The member mean is rounded to float32 by the rule of the panel, so that ranks agree.
    np.testing.assert_array_equal(scores.anomaly_score, scores.anomaly_score.astype(np.float32))


def test_score_type_and_prep_of_the_part_are_used(export, fit_part, table, tmp_path):
    part = fit_part("autoencoder", n_epochs=2, score_type="latent_mahalanobis", prep="minmax")
    scores = Scorer.load(export(tmp_path / "one", [part])).score(table.slice(0, N_PANEL))
    np.testing.assert_allclose(scores.anomaly_score, part.panel_scores, rtol=1e-3)


def test_rows_may_come_as_table_batch_matrix_or_columns(scorer, table, matrix):
    expected = scorer.score(table).anomaly_score
    shuffled = table.select(["e", "b", "a", "d", "c"]).append_column("other", pa.nulls(300))
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for rows in (table.to_batches()[0], matrix, shuffled, columns):
        np.testing.assert_allclose(scorer.score(rows).anomaly_score, expected, rtol=1e-6)


def test_one_row_scores_as_it_does_among_others(scorer, matrix):
    together = scorer.score(matrix[:20]).anomaly_score
    alone = [scorer.score(row[None, :]).anomaly_score[0] for row in matrix[:20]]
    np.testing.assert_allclose(alone, together, rtol=1e-5)


def test_percentile_is_the_share_of_the_panel_at_or_below(scorer, table):
    panel = scorer.score(table.slice(0, N_PANEL))
    below = [(panel.anomaly_score <= score).mean() * 100 for score in panel.anomaly_score]
    np.testing.assert_allclose(panel.percentile, below, atol=1.01)  # one row may tie with itself by rounding
    far = scorer.score({name: [1e9] for name in "abcde"})
    assert far.percentile == [100.0]
    assert far.is_anomaly == [True]


def test_is_anomaly_flags_the_alert_rate_of_the_panel(scorer, table):
    scores = scorer.score(table.slice(0, N_PANEL))
    assert scores.is_anomaly.sum() == 5
    assert scores.threshold == scorer.manifest.threshold.value
    np.testing.assert_array_equal(scores.is_anomaly, scores.anomaly_score > scores.threshold)
    assert (scores.model, scores.version) == ("payments", scorer.version)


def test_a_voting_ensemble_scores_as_it_was_judged(export, fit_part, table, tmp_path):
    parts = [fit_part("knn", 0.5), fit_part("mahalanobis", 0.5)]
    path = export(tmp_path / "vote", parts, vote_rate=0.1)
    scores = Scorer.load(path).score(table.slice(0, N_PANEL))
    votes = sum(part.panel_scores >= np.sort(part.panel_scores)[-10] for part in parts)
    np.testing.assert_array_equal(np.floor(2 * scores.anomaly_score), votes)
    mean = Scorer.load(export(tmp_path / "mean", parts)).score(table.slice(0, N_PANEL))
    assert scores.version != mean.version


def test_mixed_columns_are_scored_and_a_matrix_is_refused(export, fit_part, mixed_table, tmp_path):
    part = fit_part("knn", rows=mixed_table)
    scorer = Scorer.load(export(tmp_path / "mixed", [part], rows=mixed_table))
    scores = scorer.score(mixed_table.slice(0, N_PANEL))
    np.testing.assert_allclose(scores.anomaly_score, part.panel_scores, rtol=1e-5)
    with pytest.raises(RowsError, match="all-numeric"):
        scorer.score(np.zeros((2, 4)))


def test_no_rows_give_no_scores(scorer, table):
    scores = scorer.score(table.slice(0, 0))
    assert len(scores.anomaly_score) == len(scores.percentile) == len(scores.is_anomaly) == 0


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ({"a": [1.0]}, "column 'b'"),
        ({name: [1.0, 2.0] if name == "c" else [1.0] for name in "abcde"}, "equally long"),
        (dict.fromkeys("abcde", 1.0), "equally long"),
        ({name: [np.inf if name == "b" else 1.0] for name in "abcde"}, "'b' must be finite"),
        ({name: [None if name == "b" else 1.0] for name in "abcde"}, "'b' must not be missing"),
        (np.zeros((3, 4)), r"shape \[N, 5\]"),
        (np.full((1, 5), np.nan), "missing"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_rule(scorer, rows, rule):
    with pytest.raises(RowsError, match=rule):
        scorer.score(rows)


def test_torch_threads_stay_as_they_were(ensemble_path, matrix):
    before = torch.get_num_threads()
    Scorer.load(ensemble_path).score(matrix)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("device", ["abacus", "mps", "cuda:99"])
def test_unknown_device_is_a_configuration_error(ensemble_path, device):
    with pytest.raises(ConfigError, match=device):
        Scorer.load(ensemble_path, device=device)
