"""The batches of an epoch, and the part of a batch that a step sees.

Shapes: N rows, B batch rows, D features.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from automl_ad.nn import rows_of_share


def shuffled_batches(
    x_ND: Tensor, batch_size: int, *, drop_last: bool, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows [B, D] and their positions [B], every row once in random order.

    `drop_last` leaves a smaller last batch out, but never the only one.
    """
    n_rows = len(x_ND)
    order = torch.randperm(n_rows, generator=generator).to(x_ND.device)
    shuffled_ND = x_ND[order]
    n_used = n_rows - n_rows % batch_size if drop_last and n_rows > batch_size else n_rows
    for start in range(0, n_used, batch_size):
        stop = min(start + batch_size, n_used)
        yield shuffled_ND[start:stop], order[start:stop]


def part_of(n_rows: int, rows: tuple[float, float]) -> slice:
    """The rows of a batch between two shares; an inner bound is rounded up and leaves both sides a row.

    >>> part_of(200, (0.0, 0.9)), part_of(200, (0.9, 1.0)), part_of(3, (0.0, 0.9))
    (slice(0, 180, None), slice(180, 200, None), slice(0, 2, None))
    """
    low, high = rows
    return slice(_bound(n_rows, low), _bound(n_rows, high))


def _bound(n_rows: int, share: float) -> int:
    if share in (0.0, 1.0):
        return int(share * n_rows)
    return min(max(rows_of_share(n_rows, share), 1), n_rows - 1)
