"""DRAE: an autoencoder that learns only the rows on the small side of the best split of their errors.

Xia et al. 2015, "Learning Discriminative Reconstructions for Unsupervised Outlier Removal"; METHODS M13.
Shapes: S members, B rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_float, read_int
from automl_ad.detectors.phases import Batch, OptimizerSpec
from automl_ad.detectors.plain_autoencoding import PlainAutoencoding
from automl_ad.nn.scatter_split import split_by_scatter
from automl_ad.results import Value

ADAM_EPSILON = 1e-7
"""Of the published training, METHODS M13."""


class Drae(PlainAutoencoding):
    """Mean error of the inliers of each batch, plus the scatter that the split leaves within."""

    name = "drae"
    needs_whole_batches = True  # a small last batch splits on noise
    # The code layer of golan32, the published backbone.
    latent_activation = "tanh"
    published = Published(
        n_epochs=250, batch_size=128, learning_rate=1e-3, weight_decay=5e-4, activation="relu", norm="batch"
    )
    start_error: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.lambda_weight = read_float(params, "lambda_weight", 0.1)
        # NOTE[DIFF] splits after fewer rows are not allowed: clean batches split on noise (METHODS M13).
        self.min_inlier_share = read_float(params, "min_inlier_share", 0.5, up_to=0.99)
        # Within the first half, or the split would never be made.
        self.start_epoch = min(read_int(params, "start_epoch", 0, low=0), self.optimization.n_epochs // 2)
        self.register_buffer("start_error", torch.ones(n_members), persistent=False)

    def adam(self, **options: Any) -> OptimizerSpec:
        """The optimizer of the networks, with the published epsilon."""
        return super().adam(eps=ADAM_EPSILON, **options)

    def start(self, x_ND: Tensor) -> None:
        """Take the error before training, the unit of lambda."""
        super().start(x_ND)
        self.start_error.copy_(self.mean_error(x_ND))

    def batch_loss(self, batch: Batch) -> Tensor:
        """[S], mean error of the inliers plus the scatter ratio of the split."""
        errors_SB = self.codes(batch.x_BD).mean_square_SB
        if batch.epoch < self.start_epoch:
            return errors_SB.mean(1)
        # NOTE[DIFF] split in every batch, as the code that published figures come from; the paper splits all
        # rows and repeats that during training.
        split = split_by_scatter(errors_SB, self.min_inlier_share)
        # NOTE[DIFF] lambda times the error before training: the ratio has no unit, the error has that of x^2.
        weight_S = self.lambda_weight * self.start_error
        return split.inlier_mean_S + weight_S * split.scatter_ratio_S
