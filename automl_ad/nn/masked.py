"""Masked dense layers: output j of an autoregressive network sees the inputs before j and no others.

Every unit has a degree, its place in the order; a mask compares the degrees on both sides of a layer
(Germain et al. 2015, "MADE: Masked Autoencoder for Distribution Estimation", section 4).
Shapes: S members, B rows, I inputs and O outputs of a layer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal, Self

import torch
from torch import Tensor, nn

from automl_ad.nn.linear import MemberLinear
from automl_ad.nn.mlp import Activation, Norm, mlp


def degree_mask(degrees_I: Tensor, degrees_O: Tensor, *, strict: bool) -> Tensor:
    """[I, O], 1 where the output may see the input: earlier degrees, and its own unless `strict`.

    >>> degree_mask(torch.arange(3), torch.arange(3), strict=True)
    tensor([[0., 1., 1.],
            [0., 0., 1.],
            [0., 0., 0.]])
    """
    sees_IO = degrees_I[:, None] < degrees_O if strict else degrees_I[:, None] <= degrees_O
    return sees_IO.float()


class MemberMaskedLinear(MemberLinear):
    """`MemberLinear` with some connections cut, the same ones for every member.

    Weights start uniform in +-1/sqrt(inputs that the mask lets through), so that outputs early in the order
    do not start smaller than late ones.

    **Shape**: [B, I], the same rows for every member, or [S, B, I] -> [S, B, O].
    """

    def __init__(
        self, mask_IO: Tensor, *, n_members: int, generator: torch.Generator, bias: bool = True
    ) -> None:
        n_in, n_out = mask_IO.shape
        super().__init__(n_in, n_out, n_members=n_members, generator=generator, bias=bias)
        # Not a buffer: those have a member axis, are dropped with their member and kept in artifacts.
        self.mask_IO = mask_IO
        with torch.no_grad():
            self.weight.mul_(mask_IO * (n_in / mask_IO.sum(0).clamp(min=1)).sqrt())

    def forward(self, x: Tensor) -> Tensor:
        """[S, B, O]."""
        if x.dim() == 2:
            x = x.expand(self.weight.shape[0], -1, -1)
        weight_SIO = self.weight * self.mask_IO
        return torch.bmm(x, weight_SIO) if self.bias is None else torch.baddbmm(self.bias, x, weight_SIO)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Let the mask follow the weights to another device."""
        self.mask_IO = fn(self.mask_IO)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def masked_mlp(
    degrees: Sequence[Tensor],
    *,
    strict: Literal["first", "last"],
    n_members: int,
    generator: torch.Generator,
    activation: Activation,
    norm: Norm = "none",
) -> nn.Sequential:
    """An `mlp` that is autoregressive in the degrees of its units: those of the inputs first, outputs last.

    One layer is strict (mask A), all others are not (mask B): `first` keeps every unit from the input of its
    own degree, `last` only the outputs.

    >>> place = torch.arange(3)
    >>> net = masked_mlp(
    ...     [place, place.repeat(4), place],
    ...     strict="first",
    ...     n_members=2,
    ...     generator=torch.Generator(),
    ...     activation="relu",
    ... )
    >>> net(torch.zeros(5, 3)).shape
    torch.Size([2, 5, 3])
    """
    assert norm != "layer", "layer normalization shows every unit all the others"
    strict_depth = 0 if strict == "first" else len(degrees) - 2
    sizes = [len(degrees_U) for degrees_U in degrees]
    stack = mlp(sizes, n_members=n_members, generator=generator, activation=activation, norm=norm)
    dense = [place for place, layer in enumerate(stack) if isinstance(layer, MemberLinear)]
    for depth, (place, (inputs, outputs)) in enumerate(zip(dense, itertools.pairwise(degrees), strict=True)):
        mask_IO = degree_mask(inputs, outputs, strict=depth == strict_depth)
        stack[place] = MemberMaskedLinear(
            mask_IO, n_members=n_members, generator=generator, bias=stack[place].bias is not None
        )
    return stack
