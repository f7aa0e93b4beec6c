"""How much a dense stack stretches its input: products with its Jacobian, member by member and row by row.

The chain rule is written out layer by layer instead of asking autograd for it: the result is then an ordinary
expression, cheap to differentiate again, and works without gradients as well.
Shapes: S members, B rows, D inputs, H units, Z outputs, K cotangents.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from automl_ad.nn.linear import MemberLinear
from automl_ad.nn.normalization import MemberLayerNorm

BLOCK_VALUES = 2**23
"""Float32 values of one intermediate product (32 MiB) when norms are taken block by block."""


def squared_jacobian_norm(stack: nn.Sequential, x_BD: Tensor) -> Tensor:
    """[S, B], ||dz/dx||_F^2 of every row, exact: one cotangent per output."""
    weight_SHZ = _linear_layers(stack)[-1].weight
    n_members, _, n_outputs = weight_SHZ.shape
    widest = max(layer.weight.shape[1] for layer in _linear_layers(stack))
    n_rows = max(1, BLOCK_VALUES // (n_members * n_outputs * widest))
    identity_SBZZ = torch.eye(n_outputs, dtype=x_BD.dtype, device=x_BD.device).expand(n_members, 1, -1, -1)
    blocks = [_squared_length(stack, block_BD, identity_SBZZ) for block_BD in torch.split(x_BD, n_rows)]
    return torch.cat(blocks, dim=1)


def squared_jacobian_probe(stack: nn.Sequential, x_BD: Tensor, probe_BZ: Tensor) -> Tensor:
    """[S, B], ||v^T dz/dx||^2: its mean over probes v with E[v v^T] = I is the squared norm (Hutchinson)."""
    n_members = _linear_layers(stack)[-1].weight.shape[0]
    return _squared_length(stack, x_BD, probe_BZ.unsqueeze(1).expand(n_members, -1, -1, -1))


def pull_back(stack: nn.Sequential, x_BD: Tensor, cotangent_SBKZ: Tensor) -> Tensor:
    """[S, B, K, D], v^T dz/dx of the stack at every row; a row axis of 1 means the same v for all rows.

    Layers that couple rows (batch normalization) have no such Jacobian and are refused with TypeError.
    """
    inputs = [x_BD]
    for layer in list(stack)[:-1]:
        inputs.append(layer(inputs[-1]))
    gradient = cotangent_SBKZ
    for layer, layer_input in zip(reversed(stack), reversed(inputs), strict=True):
        gradient = _pull_back_layer(layer, layer_input, gradient)
    return gradient.expand(-1, len(x_BD), -1, -1)


def _squared_length(stack: nn.Sequential, x_BD: Tensor, cotangent_SBKZ: Tensor) -> Tensor:
    return pull_back(stack, x_BD, cotangent_SBKZ).square().sum((2, 3))


def _pull_back_layer(layer: nn.Module, x: Tensor, gradient_SBKH: Tensor) -> Tensor:
    if isinstance(layer, MemberLinear):
        # One matrix product per member, the cotangents of a row being just more rows.
        product = torch.bmm(gradient_SBKH.flatten(1, 2), layer.weight.mT)
        return product.view(*gradient_SBKH.shape[:-1], product.shape[-1])
    if isinstance(layer, MemberLayerNorm):
        return _pull_back_layer_norm(layer, x, gradient_SBKH)
    return gradient_SBKH * _slope(layer, x).unsqueeze(2)


def _pull_back_layer_norm(layer: MemberLayerNorm, x_SBH: Tensor, gradient_SBKH: Tensor) -> Tensor:
    """(g - mean(g) - n mean(g n)) / std, with g times the layer's weight and n the normalized row."""
    if layer.weight is not None:
        gradient_SBKH = gradient_SBKH * layer.weight.unsqueeze(1)
    centred_SB1H = (x_SBH - x_SBH.mean(-1, keepdim=True)).unsqueeze(2)
    std_SB11 = (centred_SB1H.square().mean(-1, keepdim=True) + layer.epsilon).sqrt()
    normalized_SB1H = centred_SB1H / std_SB11
    along_SBK1 = (gradient_SBKH * normalized_SB1H).mean(-1, keepdim=True)
    mean_SBK1 = gradient_SBKH.mean(-1, keepdim=True)
    return (gradient_SBKH - mean_SBK1 - normalized_SB1H * along_SBK1) / std_SB11


def _slope(activation: nn.Module, x: Tensor) -> Tensor:
    """The derivative of an elementwise layer, at kinks torch's choice."""
    if isinstance(activation, nn.Tanh):
        return 1 - x.tanh().square()
    if isinstance(activation, nn.ReLU):
        return (x > 0).to(x.dtype)
    if isinstance(activation, nn.LeakyReLU):
        return torch.where(x > 0, 1.0, activation.negative_slope)
    if isinstance(activation, nn.GELU):
        density = (-x.square() / 2).exp() / math.sqrt(2 * math.pi)
        slope: Tensor = torch.special.ndtr(x) + x * density
        return slope
    raise TypeError(f"the Jacobian is known for elementwise layers only, got {type(activation).__name__}")


def _linear_layers(stack: nn.Sequential) -> list[MemberLinear]:
    return [layer for layer in stack if isinstance(layer, MemberLinear)]
