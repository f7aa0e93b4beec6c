"""Batch and layer normalization of S members at once; members never share a statistic.

Shapes: S members, B rows, H units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MemberBatchNorm(nn.Module):
    """S independent `nn.BatchNorm1d`. Training needs at least two rows.

    **Shape**: [S, B, H] -> [S, B, H].
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(self, n_units: int, *, n_members: int, affine: bool = True, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(n_members, n_units)) if affine else None
        self.bias = nn.Parameter(torch.zeros(n_members, n_units)) if affine else None
        self.register_buffer("running_mean", torch.zeros(n_members, n_units))
        self.register_buffer("running_variance", torch.ones(n_members, n_units))

    def forward(self, x_SBH: Tensor) -> Tensor:
        """Normalized by the batch in training, by the running moments in evaluation."""
        n_members, n_rows, n_units = x_SBH.shape
        # Side by side the members' units are just more channels of torch's own kernel.
        normalized = F.batch_norm(
            x_SBH.transpose(0, 1).reshape(n_rows, n_members * n_units),
            self.running_mean.view(-1),
            self.running_variance.view(-1),
            None if self.weight is None else self.weight.view(-1),
            None if self.bias is None else self.bias.view(-1),
            training=self.training,
            eps=self.epsilon,
        )
        return normalized.view(n_rows, n_members, n_units).transpose(0, 1)


class MemberLayerNorm(nn.Module):
    """S independent `nn.LayerNorm`.

    **Shape**: [S, B, H] -> [S, B, H].
    """

    def __init__(self, n_units: int, *, n_members: int, affine: bool = True, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.n_units = n_units
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(n_members, 1, n_units)) if affine else None
        self.bias = nn.Parameter(torch.zeros(n_members, 1, n_units)) if affine else None

    def forward(self, x_SBH: Tensor) -> Tensor:
        """Every row normalized by its own units."""
        normalized = F.layer_norm(x_SBH, (self.n_units,), eps=self.epsilon)
        if self.weight is None or self.bias is None:
            return normalized
        return torch.addcmul(self.bias, normalized, self.weight)
