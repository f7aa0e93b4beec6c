"""Dense autoencoder: rows that a bottleneck cannot reproduce are strange (METHODS M01).

Shapes: S members, B rows of a batch, D features.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_choice
from automl_ad.detectors.phases import Batch
from automl_ad.detectors.plain_autoencoding import PlainAutoencoding
from automl_ad.results import Value


class Autoencoder(PlainAutoencoding):
    """Encoder and decoder trained to reproduce the rows."""

    name = "autoencoder"
    published = Published(n_epochs=100, batch_size=128, learning_rate=1e-3)

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.loss = read_choice(params, "loss", ("mse", "l1", "huber"))

    def batch_loss(self, batch: Batch) -> Tensor:
        """[S], the reconstruction error by the chosen measure."""
        codes = self.codes(batch.x_BD)
        if self.loss == "mse":
            return codes.mean_square_SB.mean(1)
        if self.loss == "l1":
            return codes.residual_SBD.abs().mean((1, 2))
        zeros = torch.zeros_like(codes.residual_SBD)
        return F.huber_loss(codes.residual_SBD, zeros, reduction="none", delta=1.0).mean((1, 2))
