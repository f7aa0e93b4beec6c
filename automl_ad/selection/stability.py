"""How sure the first place is: what resampled panel rows do to it."""

from __future__ import annotations

import numpy as np

from automl_ad.criteria import CRITERIA, Evidence
from automl_ad.selection.pool import Pool
from automl_ad.selection.ranking import Ranking, aggregate

N_RESAMPLES = 100
N_SHORTLISTED = 20
"""Only the best are ranked again: the rest of the pool decides nothing and costs the time."""


def share_best_stays(pool: Pool, ranking: Ranking, *, seed: int) -> float:
    """Share of bootstrap resamples of the panel rows in which the best candidate leads the shortlist."""
    evidence = pool.evidence
    shortlist = [evidence.candidates[position] for position in ranking.order[:N_SHORTLISTED]]
    short = Evidence.of(shortlist, list(evidence.results.values()), evidence.anchors)
    rng = np.random.default_rng(seed)
    n_rows: int = evidence.scores_KN.shape[1]
    leaders = [_leads(short.at(rng.integers(n_rows, size=n_rows)), ranking) for _ in range(N_RESAMPLES)]
    return float(np.mean(leaders))


def _leads(evidence: Evidence, ranking: Ranking) -> bool:
    """Whether the first of the shortlist has the highest aggregate again."""
    table = {name: CRITERIA[name](evidence) for name in ranking.voters}
    aggregate_K = aggregate(table, ranking.voters, ranking.method)
    return bool(aggregate_K[0] >= aggregate_K.max())
