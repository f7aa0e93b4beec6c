"""Mean and variance over many rows, block by block, in float64.

Shapes: S members, B rows of a block, F values of a row.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Moments:
    """Moments of all the rows added so far, per member.

    >>> moments = Moments()
    >>> moments.add(torch.tensor([[[1.0], [3.0]]]))
    >>> moments.mean_SF, moments.variance_SF
    (tensor([[2.]], dtype=torch.float64), tensor([[1.]], dtype=torch.float64))
    """

    def __init__(self, *, with_covariance: bool = False) -> None:
        self._with_covariance = with_covariance
        self._n_rows = 0
        self._sum: Tensor | float = 0.0
        self._squares: Tensor | float = 0.0

    def add(self, values_SBF: Tensor) -> None:
        """Count the rows of a block in."""
        values = values_SBF.double()
        self._n_rows += values.shape[1]
        self._sum = self._sum + values.sum(1)
        products = values.mT @ values if self._with_covariance else values.square().sum(1)
        self._squares = self._squares + products

    @property
    def mean_SF(self) -> Tensor:
        """The mean row."""
        return torch.as_tensor(self._sum) / self._n_rows

    @property
    def variance_SF(self) -> Tensor:
        """The variance of every value (divided by the number of rows)."""
        assert not self._with_covariance
        mean_SF = self.mean_SF
        return (torch.as_tensor(self._squares) / self._n_rows - mean_SF.square()).clamp(min=0)

    @property
    def covariance_SFF(self) -> Tensor:
        """The covariance between the values (divided by the number of rows)."""
        assert self._with_covariance
        mean_SF = self.mean_SF
        return torch.as_tensor(self._squares) / self._n_rows - mean_SF.unsqueeze(2) * mean_SF.unsqueeze(1)
