"""Mean and standard deviation of one value per row within each group, block by block, in float64.

Shapes: S members, B rows of a block, K groups.
"""

from __future__ import annotations

import torch
from torch import Tensor

SPREAD_FLOOR = 1e-3
"""Times the standard deviation over all rows: a group reproduced exactly must not make every other row
infinitely strange."""


class GroupMoments:
    """Moments of all the rows added so far, per member and group.

    >>> moments = GroupMoments(n_groups=2)
    >>> moments.add(torch.tensor([[1.0, 3.0, 8.0]]), torch.tensor([[0, 0, 1]]))
    >>> moments.mean_and_std(least_rows=2)
    (tensor([[2., 4.]]), tensor([[1.0000, 2.9439]]))
    """

    def __init__(self, n_groups: int) -> None:
        self._n_groups = n_groups
        self._sums: Tensor | float = 0.0

    def add(self, values_SB: Tensor, groups_SB: Tensor) -> None:
        """Count the rows of a block in."""
        values = values_SB.double()
        powers_3SB = torch.stack([torch.ones_like(values), values, values.square()])
        sums_3SK = powers_3SB.new_zeros(*powers_3SB.shape[:2], self._n_groups)
        self._sums = self._sums + sums_3SK.scatter_add(2, groups_SB.expand_as(powers_3SB), powers_3SB)

    def mean_and_std(self, least_rows: float) -> tuple[Tensor, Tensor]:
        """Each float32 [S, K]; the moments of all rows for groups with fewer rows than `least_rows`.

        The standard deviation divides by the number of rows.
        """
        sums_3SK = torch.as_tensor(self._sums)
        mean_SK, std_SK = _mean_and_std(sums_3SK)
        mean_S1, std_S1 = _mean_and_std(sums_3SK.sum(2, keepdim=True))
        is_small_SK = sums_3SK[0] < least_rows
        mean_SK = torch.where(is_small_SK, mean_S1, mean_SK)
        std_SK = torch.where(is_small_SK, std_S1, std_SK)
        floor_S1 = (SPREAD_FLOOR * std_S1).clamp(min=1e-12)
        return mean_SK.float(), torch.maximum(std_SK, floor_S1).float()


def _mean_and_std(sums_3SK: Tensor) -> tuple[Tensor, Tensor]:
    n_SK, total_SK, squares_SK = sums_3SK
    mean_SK = total_SK / n_SK
    return mean_SK, (squares_SK / n_SK - mean_SK.square()).clamp(min=0).sqrt()
