"""Deep SVDD, hard and soft boundary (Ruff et al. 2018, "Deep One-Class Classification"; METHODS M10).

An encoder without free constants, pretrained as an autoencoder, pulls all rows towards a fixed centre.
Shapes: S members, N rows, B rows of a block, D features, Z latent size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_choice, read_float, read_int
from automl_ad.detectors.phases import Batch, Phase, Step
from automl_ad.errors import TrialFailed
from automl_ad.nn.hypersphere import boundary_radius, hard_loss, push_from_zero, soft_loss, squared_distance
from automl_ad.results import Value

RADIUS_WARMUP_EPOCHS = 10
"""Epochs with radius 0 before the first quantile, as in the authors' code."""


class DeepSvdd(Autoencoding):
    """Distance to a centre that the encoder was trained to map everything to."""

    name = "deep_svdd"
    score_types = (
        ScoreType(name="dist_center", meaning="squared distance of the code to the centre (section 3.3)"),
        ScoreType(name="dist_mean", meaning="distance of the code to the mean code"),
    )
    has_free_constants = False
    # NOTE[DIFF] batches of 256 where the paper has 200: the search space has powers of two.
    published = Published(n_epochs=150, batch_size=256, learning_rate=1e-4, weight_decay=5e-7, norm="batch")
    center: Tensor
    radius: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        if self.network.activation == "tanh":
            raise TrialFailed("activation must be unbounded for deep_svdd (Proposition 3), got 'tanh'")
        self.is_soft = read_choice(params, "objective", ("hard", "soft")) == "soft"
        self.nu = read_float(params, "nu", 0.1, up_to=1.0)
        # NOTE[DIFF] the paper pretrains 150 (MNIST) or 350 epochs (CIFAR); 100 is enough for small networks.
        self.pretrain_epochs = read_int(params, "pretrain_epochs", 100, low=0)
        self.center_push = read_float(params, "center_push", 0.1)
        self.register_buffer("center", torch.zeros_like(self.latent_mean))
        self.register_buffer("radius", torch.zeros(n_members))

    def kept_tensors(self) -> dict[str, Tensor]:
        """All but the decoder, which only pretraining needs."""
        kept = super().kept_tensors()
        return {name: tensor for name, tensor in kept.items() if not name.startswith("decoder.")}

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """Pretraining of encoder and decoder, then the encoder alone."""
        del n_rows
        pretraining = self._phase(
            "pretraining", self.pretrain_epochs, self._reconstruction_step(), is_preparation=True
        )
        description = self._phase(
            "description", self.optimization.n_epochs, self._description_step(), before=self._fix_center
        )
        return [pretraining, description] if self.pretrain_epochs else [description]

    def _phase(
        self,
        name: str,
        n_epochs: int,
        step: Step,
        *,
        before: Callable[[Tensor], None] | None = None,
        is_preparation: bool = False,
    ) -> Phase:
        return Phase(
            name=name,
            n_epochs=n_epochs,
            steps=[step],
            batch_size=self.optimization.batch_size,
            drop_last=self.network.norm == "batch",
            is_preparation=is_preparation,
            before=before,
            # A tenth of the learning rate after a third of the epochs: 50 of the published 150.
            lr_factor=lambda epoch: 1.0 if 3 * epoch < n_epochs else 0.1,
        )

    def _reconstruction_step(self) -> Step:
        return Step(
            name="autoencoder",
            # The published loss of the pretraining is the sum over features.
            loss=lambda batch: self.codes(batch.x_BD).residual_SBD.square().sum(-1).mean(1),
            parameters=self.network_parameters(),
            optimizer=self.adam(),
        )

    def _description_step(self) -> Step:
        return Step(
            name="encoder",
            loss=self._loss,
            parameters=list(self.encoder.parameters()),
            optimizer=self.adam(),
            after=self._update_radius if self.is_soft else None,
        )

    def _fix_center(self, x_ND: Tensor) -> None:
        self.note_latent_variance(x_ND)
        mean_SZ = self.latent_moments(x_ND).mean_SF.float()
        self.center.copy_(push_from_zero(mean_SZ, self.center_push))

    def _loss(self, batch: Batch) -> Tensor:
        distance2_SB = self._distance2(self.codes(batch.x_BD))
        self._last_distance2_SB = distance2_SB.detach()
        return soft_loss(distance2_SB, self.radius, self.nu) if self.is_soft else hard_loss(distance2_SB)

    def _update_radius(self, batch: Batch) -> None:
        """From the distances before the step, as in the authors' code; a second forward pass buys nothing."""
        if batch.epoch >= RADIUS_WARMUP_EPOCHS:
            self.radius.copy_(boundary_radius(self._last_distance2_SB, self.nu))

    def _distance2(self, codes: Codes) -> Tensor:
        return squared_distance(codes.z_SBZ, self.center)

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {"dist_center": self._distance2, "dist_mean": self.distance_to_mean}
