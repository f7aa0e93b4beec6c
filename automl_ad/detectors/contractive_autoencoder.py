"""Contractive autoencoder: codes that barely move when a row does, except along the data (METHODS M06).

Rifai et al. 2011, "Contractive Auto-Encoders: Explicit Invariance During Feature Extraction", eq. 5:
`L = rec + lambda * mean_B ||dE/dx||_F^2`, the true Jacobian of the encoder, of every row.
Shapes: S members, N rows, B rows of a batch or block, D features, Z latent size.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn

from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_choice, read_float
from automl_ad.detectors.phases import Batch
from automl_ad.detectors.plain_autoencoding import PlainAutoencoding
from automl_ad.nn.jacobian import squared_jacobian_norm, squared_jacobian_probe
from automl_ad.results import Value

MAX_EXACT_LATENT = 32
"""Coordinates of the code beyond which an exact penalty costs too much: a probe replaces it (METHODS 4.4)."""
SCALE_ROWS = 1_000
"""Rows that the weight of the penalty is measured on."""
VARIANCE_FLOOR = 1e-6
"""Of the latent variance at the start: a code that died has no contraction to divide by."""


class JacobianCodes(Codes):
    """A block of rows with the Jacobian of its codes."""

    @cached_property
    def jacobian2_SB(self) -> Tensor:
        """||dE/dx||_F^2, exact."""
        return squared_jacobian_norm(cast(nn.Sequential, self._encoder), self._x_BD)

    def probed_jacobian2(self, generator: torch.Generator) -> Tensor:
        """[S, B], unbiased for the exact one: a Rademacher probe per row, the same for every member."""
        shape = (len(self._x_BD), self.z_SBZ.shape[-1])
        signs_BZ = torch.randint(2, shape, generator=generator, device=self._x_BD.device) * 2.0 - 1.0
        return squared_jacobian_probe(cast(nn.Sequential, self._encoder), self._x_BD, signs_BZ)


class ContractiveAutoencoder(PlainAutoencoding):
    """Encoder and decoder trained to reproduce the rows, the encoder as insensitive as that allows.

    The Jacobian of a row is no score: a saturated encoder is flat far outside of the data, so the strangest
    rows would have the smallest.
    """

    name = "contractive_autoencoder"
    needs_whole_batches = True
    # NOTE[DIFF] tanh where the paper has the sigmoid: the saturating activation of the search space.
    published = Published(n_epochs=100, batch_size=128, learning_rate=1e-3, activation="tanh")
    penalty_scale: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        # Batch normalization couples rows: a row alone has no Jacobian then (METHODS M06).
        read_choice(params, "norm", ("none", "layer"))
        super().__init__(params, n_features, n_members, seed)
        self.lambda_weight = read_float(params, "lambda_weight", 0.1)
        mode = read_choice(params, "mode", ("exact", "hutchinson"))
        self.is_exact = mode == "exact" and self.network.sizes[-1] <= MAX_EXACT_LATENT
        self.register_buffer("penalty_scale", torch.ones(n_members), persistent=False)

    def start(self, x_ND: Tensor) -> None:
        """Measure the weight with which the penalty equals the reconstruction error at the start."""
        super().start(x_ND)
        codes = self.codes(x_ND[:: max(1, len(x_ND) // SCALE_ROWS)])
        probes = torch.Generator(x_ND.device).manual_seed(self.seed)
        contraction_S = self._contraction(self._jacobian2(codes, probes), codes)
        self.penalty_scale.copy_(codes.mean_square_SB.mean(1) / contraction_S)

    def batch_loss(self, batch: Batch) -> Tensor:
        """[S], reconstruction error plus the weighted penalty."""
        codes = self.codes(batch.x_BD)
        penalty_S = self.penalty_scale * self._contraction(self._jacobian2(codes, batch.generator), codes)
        return codes.mean_square_SB.mean(1) + self.lambda_weight * penalty_S

    def _jacobian2(self, codes: JacobianCodes, generator: torch.Generator) -> Tensor:
        return codes.jacobian2_SB if self.is_exact else codes.probed_jacobian2(generator)

    def _contraction(self, jacobian2_SB: Tensor, codes: Codes) -> Tensor:
        """[S], the mean squared Jacobian norm per latent variance: free of the scale of the codes."""
        # NOTE[DIFF] divided by the variance of the codes, where the paper ties the decoder's weights to the
        # encoder's: smaller codes, scaled up by the decoder, would be a contraction for free, and a bounded
        # code forbids only large ones. A linear encoder is then drawn to the first principal components.
        variance_S = codes.z_SBZ.var(dim=1, correction=0).mean(-1)
        floor_S = VARIANCE_FLOOR * self.latent_variance_start + torch.finfo(torch.float32).tiny
        return jacobian2_SB.mean(1) / (variance_S + floor_S)

    def codes(self, x_BD: Tensor) -> JacobianCodes:
        """The rows as the networks see them, and how the encoder stretches there."""
        return JacobianCodes(self.encoder, self.decoder, x_BD)
