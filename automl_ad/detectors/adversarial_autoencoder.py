"""Adversarial autoencoder: reconstruct, while a critic presses the codes towards a prior (METHODS M04).

Makhzani et al. 2015, "Adversarial Autoencoders", with the Wasserstein critic of Arjovsky et al. 2017 (clipped
weights) or of Gulrajani et al. 2017 (gradient penalty).
Shapes: S members, N rows, B rows of a block, Z latent size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast, get_args

import torch
from torch import Tensor

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.joint import mean_terms
from automl_ad.detectors.params import read_choice, read_float, read_int
from automl_ad.detectors.phases import Batch, OptimizerSpec, Phase, Step
from automl_ad.nn import Moments, mlp
from automl_ad.nn.adversarial import (
    Prior,
    between,
    clip_weights,
    draw_prior,
    gradient_penalty,
    moments_at_rest,
)
from automl_ad.results import Value

PENALTY_WEIGHT = 10.0
"""Lambda of Gulrajani et al. 2017."""
LARGEST_GAP = 1e3
"""A critic that tells codes from prior by more than this rests (METHODS M04)."""
LARGEST_WEIGHT = 10.0
"""Beyond it a critic that keeps pace would be faster than the autoencoder."""
N_PRIOR_ROWS = 4_096
"""Draws for the reported Wasserstein estimate."""


class AdversarialAutoencoder(Autoencoding):
    """Three steps a batch: autoencoder, critic of the codes, encoder against the critic."""

    name = "adversarial_autoencoder"
    score_types = (
        ScoreType(name="rec_mse", meaning="squared reconstruction error, mean over features"),
        ScoreType(name="prior_energy", meaning="squared length of the code, mean over its coordinates"),
        ScoreType(name="critic", meaning="minus the critic of the code: how unlike a draw of the prior"),
        ScoreType(
            name="rec_plus_prior", meaning="rec_mse + a * prior_energy, a such that both means are equal"
        ),
    )
    published = Published(n_epochs=100, batch_size=128, learning_rate=1e-3)
    prior_weight: Tensor
    wasserstein: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.adversarial_weight = read_float(params, "adversarial_weight", 1.0, up_to=LARGEST_WEIGHT)
        self.prior = cast(Prior, read_choice(params, "prior", get_args(Prior)))
        self.is_clipped = read_choice(params, "lipschitz", ("clip", "gp")) == "clip"
        self.critic_clip = read_float(params, "critic_clip", 0.01)
        self.n_critic = read_int(params, "n_critic", 5)
        critic_width = read_int(params, "critic_width", 10)
        generator = torch.Generator().manual_seed(seed + 1)
        # NOTE[DIFF] a linear output; the paper lists a leaky ReLU on it too (METHODS M04).
        self.critic = mlp([self.network.sizes[-1], critic_width, 1], n_members=n_members, generator=generator)
        if self.is_clipped:
            clip_weights(self.critic.parameters(), self.critic_clip)
        self.register_buffer("prior_weight", torch.ones(n_members))
        self.register_buffer("wasserstein", torch.zeros(n_members), persistent=False)

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase of three steps."""
        del n_rows
        steps = [self._reconstruction_step(), self._critic_step(), self._prior_step()]
        return [
            Phase(
                name="adversarial",
                n_epochs=self.optimization.n_epochs,
                steps=steps,
                batch_size=self.optimization.batch_size,
                drop_last=self.network.norm == "batch",
            )
        ]

    def _reconstruction_step(self) -> Step:
        return Step(
            name="autoencoder",
            loss=lambda batch: self.codes(batch.x_BD).mean_square_SB.mean(1),
            parameters=self.network_parameters(),
            optimizer=self.adam(),
        )

    def _critic_step(self) -> Step:
        # The critic keeps pace: with a slower one the encoder carries its codes far past the prior.
        pace = max(1.0, self.adversarial_weight)
        return Step(
            name="critic",
            loss=self._critic_loss,
            parameters=list(self.critic.parameters()),
            optimizer=self._adversarial_optimizer(pace),
            repeats=self.n_critic,
            after=self._clip_critic if self.is_clipped else None,
        )

    def _prior_step(self) -> Step:
        """The encoder moves its codes to where the critic sees the prior."""
        return Step(
            name="encoder",
            loss=lambda batch: -self._judge(self.codes(batch.x_BD).z_SBZ).mean(1),
            parameters=list(self.encoder.parameters()),
            optimizer=self._adversarial_optimizer(self.adversarial_weight),
        )

    def _adversarial_optimizer(self, weight: float) -> OptimizerSpec:
        """The published optimizer of either critic, its steps times `weight`.

        RMSprop and Adam do not see the scale of a loss, so the weight acts on the learning rate. It needs no
        scale of the data: it compares two normalized steps.
        """
        # NOTE[DIFF] shares of the autoencoder's rate, equal to the published 5e-5 and 1e-4 at its default of
        # 1e-3: a critic that outruns the autoencoder is the pitfall of METHODS M04.
        rate = weight * self.optimization.learning_rate
        if self.is_clipped:
            return OptimizerSpec(kind="rmsprop", lr=0.05 * rate)
        return OptimizerSpec(kind="adam", lr=0.1 * rate, options={"betas": (0.0, 0.9)})

    def _judge(self, z_SBZ: Tensor) -> Tensor:
        """[S, B], the critic: high for draws of the prior."""
        judged_SB1: Tensor = self.critic(z_SBZ)
        return judged_SB1.squeeze(-1)

    def _critic_loss(self, batch: Batch) -> Tensor:
        # NOTE[DIFF] with batch normalization, codes as they are scored, by the running moments.
        with torch.no_grad(), moments_at_rest(self.encoder):
            z_SBZ = self.codes(batch.x_BD).z_SBZ
        prior_SBZ = self._draw(len(batch.x_BD), batch.generator).expand_as(z_SBZ)
        of_prior_SB, of_codes_SB = self._judge(torch.cat([prior_SBZ, z_SBZ], dim=1)).chunk(2, dim=1)
        gap_S = (of_prior_SB - of_codes_SB).mean(1)
        loss_S = -gap_S
        if not self.is_clipped:
            points_SBZ = between(prior_SBZ, z_SBZ, batch.generator)
            loss_S = loss_S + PENALTY_WEIGHT * gradient_penalty(self.critic, points_SBZ)
        return torch.where(gap_S.detach().abs() > LARGEST_GAP, 0.0 * loss_S, loss_S)

    def _clip_critic(self, batch: Batch) -> None:
        del batch
        clip_weights(self.critic.parameters(), self.critic_clip)

    def _draw(self, n_rows: int, generator: torch.Generator) -> Tensor:
        return draw_prior(self.prior, n_rows, self.network.sizes[-1], generator)

    def finalize(self, x_ND: Tensor) -> None:
        """Take the weight of the combined score, and how far codes and prior are apart."""
        super().finalize(x_ND)
        reconstruction_S, energy_S = mean_terms(self.blocks(x_ND), torch.zeros_like(self.latent_mean))
        energy_S = energy_S / self.network.sizes[-1]
        self.prior_weight.copy_(reconstruction_S / energy_S.clamp(min=torch.finfo(torch.float32).tiny))
        generator = torch.Generator(self.device).manual_seed(self.seed)
        of_prior_S = self._judge(self._draw(N_PRIOR_ROWS, generator)).mean(1)
        of_codes = Moments()
        for codes in self.blocks(x_ND):
            of_codes.add(self.critic(codes.z_SBZ))
        self.wasserstein.copy_(of_prior_S - of_codes.mean_SF.squeeze(1))

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {
            "rec_mse": lambda codes: codes.mean_square_SB,
            "prior_energy": _prior_energy,
            "critic": lambda codes: -self._judge(codes.z_SBZ),
            "rec_plus_prior": lambda codes: (
                codes.mean_square_SB + self.prior_weight.unsqueeze(1) * _prior_energy(codes)
            ),
        }

    def diagnostics(self) -> dict[str, float]:
        """The family's, and `wasserstein`: the critic's mean over the prior minus that over the codes."""
        facts = super().diagnostics()
        return facts | {"wasserstein": float(self.wasserstein.mean())} if facts else facts


def _prior_energy(codes: Codes) -> Tensor:
    """[S, B], ||z||^2 / d: up to a constant, minus twice the normal prior's log density per coordinate."""
    return codes.z_SBZ.square().mean(-1)
