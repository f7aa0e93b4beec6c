"""Criterion: how little of the space the sets of low scores fill that hold most of the panel.

Shapes: K candidates, A shares of the panel.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.level_sets import LEAST_MASS, LevelSets, level_sets

MOST_MASS = 0.999
N_SHARES = 100


class MassVolume:
    """Mean over alpha from .9 to .999 of MV(alpha): the volume of the set that holds the share alpha.

    Published on classical detectors in few dimensions; as a ranking no better than random in the UOMS study
    and in ours (SELECTION 2), hence a diagnostic.
    """

    # NOTE[DIFF] the area divided by the length of its interval, so that it is a volume, in [0, 1].

    name: ClassVar[str] = "mass_volume"
    direction: ClassVar[Direction] = "min"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("probes",)
    cost: ClassVar[str] = "K N log N"
    source: ClassVar[str] = "MV, Clemencon and Jakubowicz 2013; Goix 2016, section 2; SELECTION 2, EM / MV"
    failure_mode: ClassVar[str] = (
        "more than a few dimensions: no uniform row is near the data, and every detector has volume 0"
    )

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN where the `uniform` probes are missing."""
        return np.array(
            [_mean_volume(sets) if sets else np.nan for sets in map(level_sets, evidence.candidates)]
        )


def _mean_volume(sets: LevelSets) -> float:
    alpha_A = np.linspace(LEAST_MASS, MOST_MASS, N_SHARES)
    # The smallest set with at least the share; rounding must not skip the one that holds it exactly.
    positions_A = np.searchsorted(sets.mass_L, alpha_A - 1e-9)
    return float(sets.volume_L[positions_A].mean())
