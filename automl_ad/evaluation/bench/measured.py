"""A figure that may be impossible to give, and then says why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
Interval = tuple[float, float]
"""(low, high)."""

MIN_GROUPS = 5
"""For a test or an interval: with four pairs Wilcoxon's one-sided p is at least 1/16, above .05."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A number, or the reason why there is none."""

    value: float | None
    reason: str = ""

    def __str__(self) -> str:
        return "-" if self.value is None else f"{self.value:.3f}"


def measured(value: float) -> Measured:
    """A number that could be given."""
    return Measured(value=float(value))


def absent(reason: str) -> Measured:
    """No number, and why."""
    return Measured(value=None, reason=reason)


def too_few(n_groups: int) -> str:
    """Why nothing is tested on so few datasets; empty when there are enough.

    >>> too_few(2)
    'needs at least 5 datasets, got 2'
    >>> too_few(5)
    ''
    """
    return f"needs at least {MIN_GROUPS} datasets, got {n_groups}" if n_groups < MIN_GROUPS else ""
