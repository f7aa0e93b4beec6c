"""Criterion: whether a candidate puts those rows first that the trustworthy candidates put first.

Shapes: K candidates, N panel rows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence

Float32Array = npt.NDArray[np.float32]

MAX_ROUNDS = 100
TOLERANCE = 1e-6
"""Largest change of a hub value in a round that counts as none, near the precision of float32."""


class Hits:
    """Hub value of the candidate in the graph of candidates and rows, the best of the pool being 1.

    A candidate points at row i with weight 1 / (its rank, 1 = strangest). A row is an authority as far as
    good hubs point at it, a candidate a hub as far as it points at authorities. Unlike a correlation it looks
    at the first rows only: the strangest weighs as much as ranks 4 to 9 together.
    """

    name: ClassVar[str] = "hits"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("pool",)
    cost: ClassVar[str] = "rounds K N"
    source: ClassVar[str] = "HITS, Kleinberg 1999, on models and samples: Ma et al. 2023 (UOMS); SELECTION 2"
    failure_mode: ClassVar[str] = "a clique that puts the same few rows first, right or wrong"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN for a candidate alone."""
        n_candidates = len(evidence.candidates)
        if n_candidates < 2:
            return np.full(n_candidates, np.nan)
        links_KN = _inverse_ranks(evidence.ranks_KN)
        hubs_K = np.ones(n_candidates, dtype=np.float32)
        for _ in range(MAX_ROUNDS):
            before_K = hubs_K
            hubs_K = links_KN @ (before_K @ links_KN)
            # NOTE[DIFF] the largest is 1, not the length: the figure does not shrink as the pool grows.
            hubs_K = hubs_K / hubs_K.max()
            if np.abs(hubs_K - before_K).max() < TOLERANCE:
                break
        return hubs_K.astype(np.float64)


def _inverse_ranks(ranks_KN: Float32Array) -> Float32Array:
    """[K, N] 1 / rank in (0, 1], the strangest row first; tied rows share their mean rank."""
    return np.asarray(1 / (ranks_KN.shape[1] + 1 - ranks_KN))
