"""Criterion: whether a joint loss has kept the balance of reconstruction and distance that it began with.

Shapes: K candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence


class GammaBalance:
    """How much further apart the two terms are after training than before.

    Both diagnostics, `gamma_balance_start` and `gamma_balance_end`, are |log(mean reconstruction error /
    (gamma * mean squared distance))|: 0 when the terms weigh the same, as paper 001, eq. 6, sets gamma. A
    training that lets one of them vanish has dropped half of its objective, and a vanishing distance is the
    collapse of the latent space. Negative where training brought them closer.
    """

    name: ClassVar[str] = "gamma_balance"
    direction: ClassVar[Direction] = "min"
    bounds: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))
    needs: ClassVar[tuple[Need, ...]] = ("gamma",)
    cost: ClassVar[str] = "K"
    source: ClassVar[str] = "paper 001 (DASVDD), eq. 6; as a criterion: SELECTION 1.3 and 2"
    failure_mode: ClassVar[str] = "an untrained network is perfectly balanced"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN for detectors without a gamma."""
        return np.array([_balance_lost(c.diagnostics) for c in evidence.candidates])


def _balance_lost(diagnostics: Mapping[str, float]) -> float:
    missing = float("nan")
    return diagnostics.get("gamma_balance_end", missing) - diagnostics.get("gamma_balance_start", missing)
