"""The plain autoencoder as a family: one loss, one phase, and all that can be read afterwards (METHODS M01).

The detectors of it differ in what they do to the loss: nothing, noise on the input (M05), a penalty on the
encoder (M06), or something that keeps strange rows from being learnt (M13, M14, M16).
Shapes: S members, N rows, B rows of a block, D features, Z latent size.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.phases import Batch, Phase, Step
from automl_ad.nn import Moments
from automl_ad.results import Value

VARIANCE_FLOOR = 1e-6
"""Times the median over features: a column reproduced exactly must not dominate (METHODS M01)."""
WHITENING_SHRINKAGE = 1e-3
"""Share of the mean latent variance added to the diagonal, so that dead coordinates do not explode."""


class PlainAutoencoding(Autoencoding):
    """An encoder and a decoder with one loss, scored by what a row's residual and its code show."""

    score_types: ClassVar[tuple[ScoreType, ...]] = (
        ScoreType(name="rec_mse", meaning="squared reconstruction error, mean over features"),
        ScoreType(name="rec_l1", meaning="absolute reconstruction error, mean over features"),
        ScoreType(
            name="rec_std", meaning="sum of squared errors, each over its feature's variance in training"
        ),
        ScoreType(name="latent_dist_mean", meaning="distance to the mean code (IAEAD's lambda = 0 ablation)"),
        ScoreType(name="latent_mahalanobis", meaning="squared Mahalanobis distance of the code"),
    )
    needs_whole_batches: ClassVar[bool] = False
    """The loss takes statistics of the batch, for which a small last one is too few."""
    residual_variance: Tensor
    latent_whitener: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        latent_size = self.network.sizes[-1]
        self.register_buffer("residual_variance", torch.ones(n_members, n_features))
        self.register_buffer("latent_whitener", torch.eye(latent_size).repeat(n_members, 1, 1))

    @abstractmethod
    def batch_loss(self, batch: Batch) -> Tensor:
        """[S], what the networks are trained on."""

    def after_epoch(self, x_ND: Tensor, n_done: int) -> None:
        """Called with all rows after `n_done` epochs, in eval mode and without gradient."""
        del x_ND, n_done

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase, one step."""
        del n_rows
        step = Step(
            name="weights",
            loss=self.batch_loss,
            parameters=self.network_parameters(),
            optimizer=self.adam(),
        )
        return [
            Phase(
                name="reconstruction",
                n_epochs=self.optimization.n_epochs,
                steps=[step],
                batch_size=self.optimization.batch_size,
                drop_last=self.needs_whole_batches or self.network.norm == "batch",
                after_epoch=self.after_epoch,
            )
        ]

    def finalize(self, x_ND: Tensor) -> None:
        """Take the moments of the codes and the variance of every feature's residual."""
        super().finalize(x_ND)
        residuals, latent = Moments(), Moments(with_covariance=True)
        for codes in self.blocks(x_ND):
            residuals.add(codes.residual_SBD)
            latent.add(codes.z_SBZ)
        variance_SD = residuals.variance_SF
        floor_S1 = VARIANCE_FLOOR * variance_SD.median(dim=1, keepdim=True).values
        self.residual_variance.copy_(torch.maximum(variance_SD, floor_S1).clamp(min=1e-12))
        self.latent_whitener.copy_(_whitener(latent.covariance_SFF))

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {
            "rec_mse": lambda codes: codes.mean_square_SB,
            "rec_l1": lambda codes: codes.residual_SBD.abs().mean(-1),
            "rec_std": lambda codes: (codes.residual_SBD.square() / self.residual_variance.unsqueeze(1)).sum(
                -1
            ),
            "latent_dist_mean": self.distance_to_mean,
            "latent_mahalanobis": lambda codes: (
                torch.bmm(self._from_mean(codes), self.latent_whitener).square().sum(-1)
            ),
        }

    def _from_mean(self, codes: Codes) -> Tensor:
        return codes.z_SBZ - self.latent_mean.unsqueeze(1)


def _whitener(covariance_SZZ: Tensor) -> Tensor:
    """W [S, Z, Z] such that ||d W||^2 is the squared Mahalanobis length of d; NaN for a non-finite member."""
    size = covariance_SZZ.shape[-1]
    mean_variance_S = covariance_SZZ.diagonal(dim1=1, dim2=2).mean(-1)
    ridge_S = WHITENING_SHRINKAGE * mean_variance_S + 1e-12
    identity_ZZ = torch.eye(size, dtype=covariance_SZZ.dtype, device=covariance_SZZ.device)
    # cholesky_ex: a member that is lost must not end the trial of the others.
    factor_SZZ, _ = torch.linalg.cholesky_ex(covariance_SZZ + ridge_S.view(-1, 1, 1) * identity_ZZ)
    inverse_SZZ = torch.linalg.solve_triangular(factor_SZZ, identity_ZZ.expand_as(factor_SZZ), upper=False)
    whitener_SZZ: Tensor = inverse_SZZ.mT
    return whitener_SZZ
