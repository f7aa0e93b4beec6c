"""One order of the pool from the criteria that vote.

Shapes: K candidates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_ad.config import Aggregation, SearchConfig, SelectionConfig
from automl_ad.criteria import CRITERIA
from automl_ad.results import Candidate, TrialResult
from automl_ad.selection.aggregation import AGGREGATORS
from automl_ad.selection.pool import Pool, gather
from automl_ad.selection.voters import Table, choose_voters

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranking:
    """The pool in order, and who voted."""

    voters: Mapping[str, float]
    """Criterion -> weight."""
    method: Aggregation
    aggregate_K: Float64Array
    """Normalised ranks in [0, 1], 1 = first everywhere; see `aggregation`."""
    order: tuple[int, ...]
    """Positions of the pool's candidates, best first."""


def rank_pool(
    results: Sequence[TrialResult], config: SearchConfig, *, exclude: Collection[str] = ()
) -> tuple[Pool, Table, Ranking]:
    """The pool of the results, its criteria and its order: a selection up to the choice of an output.

    Detectors in `exclude` are neither candidates nor anchors. To rank one pool in several ways, call `rank`
    on the pool and the table that are returned here. Raises NoTrialSucceeded and ConfigError.
    """
    pool = gather(results, exclude=exclude)
    table = {name: criterion(pool.evidence) for name, criterion in CRITERIA.items()}
    return pool, table, rank(pool, table, config.selection)


def rank(pool: Pool, table: Table, config: SelectionConfig) -> Ranking:
    """The pool's ranking by the criteria that vote, added up as `aggregate` says.

    Ties go to baselines, then to the cheaper training (epochs, then parameters; not seconds, which differ
    from run to run), then by key. Raises ConfigError for criteria of `rank_by` that cannot vote here.
    """
    voters = choose_voters(pool, table, config)
    aggregate_K = aggregate(table, voters, config.aggregate)
    order = sorted(range(len(aggregate_K)), key=lambda k: _sort_key(pool, aggregate_K, k))
    return Ranking(voters=voters, method=config.aggregate, aggregate_K=aggregate_K, order=tuple(order))


def aggregate(table: Table, voters: Mapping[str, float], method: Aggregation) -> Float64Array:
    """[K] the aggregate of the voters, each read in its own direction and to six digits.

    Sums in float32 differ beyond them between candidates with the same scores.
    """
    signs = {"max": 1, "min": -1}
    votes = [signs[CRITERIA[name].direction] * table[name].round(6) for name in voters]
    return AGGREGATORS[method](votes, list(voters.values()))


def _sort_key(pool: Pool, aggregate_K: Float64Array, position: int) -> tuple[object, ...]:
    candidate: Candidate = pool.evidence.candidates[position]
    result = pool.evidence.results[candidate.key.trial]
    return (
        -float(aggregate_K[position]),
        result.config.origin != "baseline",
        candidate.key.checkpoint,
        result.n_parameters,
        candidate.key,
    )
