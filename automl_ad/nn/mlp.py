"""The dense backbone and the rule for its sizes (METHODS 0.3)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from automl_ad.nn.linear import MemberLinear
from automl_ad.nn.normalization import MemberBatchNorm, MemberLayerNorm

Activation = Literal["leaky_relu", "relu", "tanh", "gelu"]
Norm = Literal["none", "batch", "layer"]


def hidden_sizes(n_features: int, n_layers: int = 2, width: float = 1.0) -> tuple[int, ...]:
    """The encoder's hidden layers: half the next power of two, then halves of that, times `width`.

    >>> hidden_sizes(32), hidden_sizes(274), hidden_sizes(8, n_layers=3, width=2.0)
    ((32, 16), (256, 128), (64, 32, 32))
    """
    first = min(max(2 ** math.ceil(math.log2(n_features)) // 2, 32), 512)
    return tuple(round(width * max(16, first // 2**depth)) for depth in range(n_layers))


def default_latent_size(n_features: int) -> int:
    """clip(round(2 sqrt(n_features)), 2, 64).

    >>> default_latent_size(8), default_latent_size(32), default_latent_size(4096)
    (6, 11, 64)
    """
    return min(max(round(2 * math.sqrt(n_features)), 2), 64)


def mlp(
    sizes: Sequence[int],
    *,
    n_members: int,
    generator: torch.Generator,
    activation: Activation = "leaky_relu",
    norm: Norm = "none",
    output: Activation | None = None,
    bias: bool = True,
    affine: bool = True,
) -> nn.Sequential:
    """A stack of dense layers from sizes[0] to sizes[-1] for S members.

    Every hidden layer is followed by `norm` and `activation`, the last one only by `output`. Before batch
    normalization there is no bias: its gradient would be rounding noise, which Adam makes full steps of.

    >>> encoder = mlp([4, 8, 2], n_members=3, generator=torch.Generator())
    >>> encoder(torch.zeros(5, 4)).shape
    torch.Size([3, 5, 2])
    """
    layers: list[nn.Module] = []
    for depth, (n_in, n_out) in enumerate(itertools.pairwise(sizes), start=1):
        is_hidden = depth < len(sizes) - 1
        has_bias = bias and not (is_hidden and norm == "batch")
        layers.append(MemberLinear(n_in, n_out, n_members=n_members, generator=generator, bias=has_bias))
        if is_hidden:
            layers += _normalization(norm, n_out, n_members, affine)
            layers.append(_activation(activation))
    if output is not None:
        layers.append(_activation(output))
    return nn.Sequential(*layers)


def _normalization(norm: Norm, n_units: int, n_members: int, affine: bool) -> list[nn.Module]:
    if norm == "batch":
        # 1e-4 without affine weights: Deep SVDD's published epsilon (METHODS 0.3, lenet28).
        epsilon = 1e-5 if affine else 1e-4
        return [MemberBatchNorm(n_units, n_members=n_members, affine=affine, epsilon=epsilon)]
    if norm == "layer":
        return [MemberLayerNorm(n_units, n_members=n_members, affine=affine)]
    return []


def _activation(name: Activation) -> nn.Module:
    modules: dict[Activation, nn.Module] = {
        "leaky_relu": nn.LeakyReLU(0.01),
        "relu": nn.ReLU(),
        "tanh": nn.Tanh(),
        "gelu": nn.GELU(),
    }
    return modules[name]
