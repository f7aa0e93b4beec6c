"""f-AnoGAN: a GAN learns to generate rows, then an encoder learns to find the code of a row.

Schlegl et al. 2019, "f-AnoGAN: Fast unsupervised anomaly detection with generative adversarial networks";
METHODS M20.
Shapes: S members, N rows, B rows of a block, D features, Z latent size, H units of the critic's last layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.generative import Generative
from automl_ad.detectors.params import read_float, read_int
from automl_ad.detectors.phases import Batch, OptimizerSpec, Phase, Step
from automl_ad.nn import mlp
from automl_ad.nn.adversarial import moments_at_rest
from automl_ad.results import Value


class FAnoGan(Generative):
    """Rows that the generator cannot repeat from their code, nor as the critic sees them."""

    name = "f_anogan"
    score_types = (
        ScoreType(name="izi_f", meaning="the encoder's loss of the row: rec_mse + k * feature_mse (izi_f)"),
        ScoreType(name="rec_mse", meaning="squared error of G(E(x)), mean over features"),
        ScoreType(
            name="feature_mse",
            meaning="squared difference of the critic's features of x and G(E(x)), mean over features",
        ),
    )
    published = Published(n_epochs=100, batch_size=64, learning_rate=1e-4, norm="batch")

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.gan_epochs = read_int(params, "pretrain_epochs", 100)
        self.feature_weight = read_float(params, "feature_weight", 1.0)
        self.encoder_learning_rate = read_float(params, "encoder_learning_rate", 5e-5)
        # NOTE[DIFF] a linear code: the published tanh cannot reach the codes beyond 1 that N(0, I) draws.
        self.encoder = mlp(
            self.network.sizes,
            n_members=n_members,
            generator=torch.Generator().manual_seed(seed + 1),
            activation=self.network.activation,
            norm=self.network.norm,
        )

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """The GAN, then the encoder alone."""
        del n_rows
        encoder = Step(
            name="encoder",
            loss=self._encoder_loss,
            parameters=list(self.encoder.parameters()),
            optimizer=OptimizerSpec(
                kind="rmsprop", lr=self.encoder_learning_rate, weight_decay=self.optimization.weight_decay
            ),
        )
        mapping = Phase(
            name="mapping",
            n_epochs=self.optimization.n_epochs,
            steps=[encoder],
            batch_size=self.optimization.batch_size,
            drop_last=self.network.norm == "batch",
        )
        return [self.adversarial_phase(self.gan_epochs, is_preparation=True), mapping]

    def _encoder_loss(self, batch: Batch) -> Tensor:
        with moments_at_rest(self.generator):
            rec_SB, feature_SB = self._errors(batch.x_BD)
        return (rec_SB + self.feature_weight * feature_SB).mean(1)

    def _errors(self, x_BD: Tensor) -> tuple[Tensor, Tensor]:
        """Squared errors of G(E(x)), each [S, B]: of the row and of its features."""
        restored_SBD = self.generator(self.encoder(x_BD))
        with torch.no_grad():
            seen_SBH = self.critic_features(x_BD)
        difference_SBH = self.critic_features(restored_SBD) - seen_SBH
        return (restored_SBD - x_BD).square().mean(-1), difference_SBH.square().mean(-1)

    def score_block(self, x_BD: Tensor, types: Sequence[str]) -> dict[str, Tensor]:
        """Score type -> [S, B] for the named types."""
        rec_SB, feature_SB = self._errors(x_BD)
        izi_f_SB = rec_SB + self.feature_weight * feature_SB
        read = {"izi_f": izi_f_SB, "rec_mse": rec_SB, "feature_mse": feature_SB}
        return {name: read[name] for name in types}
