"""How much a reconstruction resembles its row, whatever the row's length: direction and relative error.

Both divide by lengths, which may be almost zero (a row at the mean of z-scored data): lengths below a
floor count as the floor. Shapes: S members, B rows, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor


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


def _floored_length(values: Tensor, floor_S: Tensor) -> Tensor:
    return torch.maximum(torch.linalg.vector_norm(values, dim=-1), floor_S.unsqueeze(1))
