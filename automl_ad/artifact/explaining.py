"""Why a row scores as it does: what each feature adds to the score of one typical row.

Shapley values (Strumbelj and Kononenko 2014, "Explaining prediction models and individual predictions with
feature contributions"; Lundberg and Lee 2017) of the game "these features as in the row, the others as in the
reference", known as baseline Shapley (Sundararajan and Najmi 2020). Contributions and `reference_score` sum
to the score, and a feature that is as in the reference contributes exactly 0. What they are not: causes, or
what would happen if the feature changed; features that hang together share what they bring.
Shapes: M rows, F features, D encoded features, K features that differ from the reference, C coalitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from automl_ad.artifact.reference_row import Matrix, reference_row
from automl_ad.artifact.shapley import MAX_COALITIONS, shapley_values
from automl_ad.errors import RowsError
from automl_ad.results import Explanations

if TYPE_CHECKING:
    from automl_ad.artifact.scorer import Rows, Scorer

BLOCK_VALUES = 2**22
"""Encoded numbers that are scored at once: 32 MiB."""


def n_scored_rows(n_features: int) -> int:
    """Most rows that are scored to explain one: the cost of an explanation in rows of Score.

    >>> n_scored_rows(30), n_scored_rows(1_000)
    (1024, 2002)
    """
    return max(MAX_COALITIONS, 2 * (n_features + 1))


def explain(scorer: Scorer, rows: Rows, *, seed: int = 0) -> Explanations:
    """What every feature contributes to the score of every row; the same rows and seed, the same answer.

    Exact for rows that differ from the reference in at most 10 features; else orders of the features are
    sampled. Raises RowsError when the rows do not fit the schema.
    """
    encoded_MD = scorer.encode(rows)
    reference_D, reference_score = reference_row(scorer)
    n_rows, n_features = len(encoded_MD), len(scorer.schema.features)
    contributions_MF, errors_MF = np.zeros((n_rows, n_features)), np.zeros((n_rows, n_features))
    for row, encoded_D in enumerate(encoded_MD):
        differs_F = _differs(scorer, encoded_D, reference_D)
        game = _RowGame(scorer, row, encoded_D, reference_D, np.flatnonzero(differs_F))
        values_K, errors_K = shapley_values(game, int(differs_F.sum()), seed=seed)
        contributions_MF[row, differs_F], errors_MF[row, differs_F] = values_K, errors_K
    return Explanations(
        features=scorer.schema.feature_names,
        contributions=contributions_MF,
        standard_errors=errors_MF,
        anomaly_score=scorer.score_encoded(encoded_MD),
        reference_score=reference_score,
        model=scorer.name,
        version=scorer.version,
    )


def _differs(scorer: Scorer, encoded_D: Matrix, reference_D: Matrix) -> npt.NDArray[np.bool_]:
    """[F] whether the row differs from the reference in each feature."""
    is_other_D = encoded_D != reference_D
    return np.array([is_other_D[place].any() for place in scorer.encoded_places])


class _RowGame:
    """Scores mixes of one row and the reference, a block of them at a time."""

    def __init__(
        self,
        scorer: Scorer,
        row: int,
        encoded_D: Matrix,
        reference_D: Matrix,
        features_K: npt.NDArray[np.int64],
    ) -> None:
        self._scorer = scorer
        self._row = row
        self._encoded_D = encoded_D
        self._reference_D = reference_D
        self._places = [scorer.encoded_places[feature] for feature in features_K]

    def __call__(self, members_CK: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """[C] scores of the mixes in which the members are as in the row."""
        step = max(1, BLOCK_VALUES // len(self._reference_D))
        blocks = [members_CK[start : start + step] for start in range(0, len(members_CK), step)]
        try:
            return np.concatenate([self._scorer.score_encoded(self._mixed(block)) for block in blocks])
        except RowsError as error:
            raise RowsError(
                f"row {self._row} cannot be explained: a mix of it with the typical row has no score",
                "it is far outside of the data that the model has seen",
            ) from error

    def _mixed(self, members_CK: npt.NDArray[np.bool_]) -> Matrix:
        mixed_CD = np.tile(self._reference_D, (len(members_CK), 1))
        for players_C, place in zip(members_CK.T, self._places, strict=True):
            mixed_CD[players_C, place] = self._encoded_D[place]
        return mixed_CD
