"""Criterion: how much more of the panel than of the space lies in the sets of low scores.

Shapes: K candidates, L levels, T values of t.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.level_sets import LEAST_MASS, LevelSets, level_sets

MAX_T = 100.0
"""Largest price of a unit of volume, as in the paper's code; reached when no uniform row is in the set."""
N_STEPS = 100


class ExcessMass:
    """Area under EM(t) = max over u of P(score <= u) - t V(score <= u), from t = 0 to where EM falls to .9.

    A detector whose sets are small can pay a high price t per volume before it loses a tenth of the rows.
    Published on classical detectors in few dimensions; as a ranking no better than random in the UOMS study
    and in ours (SELECTION 2), hence a diagnostic.
    """

    name: ClassVar[str] = "excess_mass"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (0.0, MAX_T)
    needs: ClassVar[tuple[Need, ...]] = ("probes",)
    cost: ClassVar[str] = "K (N log N + L T)"
    source: ClassVar[str] = "EM, Goix 2016, section 2; SELECTION 2, EM / MV"
    failure_mode: ClassVar[str] = (
        "more than a few dimensions: no uniform row is near the data, and every detector reaches the limit"
    )

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN where the `uniform` probes are missing."""
        return np.array([_area(sets) if sets else np.nan for sets in map(level_sets, evidence.candidates)])


def _area(sets: LevelSets) -> float:
    """The integral by trapezoids: EM is convex and, up to that t, lies between 1 and .9."""
    t_T = np.linspace(0, _last_t(sets), N_STEPS + 1)
    excess_T = (sets.mass_L[:, None] - sets.volume_L[:, None] * t_T).max(axis=0)
    return float(np.trapezoid(excess_T, t_T))


def _last_t(sets: LevelSets) -> float:
    """The first t with EM(t) <= .9: the highest at which some set still has mass - t volume = .9."""
    # Below this volume t would be beyond its limit for any mass.
    least_volume = (1 - LEAST_MASS) / MAX_T
    t_L = (sets.mass_L - LEAST_MASS) / np.maximum(sets.volume_L, least_volume)
    return float(t_L.max())
