"""What is remembered of one feature alone, enough to draw plausible values of it.

An artifact needs example rows (golden rows, request examples), and a row of the training data would hand a
customer's record to everybody who has the artifact. So each feature is drawn by itself from its own coarse
distribution: what comes out has been nobody's row. Shapes: N rows, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_ad.data.scaling import HUGE, checked_array
from automl_ad.errors import ArtifactError

N_QUANTILES = 21
"""Every 5 %: coarse enough to say nothing of single rows beside the two ends."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NumberMarginal:
    """Quantiles of the values that are there, and the share of those missing."""

    quantiles_Q: Numbers
    missing_share: float

    @classmethod
    def fit(cls, values_N: Numbers) -> NumberMarginal:
        """From values with NaN where missing; at least one must be there."""
        is_missing_N = np.isnan(values_N)
        present = np.clip(values_N[~is_missing_N], -HUGE, HUGE)
        return cls(
            quantiles_Q=np.quantile(present, np.linspace(0, 1, N_QUANTILES)),
            missing_share=float(is_missing_N.mean()),
        )

    def sample(self, n: int, rng: np.random.Generator) -> Numbers:
        """[N] values, interpolated between quantiles, NaN where missing."""
        levels_Q = np.linspace(0, 1, N_QUANTILES)
        values_N = np.interp(rng.uniform(size=n), levels_Q, self.quantiles_Q)
        return np.where(rng.uniform(size=n) < self.missing_share, np.nan, values_N)

    def arrays(self) -> dict[str, Numbers]:
        """`quantiles` [Q], `missing_share` [1]."""
        return {"quantiles": self.quantiles_Q, "missing_share": np.array([self.missing_share])}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], name: str) -> NumberMarginal:
        """What `arrays` described. Raises ArtifactError naming the array under `name`."""
        quantiles_Q = checked_array(arrays, f"{name}/quantiles", (N_QUANTILES,))
        share = float(checked_array(arrays, f"{name}/missing_share", (1,))[0])
        if (np.diff(quantiles_Q) < 0).any():
            raise ArtifactError(
                f"array '{name}/quantiles' must be ascending, got a value below the one before"
            )
        if not 0 <= share <= 1:
            raise ArtifactError(f"array '{name}/missing_share' must be in [0, 1], got {share}")
        return cls(quantiles_Q=quantiles_Q, missing_share=share)
