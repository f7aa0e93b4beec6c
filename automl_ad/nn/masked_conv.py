"""A convolution of S members that only sees what stands before it in reading order.

That is the pixels above, those to the left, and of its own pixel the earlier colours. van den Oord et al.
2016, "Pixel Recurrent Neural Networks", section 3.4.
Shapes: S members, B rows, C channels, H x W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MemberMaskedConv(nn.Module):
    """S independent convolutions with one mask; members lie side by side as groups of channels.

    The channels are split evenly among `n_colors`, in order; an output sees of its own pixel the inputs of
    earlier colours, and those of its own colour too unless `is_strict` (mask A; else mask B).

    **Shape**: [B, S * n_in, H, W] -> [B, S * n_out, H, W].

    >>> conv = MemberMaskedConv(1, 4, 3, n_members=2, n_colors=1, is_strict=True, generator=torch.Generator())
    >>> conv(torch.zeros(5, 2, 8, 8)).shape, conv.mask[0, 0, 0].int().tolist()
    (torch.Size([5, 8, 8, 8]), [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    """

    mask: Tensor

    def __init__(
        self,
        n_in: int,
        n_out: int,
        side: int,
        *,
        n_members: int,
        n_colors: int,
        is_strict: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        mask = _mask(n_in, n_out, side, n_colors, is_strict)
        # As wide as torch's default for the inputs that are seen; one tap at least, for a blind first colour.
        bound = max(float(mask.sum()) / n_out, 1.0) ** -0.5
        shape = (n_members, n_out, n_in, side, side)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))
        self.bias = nn.Parameter(torch.empty(n_members, n_out).uniform_(-bound, bound, generator=generator))
        # Not kept: it follows from the sizes. One for each member, so that members can be dropped.
        self.register_buffer("mask", mask.repeat(n_members, 1, 1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, S * n_out, H, W]."""
        weight = (self.weight * self.mask).flatten(0, 1)
        # cuDNN would round to TF32, unlike dense layers: a score then depends on where it is computed.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return F.conv2d(x, weight, self.bias.flatten(), padding="same", groups=self.weight.shape[0])


def _mask(n_in: int, n_out: int, side: int, n_colors: int, is_strict: bool) -> Tensor:
    """[n_out, n_in, side, side], 1 where an output sees an input."""
    middle = side // 2
    # On the CPU whatever the default device: an artifact's size is checked on torch's meta device.
    mask = torch.zeros(n_out, n_in, side, side, device="cpu")
    mask[:, :, :middle] = 1
    mask[:, :, middle, :middle] = 1
    color_in, color_out = _colors(n_in, n_colors), _colors(n_out, n_colors).unsqueeze(1)
    mask[:, :, middle, middle] = (color_in < color_out if is_strict else color_in <= color_out).float()
    return mask


def _colors(n_channels: int, n_colors: int) -> Tensor:
    """[n_channels], the colour each channel belongs to."""
    return torch.arange(n_channels, device="cpu") * n_colors // n_channels
