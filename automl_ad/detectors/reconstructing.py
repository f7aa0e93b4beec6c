"""Autoencoders judged by how badly they reproduce a row: what DRAE, RDAE and MemAE share.

They differ in what keeps strange rows from being learnt.
Shapes: S members, N rows, B rows of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep_settings import NetworkSettings, OptimizationSettings
from automl_ad.nn import Moments
from automl_ad.results import Value


class Reconstructing(Autoencoding):
    """An autoencoder that knows the error it started with: the unit of a subclass's own weights."""

    score_types: ClassVar[tuple[ScoreType, ...]] = (
        ScoreType(name="rec_mse", meaning="squared reconstruction error, mean over features"),
        ScoreType(name="rec_l1", meaning="absolute reconstruction error, mean over features"),
        ScoreType(name="latent_dist_mean", meaning="distance of the code to the mean code"),
    )
    start_error: Tensor

    def __init__(
        self,
        params: Mapping[str, Value],
        n_features: int,
        n_members: int,
        seed: int,
        *,
        network: NetworkSettings,
        optimization: OptimizationSettings,
    ) -> None:
        super().__init__(params, n_features, n_members, seed, network=network, optimization=optimization)
        self.register_buffer("start_error", torch.ones(n_members), persistent=False)

    def start(self, x_ND: Tensor) -> None:
        """Take the mean error of the untrained networks; about 1 for z-scored rows."""
        super().start(x_ND)
        errors = Moments()
        for codes in self.blocks(x_ND):
            errors.add(codes.mean_square_SB.unsqueeze(-1))
        self.start_error.copy_(errors.mean_SF.squeeze(1))

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {
            "rec_mse": lambda codes: codes.mean_square_SB,
            "rec_l1": lambda codes: codes.residual_SBD.abs().mean(-1),
            "latent_dist_mean": self.distance_to_mean,
        }
