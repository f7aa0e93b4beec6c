"""Holm's correction: p values that stay below a level only if the whole family of tests allows it.

S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6 (1979).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from automl_ad.evaluation.bench.measured import Measured, measured


def holm(p_values: Sequence[Measured]) -> list[Measured]:
    """The adjusted p values; tests that were not made are not counted and keep their reason.

    >>> [str(p) for p in holm([measured(0.01), measured(0.04), measured(0.03)])]
    ['0.030', '0.060', '0.060']
    """
    made = [(i, p.value) for i, p in enumerate(p_values) if p.value is not None]
    adjusted = list(p_values)
    if not made:
        return adjusted
    made.sort(key=lambda pair: pair[1])
    factors = np.arange(len(made), 0, -1)
    steps = np.minimum(1.0, np.maximum.accumulate(factors * [value for _, value in made]))
    for (i, _), value in zip(made, steps, strict=True):
        adjusted[i] = measured(value)
    return adjusted
