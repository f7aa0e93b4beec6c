"""How detectors of different scales become one score: each part through its own panel, then a weighted mean.

Shapes: N panel rows, M rows to score, U distinct panel scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from automl_ad.errors import ArtifactError

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PanelECDF:
    """Maps a raw score to its surprise on the panel, -log(1 - r + 1/2N), r the normalised rank in (0, 1].

    The surprise of a uniform rank is exponential: a part speaks loudly about the rows it finds strange and
    hardly at all about the others. Between panel scores it is linear. The map is strictly increasing, up to
    float precision, over all finite scores:

    - above the panel's maximum it goes on as the logarithm of a Pareto tail of index 1,
      `top + log1p(excess / scale)`, so that the strangest rows neither tie (DESIGN D8) nor, through one part
      whose scores explode, silence the other parts;
    - below the minimum it falls towards 0, never beyond: no part can make up for another's alarm.
    """

    knots_U: Float64Array
    """Distinct panel scores, ascending."""
    surprise_U: Float64Array
    """Their surprise, ascending and positive; tied rows share their mean rank."""
    scale: float
    """Unit of the excess over the maximum: from the median to the maximum of the panel."""

    @classmethod
    def from_scores(cls, scores_N: npt.NDArray[np.floating]) -> Self:
        """The map of one candidate. Raises ArtifactError unless there are scores and all are finite."""
        scores = np.asarray(scores_N, dtype=np.float64)
        if scores.ndim != 1 or not len(scores) or not np.isfinite(scores).all():
            raise ArtifactError(f"panel scores must be one or more finite numbers, got {_describe(scores)}")
        knots_U, first_U = np.unique(scores, return_index=True)
        ranks_U = rankdata(scores)[first_U] / len(scores)
        return cls(
            knots_U=knots_U,
            surprise_U=-np.log(1 - ranks_U + 0.5 / len(scores)),
            scale=_spread(scores),
        )

    def __call__(self, scores_M: npt.NDArray[np.floating]) -> Float64Array:
        """[M] surprises; NaN stays NaN."""
        scores = np.asarray(scores_M, dtype=np.float64)
        excess = np.maximum(scores - self.knots_U[-1], 0.0) / self.scale
        shortfall = np.maximum(self.knots_U[0] - scores, 0.0) / self.scale
        within = np.interp(scores, self.knots_U, self.surprise_U)
        surprise_M: Float64Array = (within + np.log1p(excess)) / (1 + shortfall)
        return surprise_M


def combine(
    parts: Sequence[tuple[float, PanelECDF, npt.NDArray[np.floating]]], *, vote_rate: float | None = None
) -> Float64Array:
    """[M], one anomaly score per row from (weight, panel map, raw scores [M]) of each part.

    One part keeps its raw scores; several give the weighted mean of their surprises, weights taken relative
    to their sum. With a `vote_rate`, each part votes for the rows that it finds stranger than all but that
    share of the panel; the score is the weight of the votes, and the mean surprise orders rows with the
    same votes (the voting ensemble of METHODS M09 without labels). Raises ArtifactError without parts or
    with a weight that is not positive.
    """
    weights = np.array([weight for weight, _, _ in parts], dtype=np.float64)
    if not len(weights) or not np.all(weights > 0):
        raise ArtifactError(f"an ensemble must have parts of positive weight, got weights {weights.tolist()}")
    if len(parts) == 1:
        return np.asarray(parts[0][2], dtype=np.float64)
    surprises_PM = np.stack([ecdf(scores_M) for _, ecdf, scores_M in parts])
    # Not weights @ surprises: BLAS may round a row differently by its place in the batch.
    shares_P1 = (weights / weights.sum())[:, None]
    mean_M: Float64Array = (shares_P1 * surprises_PM).sum(axis=0)
    if vote_rate is None:
        return mean_M
    # A rank r has the surprise -log(1 - r + 1/2N): the top `vote_rate` of the panel lies above -log of it.
    votes_M = (shares_P1 * (surprises_PM > -np.log(vote_rate))).sum(axis=0)
    return np.asarray(votes_M + _half_a_vote(shares_P1) * mean_M / (1 + mean_M))


def majority(n_parts: int) -> float:
    """What the score of a vote of equal parts exceeds when more than half of them vote for the row."""
    return 0.5 + 0.5 / n_parts


def _half_a_vote(shares_P1: Float64Array) -> float:
    return float(shares_P1.min() / 2)


def _spread(scores_N: Float64Array) -> float:
    """From the median to the maximum, else from the minimum to the maximum, else 1: always positive."""
    top = scores_N.max()
    spreads = (top - np.median(scores_N), top - scores_N.min(), 1.0)
    return float(next(spread for spread in spreads if spread > 0))


def _describe(scores: Float64Array) -> str:
    n_bad = int((~np.isfinite(scores)).sum())
    return f"{n_bad} non-finite of {scores.size}" if n_bad else f"shape {scores.shape}"
