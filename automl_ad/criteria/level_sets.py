"""The sets of low scores that hold most of the panel, and the share of space they fill.

Shapes: N panel rows, P uniform probe rows, L levels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from automl_ad.results import Candidate

Float64Array = npt.NDArray[np.float64]

LEAST_MASS = 0.9
"""Goix 2016 compares level sets that hold at least this share of the rows."""
SPACE = "uniform"
"""The probes that fill the padded range of the data: a sample of its volume, which counts as 1."""


class LevelSets(NamedTuple):
    """{score <= u} for the L scores u of the panel from LEAST_MASS on, from the smallest set to all rows.

    Where rows tie, the sets before the last of them miss mass that they hold.
    """

    mass_L: Float64Array
    """Share of the panel in the set, up to 1."""
    volume_L: Float64Array
    """Share of the space in the set, to 1 / P."""


def level_sets(candidate: Candidate) -> LevelSets | None:
    """None without uniform probes."""
    # NOTE[DIFF] the paper scores normality, {score >= u}; ours are higher = stranger.
    if SPACE not in candidate.probe_scores:
        return None
    ascending_N, space_P = np.sort(candidate.panel_scores), np.sort(candidate.probe_scores[SPACE])
    n_rows = len(ascending_N)
    n_least = math.ceil(LEAST_MASS * n_rows - 1e-9)  # .9 * 10 may be a little more than 9
    return LevelSets(
        mass_L=np.arange(n_least, n_rows + 1) / n_rows,
        volume_L=np.searchsorted(space_P, ascending_N[n_least - 1 :], side="right") / len(space_P),
    )
