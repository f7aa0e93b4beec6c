"""Robust subspace recovery (Lai et al. 2020, RSRAE): a linear layer that its losses make a projection.

Shapes: S members, B rows, C code coordinates, Z subspace dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NORM_FLOOR = 1e-6
"""What a shorter code counts as when it is divided by its length (METHODS M17)."""


class SubspaceEncoder(nn.Module):
    """A backbone and the robust subspace layer after it, z = A^T y.

    **Shape**: [B, D] or [S, B, D] -> [S, B, Z]; with `is_normalised` every code has length 1.
    """

    def __init__(self, backbone: nn.Module, basis_SCZ: Tensor, *, is_normalised: bool) -> None:
        """`basis_SCZ` is the first A."""
        super().__init__()
        self.backbone = backbone
        self.basis = nn.Parameter(basis_SCZ)
        self.is_normalised = is_normalised

    def forward(self, x: Tensor) -> Tensor:
        """[S, B, Z]."""
        return self.project(self.backbone(x))

    def project(self, y_SBC: Tensor) -> Tensor:
        """[S, B, Z], from the backbone's output."""
        z_SBZ = into_subspace(y_SBC, self.basis)
        return F.normalize(z_SBZ, dim=-1, eps=NORM_FLOOR) if self.is_normalised else z_SBZ


def into_subspace(y_SBC: Tensor, basis_SCZ: Tensor) -> Tensor:
    """A^T y [S, B, Z]."""
    return torch.bmm(y_SBC, basis_SCZ)


def distance_to_subspace(y_SBC: Tensor, basis_SCZ: Tensor) -> Tensor:
    """[S, B], ||y - A A^T y||, not squared: what robust subspace recovery minimises the mean of."""
    outside_SBC = y_SBC - into_subspace(y_SBC, basis_SCZ) @ basis_SCZ.mT
    distance_SB: Tensor = torch.linalg.vector_norm(outside_SBC, dim=-1)
    return distance_SB


def orthogonality_loss(basis_SCZ: Tensor) -> Tensor:
    """[S], the mean over the entries of (A^T A - I)^2: zero when the columns of A are orthonormal."""
    # NOTE[DIFF] the mean of the entries, as in the authors' code, where the paper has their sum: its weight
    # then means the same for every subspace dimension.
    identity_ZZ = torch.eye(basis_SCZ.shape[-1], dtype=basis_SCZ.dtype, device=basis_SCZ.device)
    return (basis_SCZ.mT @ basis_SCZ - identity_ZZ).square().mean((1, 2))
