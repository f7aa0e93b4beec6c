"""A small classifier of codes with dropout that all members share.

Shapes: S members, B rows, Z latent size, H hidden units, K groups.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from automl_ad.nn.linear import MemberLinear


class MemberClassifier(nn.Module):
    """Three dense layers with ReLU and dropout between them.

    **Shape**: [S, B, Z] -> logits [S, B, K].
    """

    def __init__(
        self, n_in: int, n_hidden: int, n_groups: int, *, n_members: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(
            MemberLinear(size, n_hidden, n_members=n_members, generator=generator)
            for size in (n_in, n_hidden)
        )
        self.output = MemberLinear(n_hidden, n_groups, n_members=n_members, generator=generator)

    def forward(
        self, z_SBZ: Tensor, *, dropout: float = 0.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Logits. Units are only dropped, in training, when there is a `generator` to choose them."""
        h_SBH = z_SBZ
        for layer in self.hidden:
            h_SBH = layer(h_SBH).relu()
            if generator is not None:
                draws_BH = torch.rand(h_SBH.shape[1:], generator=generator, device=h_SBH.device)
                h_SBH = h_SBH * (draws_BH >= dropout) / (1 - dropout)
        logits_SBK: Tensor = self.output(h_SBH)
        return logits_SBK

    def set_n_groups(self, n_groups: int, generator: torch.Generator) -> None:
        """Fresh output weights for another number of groups. The parameters stay the same objects."""
        weight_SHK = self.output.weight
        n_members, n_hidden, _ = weight_SHK.shape
        fresh = MemberLinear(n_hidden, n_groups, n_members=n_members, generator=generator)
        for parameter, other in zip(self.output.parameters(), fresh.parameters(), strict=True):
            parameter.data = other.data.to(parameter.device)
