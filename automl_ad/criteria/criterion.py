"""What every criterion is: a label-free figure per candidate, with its source and its needs."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.evidence import Evidence

Direction = Literal["max", "min"]
Need = Literal["scores", "anchors", "probes", "pool", "losses", "members", "gamma"]
"""What must be there: panel scores alone, which always are, so that the figure is never absent; baselines,
pseudo-anomalies, other candidates, loss curves, several members, gamma."""


class Criterion(Protocol):
    """A label-free judgement of every candidate of a pool.

    The docstring of an implementation says what a good value means and when the criterion is fooled.
    """

    name: ClassVar[str]
    direction: ClassVar[Direction]
    """Whether more or less of it is better."""
    bounds: ClassVar[tuple[float, float]]
    needs: ClassVar[tuple[Need, ...]]
    cost: ClassVar[str]
    """Arithmetic for K candidates, N panel rows, P probe rows, A anchors, S members, E epochs."""
    source: ClassVar[str]
    failure_mode: ClassVar[str]
    """When it is fooled."""

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K] figures; NaN where the criterion is absent."""
        ...
