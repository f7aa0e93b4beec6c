"""Denoising autoencoder: spoilt rows must be restored, so the identity is no solution (METHODS M05).

Vincent et al. 2008 for the method and masking; the MVTec study of METHODS for Gaussian noise on images. The
loss compares the restored row with the clean one, `mean (D(E(x~)) - x)^2`; rows are scored without noise.
Shapes: S members, N rows, B rows of a batch, D features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from automl_ad.detectors.deep import row_moments
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_choice, read_float
from automl_ad.detectors.phases import Batch
from automl_ad.detectors.plain_autoencoding import PlainAutoencoding
from automl_ad.results import Value

Corruption = Literal["gauss", "mask", "swap"]


class DenoisingAutoencoder(PlainAutoencoding):
    """Encoder and decoder trained to restore rows from noisy ones."""

    name = "denoising_autoencoder"
    published = Published(n_epochs=100, batch_size=128, learning_rate=1e-3)
    feature_std: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.corruption = cast(Corruption, read_choice(params, "corruption", get_args(Corruption)))
        self.noise_std = read_float(params, "noise_std", 0.3)
        self.corrupted_share = read_float(params, "corrupted_share", 0.25, up_to=1.0)
        self.register_buffer("feature_std", torch.ones(n_members, n_features), persistent=False)

    def start(self, x_ND: Tensor) -> None:
        """Measure every feature's standard deviation, the unit of the Gaussian noise."""
        super().start(x_ND)
        self.feature_std.copy_(row_moments(x_ND).variance_SF.sqrt())

    def batch_loss(self, batch: Batch) -> Tensor:
        """[S], the squared error of the restored rows to the clean ones."""
        # NOTE[DIFF] noise in training only; the released MVTec code adds it to the rows it scores too.
        restored_SBD = self.codes(self.corrupted(batch)).restored_SBD
        clean_SBD = batch.x_BD.expand_as(restored_SBD)
        return F.mse_loss(restored_SBD, clean_SBD, reduction="none").mean((1, 2))

    def corrupted(self, batch: Batch) -> Tensor:
        """[B, D], the rows with noise: the same for every member."""
        if self.corruption == "gauss":
            # feature_std is the same for every member; only the rule for buffers gives it that axis.
            return with_gauss(batch.x_BD, self.noise_std * self.feature_std[0], batch.generator)
        corrupt = with_mask if self.corruption == "mask" else with_swaps
        return corrupt(batch.x_BD, self.corrupted_share, batch.generator)


def with_gauss(x_BD: Tensor, std_D: Tensor, generator: torch.Generator) -> Tensor:
    """The rows plus normal noise."""
    # NOTE[DIFF] not clamped to the range of the data, as the paper does with pixels: a scaler's range is not
    # known here, and z-scored tables have none.
    noise_BD = torch.randn(x_BD.shape, generator=generator, device=x_BD.device)
    return torch.addcmul(x_BD, noise_BD, std_D)


def with_mask(x_BD: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The rows with this share of their values set to 0: the centre if z-scored, the lowest if min-maxed."""
    # NOTE[DIFF] every value by itself with probability `share`, not exactly that share of every row: few
    # features could not have a small share.
    return x_BD.masked_fill(_chosen(x_BD, share, generator), 0.0)


def with_swaps(x_BD: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The rows with this share of each column's values permuted: all plausible, but misplaced."""
    is_chosen_BD = _chosen(x_BD, share, generator)
    # Both orders are the chosen rows, then the others as they stand; the first has the chosen ones shuffled.
    key_BD = torch.rand(x_BD.shape, generator=generator, device=x_BD.device).masked_fill(~is_chosen_BD, 2.0)
    from_BD = key_BD.argsort(dim=0, stable=True)
    to_BD = (~is_chosen_BD).float().argsort(dim=0, stable=True)
    return x_BD.scatter(0, to_BD, x_BD.gather(0, from_BD))


def _chosen(x_BD: Tensor, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(x_BD.shape, generator=generator, device=x_BD.device) < share
