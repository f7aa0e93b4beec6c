"""Support vector data description in latent space: distances, centre, soft boundary (Ruff et al. 2018).

Every function works member by member. Shapes: S members, B rows, Z latent size.
"""

from __future__ import annotations

import torch
from torch import Tensor


def squared_distance(z_SBZ: Tensor, center_SZ: Tensor) -> Tensor:
    """[S, B], summed over the latent coordinates."""
    return (z_SBZ - center_SZ.unsqueeze(1)).square().sum(-1)


def push_from_zero(center_SZ: Tensor, margin: float) -> Tensor:
    """The centre with every coordinate closer to zero than `margin` moved to it, keeping its sign.

    A coordinate near zero is matched by zero weights for free. Exact zeros stay, as in the authors' code.

    >>> push_from_zero(torch.tensor([[0.05, -0.01, 0.0, 0.5]]), 0.1)
    tensor([[ 0.1000, -0.1000,  0.0000,  0.5000]])
    """
    return torch.where(center_SZ.abs() < margin, margin * center_SZ.sign(), center_SZ)


def hard_loss(distance2_SB: Tensor) -> Tensor:
    """[S], the one-class objective: the mean squared distance."""
    return distance2_SB.mean(1)


def soft_loss(distance2_SB: Tensor, radius_S: Tensor, nu: float) -> Tensor:
    """[S], R^2 + 1/nu * mean(max(0, d^2 - R^2)), the soft-boundary objective."""
    outside_SB = (distance2_SB - radius_S.square().unsqueeze(1)).clamp(min=0)
    return radius_S.square() + outside_SB.mean(1) / nu


def boundary_radius(distance2_SB: Tensor, nu: float) -> Tensor:
    """[S], the radius that leaves a share `nu` of the rows outside."""
    return torch.quantile(distance2_SB.sqrt(), 1 - nu, dim=1)
