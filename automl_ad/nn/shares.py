"""How many rows are a share of them."""

from __future__ import annotations

import math


def rows_of_share(n_rows: int, share: float) -> int:
    """The share of the rows, rounded up.

    >>> rows_of_share(100, 0.55), rows_of_share(7, 0.5)
    (55, 4)
    """
    # 0.55 * 100 is 55.00000000000001 in floating point: the small number undoes it before rounding up.
    return math.ceil(share * n_rows - 1e-9)
