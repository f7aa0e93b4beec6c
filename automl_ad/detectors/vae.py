"""VAE whose decoder also predicts a variance, read without its regularizing terms (METHODS M03).

Matsubara, Sato, Hama, Tachibana & Uehara 2020, "Deep Generative Model Using Unregularized Score for Anomaly
Detection With Heterogeneous Complexity".
Shapes: S members, N rows, B rows of a block, D features, Z latent size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep import BLOCK_ROWS, row_moments
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.gaussian_codes import GaussianCodes, GaussianDecoder
from automl_ad.detectors.params import read_choice, read_float
from automl_ad.detectors.phases import Batch, OptimizerSpec, Phase, Step
from automl_ad.nn import Moments
from automl_ad.nn.gaussian import half_log_volume, half_standardized_error
from automl_ad.results import Value

TINY_VARIANCE = 1e-12
"""Of rows that are all alike."""
WARMUP_SHARE = 0.1
"""Of the epochs, with a fixed variance (METHODS M03: 5 to 10 % of the steps)."""


class Vae(Autoencoding):
    """Gaussian codes and Gaussian rows; a row is strange when it is many predicted deviations off."""

    name = "vae"
    score_types = (
        ScoreType(name="M", meaning="1/2 sum of squared errors over predicted variances (unregularized)"),
        ScoreType(name="L", meaning="negative ELBO at the mean code: D + A + M"),
        ScoreType(name="D", meaning="divergence of q(z | x) from the standard normal prior"),
        ScoreType(name="A", meaning="1/2 sum(log 2 pi + predicted log-variance), the row's complexity"),
        ScoreType(name="A_plus_M", meaning="negative log p(x | z) at the mean code"),
        ScoreType(name="rec_mse", meaning="squared reconstruction error, mean over features"),
        ScoreType(name="latent_dist_mean", meaning="distance of the mean code to the mean of those"),
    )
    published = Published(
        n_epochs=100, batch_size=128, learning_rate=1e-3, weight_decay=1e-4, activation="relu", norm="batch"
    )
    decoder: GaussianDecoder
    divergence: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.beta = read_float(params, "beta", 1.0)
        self.kl_warmup = read_choice(params, "kl_warmup", ("none", "linear"))
        n_epochs = self.optimization.n_epochs
        self.n_warmup = min(max(1, round(WARMUP_SHARE * n_epochs)), n_epochs - 1)
        self.register_buffer("divergence", torch.zeros(n_members), persistent=False)

    def make_networks(self, n_members: int, generator: torch.Generator) -> tuple[nn.Module, nn.Module]:
        """An encoder to the moments of the code, a decoder to those of the row."""
        variance = read_choice(self.params, "variance", ("per_row", "per_feature", "scalar"))
        lowest = read_float(self.params, "min_log_variance", -6.0, above=-20.0, up_to=0.0)
        n_features, *hidden, latent_size = self.network.sizes
        encoder = self.make_stack([n_features, *hidden, 2 * latent_size], n_members, generator)
        n_outputs = 2 * n_features if variance == "per_row" else n_features
        stack = self.make_stack([latent_size, *hidden[::-1], n_outputs], n_members, generator)
        tied = None
        if variance != "per_row":
            tied = nn.Parameter(torch.zeros(n_members, 1, 1 if variance == "scalar" else n_features))
        return encoder, GaussianDecoder(stack, tied, lowest, n_members)

    def codes(self, x_BD: Tensor, noise_BZ: Tensor | None = None) -> GaussianCodes:
        """The rows as this detector's networks see them."""
        return GaussianCodes(self.encoder, self.decoder, x_BD, noise_BZ)

    def blocks(self, x_ND: Tensor) -> Iterator[GaussianCodes]:
        """All rows, block by block."""
        return (self.codes(x_BD) for x_BD in torch.split(x_ND, BLOCK_ROWS))

    def start(self, x_ND: Tensor) -> None:
        """Measure the mean variance of the features: what variances are learnt relative to."""
        super().start(x_ND)
        self.decoder.log_scale.fill_(row_moments(x_ND).variance_SF.mean().clamp(min=TINY_VARIANCE).log())

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """A tenth of the epochs with the variance fixed at that of the data, then the whole objective."""
        del n_rows
        n_rest = self.optimization.n_epochs - self.n_warmup
        warmup = self._phase("fixed variance", self.n_warmup, self._warmup_loss)
        rest = self._phase("negative ELBO", n_rest, self._loss, before=self.note_latent_variance)
        return [warmup, rest] if self.n_warmup else [rest]

    def _phase(
        self,
        name: str,
        n_epochs: int,
        loss: Callable[[Batch], Tensor],
        before: Callable[[Tensor], None] | None = None,
    ) -> Phase:
        step = Step(name="weights", loss=loss, parameters=self.network_parameters(), optimizer=self.adam())
        return Phase(
            name=name,
            n_epochs=n_epochs,
            steps=[step],
            batch_size=self.optimization.batch_size,
            drop_last=self.network.norm == "batch",
            is_preparation=before is None,
            before=before,
        )

    def adam(self, **options: Any) -> OptimizerSpec:
        """The optimizer of the networks; the decay is divided as the loss beside it is."""
        return replace(super().adam(**options), weight_decay=self.optimization.weight_decay / self.n_features)

    def _warmup_loss(self, batch: Batch) -> Tensor:
        """[S]. The mean is learnt first: a variance that fits poor means would excuse them."""
        codes = self._drawn(batch)
        log_variance_SBD = self.decoder.log_scale.expand_as(codes.restored_SBD)
        ramp = (batch.epoch + 1) / (self.n_warmup + 1) if self.kl_warmup == "linear" else 1.0
        misfit_SB = half_standardized_error(codes.residual_SBD, log_variance_SBD)
        energy_SB = ramp * self.beta * codes.divergence_SB + half_log_volume(log_variance_SBD) + misfit_SB
        return energy_SB.mean(1) / self.n_features

    def _loss(self, batch: Batch) -> Tensor:
        """[S], the negative ELBO of one drawn code per row."""
        codes = self._drawn(batch)
        energy_SB = self.beta * codes.divergence_SB + codes.volume_SB + codes.misfit_SB
        # NOTE[DIFF] the published sums over features and coordinates, divided by the number of features: so
        # the loop's clip rarely bites. Adam does not see the factor, and the balance of the terms is kept.
        return energy_SB.mean(1) / self.n_features

    def _drawn(self, batch: Batch) -> GaussianCodes:
        shape = (len(batch.x_BD), self.network.sizes[-1])
        noise_BZ = torch.randn(shape, generator=batch.generator, device=batch.x_BD.device)
        return self.codes(batch.x_BD, noise_BZ)

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]; the code is always the mean of q(z | x)."""
        readings: dict[str, Callable[[GaussianCodes], Tensor]] = {
            "M": lambda codes: codes.misfit_SB,
            "L": lambda codes: codes.divergence_SB + codes.volume_SB + codes.misfit_SB,
            "D": lambda codes: codes.divergence_SB,
            "A": lambda codes: codes.volume_SB,
            "A_plus_M": lambda codes: codes.volume_SB + codes.misfit_SB,
            "rec_mse": lambda codes: codes.mean_square_SB,
            "latent_dist_mean": self.distance_to_mean,
        }
        return cast(Mapping[str, Callable[[Codes], Tensor]], readings)

    def finalize(self, x_ND: Tensor) -> None:
        """Take the mean code, the latent variance and the mean divergence."""
        super().finalize(x_ND)
        moments = Moments()
        for codes in self.blocks(x_ND):
            moments.add(codes.divergence_SB.unsqueeze(-1))
        self.divergence.copy_(moments.mean_SF.squeeze(1))

    def diagnostics(self) -> dict[str, float]:
        """The family's, and `divergence`: near zero when the codes collapsed onto the prior."""
        facts = super().diagnostics()
        return facts | {"divergence": float(self.divergence.mean())} if facts else facts
