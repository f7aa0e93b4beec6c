"""Explanations: sums that hold, features that are to blame, and the same answer every time."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from automl_ad.artifact import Scorer
from automl_ad.artifact.explaining import explain, n_scored_rows
from automl_ad.artifact.reference_row import reference_row
from automl_ad.artifact.shapley import MAX_COALITIONS, shapley_values
from automl_ad.data.png import encode_png
from automl_ad.errors import RowsError

TINY = {"n_epochs": 30, "batch_size": 32}


def pairs_game(members_CK: np.ndarray) -> np.ndarray:
    """Each player brings his number; the first two bring 10 more together."""
    return members_CK @ np.arange(members_CK.shape[1]) + 10.0 * (members_CK[:, 0] & members_CK[:, 1])


class TestShapleyValues:
    def test_few_players_get_the_mean_over_all_orders(self):
        rng = np.random.default_rng(0)
        table = rng.normal(size=2**5)

        def game(members_CK: np.ndarray) -> np.ndarray:
            return table[members_CK @ (1 << np.arange(5))]

        expected = np.zeros(5)
        for order in permutations(range(5)):
            joined = 0
            for player in order:
                expected[player] += table[joined | 1 << player] - table[joined]
                joined |= 1 << player
        values, errors = shapley_values(game, 5, seed=0)
        np.testing.assert_allclose(values, expected / 120)
        assert not errors.any()

    @pytest.mark.parametrize("n_players", [0, 1, 10, 11, 40])
    def test_what_two_bring_together_is_shared(self, n_players: int):
        values, errors = shapley_values(pairs_game, n_players, seed=3) if n_players > 1 else (None, None)
        if n_players < 2:
            values, errors = shapley_values(lambda members: members.sum(axis=1) * 2.0, n_players, seed=3)
            np.testing.assert_array_equal(values, [2.0] * n_players)
            return
        expected = np.arange(n_players) + np.array([5.0, 5.0] + [0.0] * (n_players - 2))
        np.testing.assert_allclose(
            values, expected, atol=1e-9
        )  # reversed pairs are exact for pairs of players
        assert (errors < 1e-9).all()

    def test_errors_tell_how_far_sampling_is_off(self):
        def game(members_CK: np.ndarray) -> np.ndarray:
            return (members_CK.sum(axis=1) >= 3) * members_CK[:, :4].all(axis=1) * 1.0

        truth = np.array([0.25] * 4 + [0.0] * 16)
        values, errors = shapley_values(game, 20, seed=1)
        assert (errors[:4] > 0).all()
        assert (np.abs(values - truth) <= 4 * np.maximum(errors, 1e-12)).all()
        assert values.sum() == pytest.approx(1.0)

    @pytest.mark.parametrize("n_players", [3, 10, 11, 100, 700])
    def test_the_number_of_coalitions_is_bounded(self, n_players: int):
        asked = []

        def game(members_CK: np.ndarray) -> np.ndarray:
            asked.append(len(members_CK))
            return members_CK.sum(axis=1) * 1.0

        shapley_values(game, n_players, seed=0)
        assert sum(asked) <= n_scored_rows(n_players)
        assert n_scored_rows(n_players) == max(MAX_COALITIONS, 2 * (n_players + 1))


@pytest.fixture(scope="module")
def ensemble(ensemble_path: Path) -> Scorer:
    return Scorer.load(ensemble_path)


@pytest.fixture(scope="module")
def mixed(export, fit_part, mixed_table, tmp_path_factory) -> Scorer:
    path = tmp_path_factory.mktemp("explained") / "mixed"
    return Scorer.load(export(path, [fit_part("knn", rows=mixed_table, n_neighbors=5)], rows=mixed_table))


def assert_sums(scorer: Scorer, rows: pa.Table | np.ndarray) -> None:
    explained = explain(scorer, rows)
    np.testing.assert_array_equal(explained.anomaly_score, scorer.score(rows).anomaly_score)
    np.testing.assert_allclose(
        explained.reference_score + explained.contributions.sum(axis=1), explained.anomaly_score, rtol=1e-9
    )
    assert (
        explained.contributions.shape
        == explained.standard_errors.shape
        == (len(rows), len(scorer.schema.features))
    )
    assert explained.features == scorer.schema.feature_names


class TestExplain:
    @pytest.mark.parametrize(
        ("detector", "params"),
        [
            ("knn", {"n_neighbors": 5}),
            ("mahalanobis", {}),
            ("isolation_forest", {"n_trees": 50}),
            ("kde", {}),
            ("autoencoder", TINY),
        ],
    )
    def test_the_feature_that_was_changed_is_to_blame(
        self, export, fit_part, table: pa.Table, tmp_path: Path, detector: str, params: dict
    ):
        scorer = Scorer.load(export(tmp_path / detector, [fit_part(detector, **params)]))
        ordinary = np.array([np.median(table.column(name).drop_null()) for name in "abcde"])
        spread = np.array([np.std(table.column(name).drop_null()) for name in "abcde"])
        planted = ordinary + 6 * np.diag(spread)
        explained = explain(scorer, planted)
        np.testing.assert_array_equal(explained.contributions.argmax(axis=1), np.arange(5))

    def test_contributions_and_reference_sum_to_the_score(self, ensemble: Scorer, table: pa.Table):
        assert_sums(ensemble, table.slice(0, 12))

    def test_columns_of_every_kind(self, mixed: Scorer, mixed_table: pa.Table):
        planted = mixed_table.slice(0, 4).set_column(1, "country", pa.array(["xx"] * 4))
        assert_sums(mixed, planted)
        assert_sums(mixed, planted.append_column("group", pa.array(["a", "b", "a", None])))
        assert (explain(mixed, planted).contributions[:, 1] > 0).all()

    def test_wide_rows_are_sampled_and_still_sum(self, export, fit_part, tmp_path: Path):
        rng = np.random.default_rng(4)
        wide = pa.table({f"f{place}": rng.normal(size=200) for place in range(30)})
        part = fit_part("knn", rows=wide, n_neighbors=5)
        scorer = Scorer.load(export(tmp_path / "wide", [part], rows=wide))
        assert_sums(scorer, wide.slice(0, 2))
        rows = np.stack([wide.column(name).to_numpy()[:2] for name in wide.column_names], axis=1)
        rows[0, 7], rows[1, 20] = 9.0, -9.0
        explained = explain(scorer, rows)
        np.testing.assert_array_equal(explained.contributions.argmax(axis=1), [7, 20])
        assert (explained.standard_errors > 0).all()

    def test_an_image_gets_all(self, export, fit_part, tmp_path: Path):
        rng = np.random.default_rng(5)
        files = [encode_png(pixels) for pixels in rng.integers(0, 60, size=(60, 1, 4, 4), dtype=np.uint8)]
        images = pa.table({"picture": pa.array(files, pa.binary())})
        part = fit_part("mahalanobis", rows=images, prep="unit")
        scorer = Scorer.load(export(tmp_path / "images", [part], rows=images))
        assert_sums(scorer, images.slice(0, 3))

    def test_a_row_is_explained_alike_in_any_company_and_every_time(self, ensemble: Scorer, table: pa.Table):
        together, alone = explain(ensemble, table.slice(0, 3)), explain(ensemble, table.slice(2, 1))
        np.testing.assert_array_equal(together.contributions[2], alone.contributions[0])
        assert together.reference_score == alone.reference_score

    def test_a_feature_as_in_the_reference_contributes_exactly_nothing(
        self, ensemble: Scorer, table: pa.Table
    ):
        reference_D, score = reference_row(ensemble)
        values = {
            name: reference_D[place.start]
            for name, place in zip("abcde", ensemble.encoded_places, strict=True)
        }
        explained = explain(ensemble, pa.table({**{k: [v] for k, v in values.items()}, "b": [1e3]}))
        assert explained.reference_score == score
        assert explained.contributions[0, 1] > 0
        np.testing.assert_array_equal(explained.contributions[0, [0, 2, 3, 4]], 0)

    def test_the_reference_is_ordinary(self, ensemble: Scorer, table: pa.Table):
        scores = ensemble.score(table).anomaly_score
        assert explain(ensemble, table.slice(0, 1)).reference_score < np.median(scores)

    def test_rows_that_do_not_fit_are_refused(self, ensemble: Scorer, table: pa.Table):
        with pytest.raises(RowsError, match="must be finite"):
            explain(ensemble, np.full((1, 5), np.inf))
        with pytest.raises(RowsError, match="must have a column 'c'"):
            explain(ensemble, table.drop_columns(["c"]))
