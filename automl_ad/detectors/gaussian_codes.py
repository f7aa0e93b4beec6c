"""Codes and rows as diagonal Gaussians: what a VAE's encoder and decoder put out (METHODS M03).

Shapes: S members, B rows, D features, Z latent size.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from automl_ad.detectors.codes import Codes
from automl_ad.nn.gaussian import (
    divergence_from_standard,
    half_log_volume,
    half_standardized_error,
    softly_bounded,
)

LATENT_LOG_VARIANCE = (-12.0, 8.0)
"""Bounds of METHODS M03."""
MAX_LOG_VARIANCE = 5.0
"""Over the log of the decoder's scale (METHODS M03)."""


class GaussianDecoder(nn.Module):
    """Moments of p(x | z); `tied` [S, 1, D or 1] are log-variances that all rows share."""

    log_scale: Tensor

    def __init__(
        self, stack: nn.Module, tied: nn.Parameter | None, min_log_variance: float, n_members: int
    ) -> None:
        super().__init__()
        self.stack = stack
        self.tied = tied
        self.min_log_variance = min_log_variance
        self.register_buffer("log_scale", torch.zeros(n_members, 1, 1))

    def forward(self, z_SBZ: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each [S, B, D]."""
        out: Tensor = self.stack(z_SBZ)
        mean_SBD, raw_SBD = (out, self.tied.expand_as(out)) if self.tied is not None else out.chunk(2, dim=-1)
        # NOTE[DIFF] unbounded in the paper: features that the decoder knows exactly then drive it to -inf.
        return mean_SBD, self.log_scale + softly_bounded(raw_SBD, self.min_log_variance, MAX_LOG_VARIANCE)


class GaussianCodes(Codes):
    """Rows as a VAE sees them: z is the mean of q(z | x), or with noise a draw from it."""

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, x_BD: Tensor, noise_BZ: Tensor | None = None
    ) -> None:
        super().__init__(encoder, decoder, x_BD)
        self._noise_BZ = noise_BZ

    @cached_property
    def posterior(self) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | x), each [S, B, Z]."""
        mean_SBZ, raw_SBZ = self._encoder(self._x_BD).chunk(2, dim=-1)
        return mean_SBZ, softly_bounded(raw_SBZ, *LATENT_LOG_VARIANCE)

    @cached_property
    def z_SBZ(self) -> Tensor:
        """The code that is decoded."""
        mean_SBZ, log_variance_SBZ = self.posterior
        if self._noise_BZ is None:
            return mean_SBZ
        return mean_SBZ + (log_variance_SBZ / 2).exp() * self._noise_BZ

    @cached_property
    def decoded(self) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of p(x | z), each [S, B, D]."""
        decoded: tuple[Tensor, Tensor] = self._decoder(self.z_SBZ)
        return decoded

    @cached_property
    def restored_SBD(self) -> Tensor:
        """The mean of p(x | z)."""
        return self.decoded[0]

    @cached_property
    def divergence_SB(self) -> Tensor:
        """D, of q(z | x) from the prior."""
        return divergence_from_standard(*self.posterior)

    @cached_property
    def volume_SB(self) -> Tensor:
        """A, how much spread is predicted."""
        return half_log_volume(self.decoded[1])

    @cached_property
    def misfit_SB(self) -> Tensor:
        """M, the error in units of the predicted spread."""
        return half_standardized_error(self.residual_SBD, self.decoded[1])
