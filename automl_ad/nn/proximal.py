"""Proximal operators: the part of a residual that a sparse penalty cannot explain away.

Both solve argmin over s of 1/2 ||r - s||^2 + tau * penalty(s), member by member.
Shapes: S members, B rows, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor

from automl_ad.nn.shares import rows_of_share


def prox_l21(residual_SBD: Tensor, tau_S: Tensor) -> Tensor:
    """[S, B, D], every row shortened by `tau`, rows shorter than it 0: the penalty is the sum of row norms.

    >>> prox_l21(torch.tensor([[[3.0, 4.0], [0.3, 0.4]]]), torch.tensor([1.0]))
    tensor([[[2.4000, 3.2000],
             [0.0000, 0.0000]]])
    """
    norm_SB1 = torch.linalg.vector_norm(residual_SBD, dim=-1, keepdim=True)
    shortest = torch.finfo(residual_SBD.dtype).tiny
    kept_SB1: Tensor = (1 - tau_S.view(-1, 1, 1) / norm_SB1.clamp(min=shortest)).clamp(min=0)
    return residual_SBD * kept_SB1


def prox_l1(residual_SBD: Tensor, tau_S: Tensor) -> Tensor:
    """[S, B, D], every entry moved towards 0 by `tau`: the penalty is the sum of absolute entries."""
    return residual_SBD.sign() * (residual_SBD.abs() - tau_S.view(-1, 1, 1)).clamp(min=0)


def tail_threshold(values_N: Tensor, share: float) -> Tensor:
    """Scalar, the (1 - share)-quantile, itself one of the values: at most that share of them is above."""
    # kthvalue and not quantile, which takes no more than 16 million values.
    rank = rows_of_share(len(values_N), 1 - share)
    return values_N.kthvalue(max(rank, 1)).values
