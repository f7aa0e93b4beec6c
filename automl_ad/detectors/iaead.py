"""IAEAD: an autoencoder whose codes are drawn together after a warm-up (Cheng et al. 2021; METHODS M11).

Shapes: S members, N rows, B rows of a block, Z latent size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.joint import JointDetector
from automl_ad.detectors.params import read_float
from automl_ad.detectors.phases import Batch, Phase, Step
from automl_ad.nn.hypersphere import boundary_radius, hard_loss, push_from_zero, soft_loss
from automl_ad.results import Value

CENTER_PUSH = 0.1


class Iaead(JointDetector):
    """Reconstruction plus a light hypersphere; scored by the distance to the mean code."""

    name = "iaead"
    score_types = (
        ScoreType(name="dist_mean", meaning="distance of the code to the mean code (eq. 9)"),
        ScoreType(name="dist_center", meaning="squared distance of the code to the fixed centre"),
        ScoreType(name="rec_mse", meaning="squared reconstruction error, mean over features"),
        ScoreType(
            name="rec_plus_dist", meaning="the loss of the row: rec_mse + lambda * dist_center (eq. 8)"
        ),
    )
    latent_activation = "tanh"
    published = Published(n_epochs=250, batch_size=256, learning_rate=1e-3, activation="relu", norm="batch")
    center: Tensor
    radius: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.lambda_weight = read_float(params, "lambda_weight", 5e-5)
        self.gamma.fill_(self.lambda_weight)
        self.nu = read_float(params, "nu", 1.0, up_to=1.0)
        self.warmup_share = read_float(params, "warmup_share", 0.08, up_to=0.9)
        self.register_buffer("center", torch.zeros_like(self.latent_mean))
        self.register_buffer("radius", torch.zeros(n_members), persistent=False)

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """Reconstruction alone for `warmup_share` of the epochs, then both losses."""
        del n_rows
        total = self.optimization.n_epochs
        n_warmup = min(max(1, round(self.warmup_share * total)), total - 1)
        reconstruct = self._step(self._reconstruction_loss)
        both = self._step(self._joint_loss, after=self._update_radius if self.nu < 1 else None)
        warmup = self._phase("warm-up", 0, n_warmup, reconstruct)
        joint = self._phase("joint", n_warmup, total, both, before=self._fix_center)
        return [warmup, joint] if n_warmup else [joint]

    def _phase(
        self, name: str, start: int, stop: int, step: Step, before: Callable[[Tensor], None] | None = None
    ) -> Phase:
        total = self.optimization.n_epochs
        return Phase(
            name=name,
            n_epochs=stop - start,
            steps=[step],
            batch_size=self.optimization.batch_size,
            drop_last=self.network.norm == "batch",
            is_preparation=before is None,
            before=before,
            # NOTE[DIFF] the published halving every 50 of 250 epochs, but on Adam at 1e-3: SGD at 0.1 with
            # initial weights of gain 0.02 is made for the convolutions of the paper.
            lr_factor=lambda epoch: 0.5 ** (5 * (start + epoch) // total),
        )

    def _step(self, loss: Callable[[Batch], Tensor], after: Callable[[Batch], None] | None = None) -> Step:
        return Step(
            name="weights",
            loss=loss,
            parameters=self.network_parameters(),
            optimizer=self.adam(),
            after=after,
        )

    def _reconstruction_loss(self, batch: Batch) -> Tensor:
        return self.codes(batch.x_BD).mean_square_SB.mean(1)

    def _joint_loss(self, batch: Batch) -> Tensor:
        codes = self.codes(batch.x_BD)
        distance2_SB = self.distance2(codes)
        self._last_distance2_SB = distance2_SB.detach()
        return codes.mean_square_SB.mean(1) + self.lambda_weight * self._sphere_loss(distance2_SB)

    def _sphere_loss(self, distance2_SB: Tensor) -> Tensor:
        # NOTE[DIFF] nu = 1 without a radius: the 0-quantile is the batch's smallest distance, and the soft
        # loss then equals the hard one, with the same gradient but for that one row (METHODS M11).
        if self.nu == 1:
            return hard_loss(distance2_SB)
        return soft_loss(distance2_SB, self.radius, self.nu)

    def _update_radius(self, batch: Batch) -> None:
        del batch
        self.radius.copy_(boundary_radius(self._last_distance2_SB, self.nu))

    def _fix_center(self, x_ND: Tensor) -> None:
        """The mean code after the warm-up, fixed from here on."""
        self.note_latent_variance(x_ND)
        mean_SZ = self.latent_moments(x_ND).mean_SF.float()
        self.center.copy_(push_from_zero(mean_SZ, CENTER_PUSH))
        self.note_balance(x_ND)
