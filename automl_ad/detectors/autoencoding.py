"""Detectors with an encoder and a decoder: how both are built, and what is read from codes and residuals.

Units: a reconstruction error is a mean over features, a latent distance a sum over coordinates (METHODS
0.1). Shapes: S members, N rows, B rows of a block, D features, Z latent size.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep import BLOCK_ROWS, DeepDetector
from automl_ad.detectors.deep_settings import NetworkSettings, OptimizationSettings, Published
from automl_ad.detectors.phases import OptimizerSpec
from automl_ad.nn import Activation, Moments, mlp
from automl_ad.results import Value


class Autoencoding(DeepDetector):
    """A detector with an encoder and a decoder; `finalize` takes the mean latent code."""

    published: ClassVar[Published]
    latent_activation: Activation | None = None
    """What the code layer ends in; None is linear."""
    has_free_constants = True
    """Biases and affine normalization; without them a constant map is not free (Deep SVDD)."""

    latent_mean: Tensor
    latent_variance: Tensor
    latent_variance_start: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.network = NetworkSettings.read(params, n_features, self.published)
        self.optimization = OptimizationSettings.read(params, self.published)
        generator = torch.Generator().manual_seed(seed)
        self.encoder, self.decoder = self.make_networks(n_members, generator)
        self.register_buffer("latent_mean", torch.zeros(n_members, self.network.sizes[-1]))
        # Facts of the fit, not of the fitted detector: an artifact does not keep them.
        for name in ("latent_variance", "latent_variance_start"):
            self.register_buffer(name, torch.zeros(n_members), persistent=False)

    def make_networks(self, n_members: int, generator: torch.Generator) -> tuple[nn.Module, nn.Module]:
        """A fresh encoder and decoder."""
        encoder = self.make_stack(self.network.sizes, n_members, generator, output=self.latent_activation)
        return encoder, self.make_stack(self.network.sizes[::-1], n_members, generator)

    def make_stack(
        self,
        sizes: Sequence[int],
        n_members: int,
        generator: torch.Generator,
        output: Activation | None = None,
    ) -> nn.Module:
        """One dense stack with the settings of this detector."""
        return mlp(
            sizes,
            n_members=n_members,
            generator=generator,
            activation=self.network.activation,
            norm=self.network.norm,
            output=output,
            bias=self.has_free_constants,
            affine=self.has_free_constants,
        )

    @abstractmethod
    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""

    def score_block(self, x_BD: Tensor, types: Sequence[str]) -> dict[str, Tensor]:
        """Score type -> [S, B] for the named types."""
        codes = self.codes(x_BD)
        readings = self.readings()
        return {name: readings[name](codes) for name in types}

    def codes(self, x_BD: Tensor) -> Codes:
        """The rows as this detector's networks see them."""
        return Codes(self.encoder, self.decoder, x_BD)

    def blocks(self, x_ND: Tensor) -> Iterator[Codes]:
        """All rows, block by block."""
        return (self.codes(x_BD) for x_BD in torch.split(x_ND, BLOCK_ROWS))

    def distance_to_mean(self, codes: Codes) -> Tensor:
        """[S, B], Euclidean distance of the code to the mean code (IAEAD eq. 9)."""
        distance_SB: Tensor = torch.linalg.vector_norm(codes.z_SBZ - self.latent_mean.unsqueeze(1), dim=-1)
        return distance_SB

    def adam(self, **options: Any) -> OptimizerSpec:
        """The optimizer of the networks."""
        return OptimizerSpec(
            lr=self.optimization.learning_rate, weight_decay=self.optimization.weight_decay, options=options
        )

    def network_parameters(self) -> list[nn.Parameter]:
        """Encoder and decoder."""
        return [*self.encoder.parameters(), *self.decoder.parameters()]

    def start(self, x_ND: Tensor) -> None:
        """Note where the encoder starts."""
        super().start(x_ND)
        self.note_latent_variance(x_ND)

    def note_latent_variance(self, x_ND: Tensor) -> None:
        """Take the latent variance of now as the one a collapse is measured against."""
        self.latent_variance_start.copy_(self.latent_moments(x_ND).variance_SF.mean(1))

    def finalize(self, x_ND: Tensor) -> None:
        """Take the mean latent code and the latent variance."""
        moments = self.latent_moments(x_ND)
        self.latent_mean.copy_(moments.mean_SF)
        self.latent_variance.copy_(moments.variance_SF.mean(1))

    def mean_error(self, x_ND: Tensor) -> Tensor:
        """[S], squared reconstruction error over all rows: before training, the unit of a term's weight."""
        errors = Moments()
        for codes in self.blocks(x_ND):
            errors.add(codes.mean_square_SB.unsqueeze(-1))
        return errors.mean_SF.squeeze(1).float()

    def latent_moments(self, x_ND: Tensor) -> Moments:
        """Mean and variance of the codes of all rows."""
        moments = Moments()
        for codes in self.blocks(x_ND):
            moments.add(codes.z_SBZ)
        return moments

    def diagnostics(self) -> dict[str, float]:
        """Means over the members; empty for a detector that was not fitted in this process.

        `latent_variance` is a mean over coordinates, `latent_variance_start` the same when the main phase
        began.
        """
        known = super().diagnostics()
        if not known:
            return known
        return known | {
            "latent_variance": float(self.latent_variance.mean()),
            "latent_variance_start": float(self.latent_variance_start.mean()),
        }

    def watched_parameters(self) -> Iterable[nn.Parameter]:
        """The encoder's: a decoder alone may learn without it."""
        return self.encoder.parameters()
