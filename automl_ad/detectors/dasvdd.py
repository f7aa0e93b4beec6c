"""DASVDD: reconstruction and hypersphere trained together, the centre learnt on rows of its own.

Hojjati & Armanfard 2024, "DASVDD: Deep Autoencoding Support Vector Data Descriptor"; METHODS M12.
Shapes: S members, N rows, B rows of a block, Z latent size, T initialisations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep import BLOCK_ROWS
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.joint import JointDetector, mean_terms
from automl_ad.detectors.params import read_choice, read_float
from automl_ad.detectors.phases import Batch, OptimizerSpec, Phase, Step
from automl_ad.results import Value

N_INITIALISATIONS = 10
"""T of eq. 6."""
EMA_RATE = 0.1


class Dasvdd(JointDetector):
    """Both losses from the first epoch on, balanced by a gamma computed before it."""

    name = "dasvdd"
    score_types = (
        ScoreType(name="rec_plus_dist", meaning="the loss of the row: rec_mse + gamma * dist_center (eq. 7)"),
        ScoreType(name="rec_mse", meaning="squared reconstruction error, mean over features"),
        ScoreType(name="dist_center", meaning="squared distance of the code to the learnt centre"),
    )
    # The authors' code ends the code layer in a leaky ReLU too.
    latent_activation = "leaky_relu"
    center: nn.Parameter
    # NOTE[DIFF] batches of 256 where the paper has 200: the search space has powers of two.
    published = Published(n_epochs=300, batch_size=256, learning_rate=1e-3)

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.gamma_factor = read_float(params, "gamma_factor", 1.0)
        self.kappa = read_float(params, "kappa", 0.9, up_to=0.99)
        self.center_rule = read_choice(params, "center", ("adagrad", "ema", "fixed"))
        generator = torch.Generator().manual_seed(seed)
        center_SZ = torch.randn(n_members, self.network.sizes[-1], generator=generator)
        self.center = nn.Parameter(center_SZ)

    def start(self, x_ND: Tensor) -> None:
        """Compute gamma, and the centre when it is fixed."""
        super().start(x_ND)
        self.gamma.fill_(self.gamma_factor * self._automatic_gamma(x_ND))
        if self.center_rule == "fixed":
            self.center.copy_(self.latent_moments(x_ND).mean_SF)
        self.note_balance(x_ND)

    def _automatic_gamma(self, x_ND: Tensor) -> Tensor:
        """Eq. 6, rec / ||z||^2 of T untrained networks, the centre being 0."""
        # NOTE[DIFF] the ratio of the means over rows, as in the authors' code: where codes are almost zero
        # the paper's mean of ratios explodes (1e6 on PIMA). And the median over the T initialisations, not
        # their mean: on PIMA they scatter as 2600 +- 2950 (METHODS M12).
        generator = torch.Generator().manual_seed(self.seed + 1)
        encoder, decoder = self.make_networks(N_INITIALISATIONS, generator)
        encoder, decoder = encoder.to(x_ND.device).eval(), decoder.to(x_ND.device).eval()
        blocks = (Codes(encoder, decoder, x_BD) for x_BD in torch.split(x_ND, BLOCK_ROWS))
        origin_TZ = x_ND.new_zeros(N_INITIALISATIONS, self.network.sizes[-1])
        reconstruction_T, distance2_T = mean_terms(blocks, origin_TZ)
        return (reconstruction_T / distance2_T).median()

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase; of every batch the first rows train the weights, the others move the centre."""
        del n_rows
        is_fixed = self.center_rule == "fixed"
        weights = Step(
            name="weights",
            loss=self._loss,
            parameters=self.network_parameters(),
            optimizer=self.adam(),
            rows=(0.0, 1.0 if is_fixed else self.kappa),
        )
        return [
            Phase(
                name="joint",
                n_epochs=self.optimization.n_epochs,
                steps=[weights] if is_fixed else [weights, self._center_step()],
                batch_size=self.optimization.batch_size,
                drop_last=True,
            )
        ]

    def _center_step(self) -> Step:
        # On half the squared distance to the mean code, a plain gradient step is the moving average of eq. 4.
        optimizer = OptimizerSpec(kind="sgd", lr=EMA_RATE)
        if self.center_rule == "adagrad":
            optimizer = OptimizerSpec(kind="adagrad", lr=1.0, options={"lr_decay": 0.1})
        return Step(
            name="center",
            loss=self._center_loss,
            parameters=[self.center],
            optimizer=optimizer,
            rows=(self.kappa, 1.0),
        )

    def _loss(self, batch: Batch) -> Tensor:
        return self.rec_plus_dist(self.codes(batch.x_BD)).mean(1)

    def _center_loss(self, batch: Batch) -> Tensor:
        self.encoder.eval()  # statistics come from eval mode, and a few rows must not move those of a norm
        with torch.no_grad():
            mean_SZ = self.codes(batch.x_BD).z_SBZ.mean(1)
        self.encoder.train()
        distance2_SZ = (self.center - mean_SZ).square()
        return distance2_SZ.mean(1) if self.center_rule == "adagrad" else distance2_SZ.sum(1) / 2
