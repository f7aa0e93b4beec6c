"""A dense layer of S members at once: one batched matrix product instead of S small ones.

Shapes: S members, B rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MemberLinear(nn.Module):
    """S independent `nn.Linear` layers, initialised like torch's default: uniform in +-1/sqrt(n_in).

    **Shape**: [B, n_in], the same rows for every member, or [S, B, n_in] -> [S, B, n_out].

    >>> layer = MemberLinear(3, 2, n_members=8, generator=torch.Generator())
    >>> layer(torch.zeros(5, 3)).shape
    torch.Size([8, 5, 2])
    """

    def __init__(
        self, n_in: int, n_out: int, *, n_members: int, generator: torch.Generator, bias: bool = True
    ) -> None:
        super().__init__()
        bound = n_in**-0.5
        # [in, out] and not torch's [out, in]: on one core baddbmm is then 5 to 10 % faster per training step,
        # and einsum 1.5 times slower than either (tests/benchmarks/bench_members.py has the shapes).
        weight_SIO = torch.empty(n_members, n_in, n_out).uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight_SIO)
        self.bias: nn.Parameter | None = None
        if bias:
            self.bias = nn.Parameter(
                torch.empty(n_members, 1, n_out).uniform_(-bound, bound, generator=generator)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[S, B, n_out]."""
        if x.dim() == 2:
            x = x.expand(self.weight.shape[0], -1, -1)
        if self.bias is None:
            return torch.bmm(x, self.weight)
        return torch.baddbmm(self.bias, x, self.weight)
