"""Detectors around a generator of rows: WGAN-GP, a generator and the critic that it is trained against.

Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", algorithm 1; METHODS M20.
Shapes: S members, N rows, B rows of a block, D features, Z latent size, H units of the critic's last layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from automl_ad.detectors.deep import DeepDetector, row_moments
from automl_ad.detectors.deep_settings import NetworkSettings, OptimizationSettings, Published
from automl_ad.detectors.params import read_int
from automl_ad.detectors.phases import Batch, OptimizerSpec, Phase, Step
from automl_ad.nn import MemberLinear, Moments, mlp
from automl_ad.nn.adversarial import between, draw_prior, gradient_penalty
from automl_ad.results import Value

PENALTY_WEIGHT = 10.0
"""lambda of Gulrajani et al., the same on every data set there."""
N_GENERATED = 2_048
"""Rows generated to see whether the generator collapsed."""


class Generative(DeepDetector):
    """A generator z -> x, a critic x -> score, and the phase that trains one against the other.

    NOTE[DIFF] dense networks with a linear output instead of convolutions ending in tanh: rows are tables
    and flattened images, scaled in more ways than to [-1, 1].
    """

    published: ClassVar[Published]
    max_members_on_cpu = 1

    generated_std: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.network = NetworkSettings.read(params, n_features, self.published)
        self.optimization = OptimizationSettings.read(params, self.published)
        self.n_critic = read_int(params, "n_critic", 5)
        weights = torch.Generator().manual_seed(seed)
        self.generator = mlp(
            self.network.sizes[::-1],
            n_members=n_members,
            generator=weights,
            activation=self.network.activation,
            norm=self.network.norm,
        )
        # No norm: the penalty is one of each row by itself, and batch normalization would tie rows together.
        self.critic_features = mlp(
            self.network.sizes[:-1],
            n_members=n_members,
            generator=weights,
            activation=self.network.activation,
            output=self.network.activation,
        )
        self.critic_output = MemberLinear(self.network.sizes[-2], 1, n_members=n_members, generator=weights)
        # A fact of the fit, not of the fitted detector: an artifact does not keep it.
        self.register_buffer("generated_std", torch.zeros(n_members), persistent=False)

    def critic(self, x: Tensor) -> Tensor:
        """[S, B], high for rows that look real; x is [B, D] or [S, B, D]."""
        judged_SB: Tensor = self.critic_output(self.critic_features(x)).squeeze(-1)
        return judged_SB

    def generate(self, n_rows: int, noise: torch.Generator) -> Tensor:
        """[S, B, D] from codes z ~ N(0, I)."""
        generated_SBD: Tensor = self.generator(draw_prior("normal", n_rows, self.network.sizes[-1], noise))
        return generated_SBD

    def adversarial_phase(self, n_epochs: int, *, is_preparation: bool = False) -> Phase:
        """`n_critic` steps of the critic and one of the generator per batch."""
        # NOTE[DIFF] the critic's steps see the same real rows, each with fresh generated ones; algorithm 1
        # draws new real rows too. An epoch then moves the generator once per batch, not once in n_critic.
        critic = Step(
            name="critic",
            loss=self._critic_loss,
            parameters=[*self.critic_features.parameters(), *self.critic_output.parameters()],
            optimizer=self._adam(),
            repeats=self.n_critic,
        )
        generator = Step(
            name="generator",
            loss=self._generator_loss,
            parameters=list(self.generator.parameters()),
            optimizer=self._adam(),
        )
        return Phase(
            name="adversarial",
            n_epochs=n_epochs,
            steps=[critic, generator],
            batch_size=self.optimization.batch_size,
            drop_last=self.network.norm == "batch",
            is_preparation=is_preparation,
        )

    def _adam(self) -> OptimizerSpec:
        return OptimizerSpec(
            lr=self.optimization.learning_rate,
            weight_decay=self.optimization.weight_decay,
            options={"betas": (0.0, 0.9)},
        )

    def _critic_loss(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            generated_SBD = self.generate(len(batch.x_BD), batch.generator)
        penalty_S = gradient_penalty(self.critic, between(batch.x_BD, generated_SBD, batch.generator))
        distance_S = self.critic(batch.x_BD).mean(1) - self.critic(generated_SBD).mean(1)
        return PENALTY_WEIGHT * penalty_S - distance_S

    def _generator_loss(self, batch: Batch) -> Tensor:
        return -self.critic(self.generate(len(batch.x_BD), batch.generator)).mean(1)

    def finalize(self, x_ND: Tensor) -> None:
        """Compare the spread of generated rows with that of the rows."""
        noise = torch.Generator(x_ND.device).manual_seed(self.seed)
        generated = Moments()
        generated.add(self.generate(N_GENERATED, noise))
        spread = row_moments(x_ND).variance_SF.mean(1).clamp(min=1e-12)
        spread_S = generated.variance_SF.mean(1) / spread
        self.generated_std.copy_(spread_S.sqrt())

    def kept_tensors(self) -> dict[str, Tensor]:
        """All but the critic's output, which only training needs."""
        kept = super().kept_tensors()
        return {name: tensor for name, tensor in kept.items() if not name.startswith("critic_output.")}

    def diagnostics(self) -> dict[str, float]:
        """The family's, and `generated_std`: standard deviation of generated rows over that of the rows.

        Far below 1 the generator collapsed, or was hardly trained (METHODS M20).
        """
        facts = super().diagnostics()
        return facts | {"generated_std": float(self.generated_std.mean())} if facts else facts
