"""One order of the pool from the criteria that have earned a vote.

Shapes: K candidates, C criteria.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_ad.config import TrainingData
from automl_ad.criteria import CRITERIA
from automl_ad.criteria.ranks import normalised_ranks
from automl_ad.results import Candidate
from automl_ad.selection.pool import Pool

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranking:
    """The pool in order, and who voted."""

    voters: tuple[str, ...]
    aggregate_K: Float64Array
    """Mean normalised rank over the voters in [0, 1], 1 = first everywhere."""
    order: tuple[int, ...]
    """Positions of the pool's candidates, best first."""

    @property
    def is_by_probes(self) -> bool:
        """Whether pseudo-anomalies decided."""
        return self.voters == ("probe_auc",)


def rank(pool: Pool, table: Mapping[str, Float64Array], training_data: TrainingData) -> Ranking:
    """The pool's ranking by the criteria that vote for this kind of training data.

    Ties go to baselines, then to the cheaper training (epochs, then parameters; not seconds, which differ
    from run to run), then by key.
    """
    voters = choose_voters(pool, table, training_data)
    aggregate_K = aggregate(table, voters)
    order = sorted(range(len(aggregate_K)), key=lambda k: _sort_key(pool, aggregate_K, k))
    return Ranking(voters=voters, aggregate_K=aggregate_K, order=tuple(order))


def choose_voters(
    pool: Pool, table: Mapping[str, Float64Array], training_data: TrainingData
) -> tuple[str, ...]:
    """The criteria that vote (SELECTION 2, recommended start; measured in 3A and 3B).

    Clean training data: probe AUC alone. Otherwise, and where no probe is useful: agreement with the
    anchors and tail shape. With fewer than two anchors a candidate might have none but its own detector to
    be compared with, so consensus takes the place of agreement.
    """
    if training_data == "clean" and not np.isnan(table["probe_auc"]).all():
        return ("probe_auc",)
    agreement = "anchor_agreement" if len(pool.evidence.anchors) >= 2 else "consensus"
    return (agreement, "tail_shape")


def aggregate(table: Mapping[str, Float64Array], voters: Sequence[str]) -> Float64Array:
    """[K] the Borda count of the voters, each read in its own direction and to six digits.

    Sums in float32 differ beyond them between candidates with the same scores.
    """
    signs = {"max": 1, "min": -1}
    return borda([signs[CRITERIA[name].direction] * table[name].round(6) for name in voters])


def borda(votes: Sequence[Float64Array]) -> Float64Array:
    """[K] mean over the votes of normalised true ranks, higher votes ranking higher.

    A candidate without a figure (NaN) is left out of that vote; one without any gets 0. A ranking given as
    an ordering (who comes first, second, ...) must be inverted before it is summed: orderings 3 0 1 2 and
    0 3 1 2 leave 0 and 3 tied.

    >>> votes = [-np.argsort([3, 0, 1, 2]).astype(float), -np.argsort([0, 3, 1, 2]).astype(float)]
    >>> borda(votes).tolist()
    [0.875, 0.5, 0.25, 0.875]
    """
    ranks_CK = np.stack([_ranks(vote_K) for vote_K in votes])
    n_votes_K = np.isfinite(ranks_CK).sum(axis=0)
    return np.asarray(np.nansum(ranks_CK, axis=0) / np.maximum(n_votes_K, 1))


def _ranks(vote_K: Float64Array) -> Float64Array:
    """[K] normalised ranks among those present, NaN elsewhere."""
    ranks_K = np.full(len(vote_K), np.nan)
    is_present_K = ~np.isnan(vote_K)
    if is_present_K.any():
        ranks_K[is_present_K] = normalised_ranks(vote_K[is_present_K])
    return ranks_K


def _sort_key(pool: Pool, aggregate_K: Float64Array, position: int) -> tuple[object, ...]:
    candidate: Candidate = pool.evidence.candidates[position]
    result = pool.evidence.results[candidate.key.trial]
    return (
        -round(float(aggregate_K[position]), 12),
        result.config.origin != "baseline",
        candidate.key.checkpoint,
        result.n_parameters,
        candidate.key,
    )
