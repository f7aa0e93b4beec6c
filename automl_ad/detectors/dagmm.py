"""DAGMM: a Gaussian mixture over the code of a row and how it was reconstructed, trained together.

Zong et al. 2018, "Deep Autoencoding Gaussian Mixture Model for Unsupervised Anomaly Detection"; METHODS M15.
Shapes: S members, N rows, B rows of a block, Z latent size, F = Z + 2 features of a row, K mixture parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_float, read_int
from automl_ad.detectors.phases import Batch, Phase, Step
from automl_ad.nn import MemberLinear
from automl_ad.nn.mixture import MixtureMoments, energy, factor, inverse_variances
from automl_ad.nn.similarity import cosine, relative_error, short_length
from automl_ad.results import Value

ESTIMATOR_SIZE = 10
DROPOUT = 0.5


class Dagmm(Autoencoding):
    """How unlikely a row's code, relative error and cosine are under a learnt mixture."""

    name = "dagmm"
    score_types = (
        ScoreType(name="energy", meaning="-log likelihood under the mixture of all training rows (eq. 6)"),
        ScoreType(name="rec_mse", meaning="squared reconstruction error, mean over features"),
    )
    # The code of 2, the 2 parts and the batches of 128 are the paper's for its smallest table.
    # NOTE[DIFF] ten times the published rate: the paper takes 30,000 to 50,000 steps at 1e-4 (10,000
    # epochs of Arrhythmia, 200 of KDD), 200 epochs of 2,000 rows are 3,000.
    published = Published(n_epochs=200, batch_size=128, learning_rate=1e-3, activation="tanh", latent_size=2)
    norm_floor: Tensor
    share: Tensor
    mean: Tensor
    factor: Tensor
    reconstruction_scale: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.energy_weight = read_float(params, "energy_weight", 0.1)
        self.variance_weight = read_float(params, "variance_weight", 0.005)
        n_parts = read_int(params, "n_components", 2)
        n_values = self.network.sizes[-1] + 2
        self.estimator = _make_estimator(n_values, n_parts, n_members, seed)
        self.register_buffer("norm_floor", torch.ones(n_members))
        self.register_buffer("share", torch.full((n_members, n_parts), 1 / n_parts))
        self.register_buffer("mean", torch.zeros(n_members, n_parts, n_values))
        self.register_buffer("factor", torch.eye(n_values).repeat(n_members, n_parts, 1, 1))
        self.register_buffer("reconstruction_scale", torch.ones(n_members), persistent=False)

    def start(self, x_ND: Tensor) -> None:
        """Measure what is a short row and how large the untrained reconstruction error is."""
        super().start(x_ND)
        self.norm_floor.fill_(short_length(x_ND))
        self.reconstruction_scale.copy_(self.mean_error(x_ND).clamp(min=1e-12))

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase, one step: both networks together."""
        del n_rows
        step = Step(
            name="weights",
            loss=self._loss,
            parameters=[*self.network_parameters(), *self.estimator.parameters()],
            optimizer=self.adam(),
        )
        return [
            Phase(
                name="joint",
                n_epochs=self.optimization.n_epochs,
                steps=[step],
                batch_size=self.optimization.batch_size,
                drop_last=True,  # a few rows have no covariance
            )
        ]

    def _loss(self, batch: Batch) -> Tensor:
        """Eq. 7, with the mixture of the batch (eq. 5)."""
        codes = self.codes(batch.x_BD)
        values_SBF = self.values(codes)
        moments = MixtureMoments()
        moments.add(values_SBF, self.membership(values_SBF, _dropout_mask(batch)))
        mixture = moments.mixture()
        energy_SB = energy(values_SBF, mixture.share_SK, mixture.mean_SKF, factor(mixture.covariance_SKFF))
        # The published error is a sum over the features; here all is divided by their number.
        # NOTE[DIFF] relative to the untrained error, which is about 1 a feature for z-scored rows: the energy
        # does not grow with the units of the data, so its weights mean the same for all of them.
        reconstruction_S = codes.mean_square_SB.mean(1) / self.reconstruction_scale
        penalty_S = self.variance_weight * inverse_variances(mixture)
        loss_S = reconstruction_S + (self.energy_weight * energy_SB.mean(1) + penalty_S) / self.n_features
        return loss_S.float()

    def values(self, codes: Codes) -> Tensor:
        """[S, B, F], the code, the relative Euclidean distance and the cosine similarity (eqs. 1 to 3)."""
        compared = [f(codes.x_BD, codes.restored_SBD, self.norm_floor) for f in (relative_error, cosine)]
        return torch.cat([codes.z_SBZ, torch.stack(compared, dim=-1)], dim=-1)

    def membership(self, values_SBF: Tensor, dropout_BH: Tensor | None = None) -> Tensor:
        """[S, B, K], which part a row belongs to, in shares (eq. 4)."""
        hidden_layer, output_layer = self.estimator
        hidden_SBH = hidden_layer(values_SBF).tanh()
        if dropout_BH is not None:
            hidden_SBH = hidden_SBH * dropout_BH
        membership_SBK: Tensor = output_layer(hidden_SBH).softmax(-1)
        return membership_SBK

    def finalize(self, x_ND: Tensor) -> None:
        """Take the mixture of all rows, without dropout."""
        super().finalize(x_ND)
        moments = MixtureMoments()
        for codes in self.blocks(x_ND):
            values_SBF = self.values(codes)
            moments.add(values_SBF, self.membership(values_SBF))
        mixture = moments.mixture()
        self.share.copy_(mixture.share_SK)
        self.mean.copy_(mixture.mean_SKF)
        self.factor.copy_(factor(mixture.covariance_SKFF))

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {
            "energy": lambda codes: energy(self.values(codes), self.share, self.mean, self.factor),
            "rec_mse": lambda codes: codes.mean_square_SB,
        }

    def kept_tensors(self) -> dict[str, Tensor]:
        """All but the estimation network: the mixture of all rows is what it was for."""
        kept = super().kept_tensors()
        return {name: tensor for name, tensor in kept.items() if not name.startswith("estimator.")}


def _make_estimator(n_values: int, n_parts: int, n_members: int, seed: int) -> nn.ModuleList:
    generator = torch.Generator().manual_seed(seed + 1)
    sizes = ((n_values, ESTIMATOR_SIZE), (ESTIMATOR_SIZE, n_parts))
    return nn.ModuleList(
        MemberLinear(n_in, n_out, n_members=n_members, generator=generator) for n_in, n_out in sizes
    )


def _dropout_mask(batch: Batch) -> Tensor:
    """[B, H], 0 or 1 / (1 - p): the same for every member, as are the batches."""
    draw_BH = torch.rand(len(batch.x_BD), ESTIMATOR_SIZE, generator=batch.generator, device=batch.x_BD.device)
    return (draw_BH >= DROPOUT).float() / (1 - DROPOUT)
