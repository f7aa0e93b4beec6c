"""How much a reconstruction resembles its row, whatever the row's length: direction and relative error.

Both divide by lengths, which may be almost zero (a row at the mean of z-scored data): lengths below a
floor count as the floor. Shapes: S members, B rows, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR_SHARE = 0.1
"""Of the median length of a row."""


def cosine(x_BD: Tensor, restored_SBD: Tensor, floor_S: Tensor) -> Tensor:
    """[S, B], the cosine of the angle between row and reconstruction.

    >>> cosine(torch.tensor([[3.0, 4.0]]), torch.tensor([[[6.0, 8.0]]]), torch.tensor([1e-6]))
    tensor([[1.]])
    """
    product_SB = (x_BD * restored_SBD).sum(-1)
    return product_SB / (_floored_length(x_BD, floor_S) * _floored_length(restored_SBD, floor_S))


def relative_error(x_BD: Tensor, restored_SBD: Tensor, floor_S: Tensor) -> Tensor:
    """[S, B], the length of the residual over the length of the row."""
    residual_SB: Tensor = torch.linalg.vector_norm(x_BD - restored_SBD, dim=-1)
    return residual_SB / _floored_length(x_BD, floor_S)


def direction_distance(x_BD: Tensor, restored_SBD: Tensor, floor_S: Tensor) -> Tensor:
    """[S, B], half the squared distance of the two directions: 1 - cosine for lengths above the floor.

    Below it, row and reconstruction are compared as they are, so that a row without a direction is not far
    from a reconstruction that has none either.

    >>> direction_distance(torch.tensor([[2.0, 0.0]]), torch.tensor([[[0.0, -3.0]]]), torch.tensor([1e-6]))
    tensor([[1.]])
    """
    row_SBD = x_BD / _floored_length(x_BD, floor_S).unsqueeze(-1)
    other_SBD = restored_SBD / _floored_length(restored_SBD, floor_S).unsqueeze(-1)
    distance_SB: Tensor = (row_SBD - other_SBD).square().sum(-1) / 2
    return distance_SB


def short_length(x_ND: Tensor) -> Tensor:
    """Scalar, a tenth of the median length of the rows: what is shorter has no direction to speak of.

    A row of zeros, such as a black image, would have a relative error of 1e8: one such row would be the whole
    covariance of DAGMM, and the commonest row of a sparse table the strangest of RSRAE.
    """
    length_N: Tensor = torch.linalg.vector_norm(x_ND, dim=1)
    return (FLOOR_SHARE * length_N.median()).clamp(min=1e-8)


def _floored_length(values: Tensor, floor_S: Tensor) -> Tensor:
    return torch.maximum(torch.linalg.vector_norm(values, dim=-1), floor_S.unsqueeze(1))
