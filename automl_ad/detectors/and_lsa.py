"""AND, latent space autoregression: an autoencoder whose codes a network must be able to predict in order.

Abati, Porrello, Calderara & Cucchiara 2019, "Latent Space Autoregression for Novelty Detection"; METHODS M18.
Strange rows reconstruct badly, or have a code that is improbable under p(z) = prod_j p(z_j | z_<j).
Shapes: S members, N rows, B rows of a block, D features, Z latent size, K bins, T terms of the score (2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.codes import Codes
from automl_ad.detectors.deep import row_moments
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.params import read_float, read_int
from automl_ad.detectors.phases import Batch, Phase, Step
from automl_ad.errors import TrialFailed
from automl_ad.nn.masked import masked_mlp
from automl_ad.results import Value

N_HIDDEN = 4
"""Hidden layers of the estimator."""
MAX_LATENT_SIZE = 64
"""The published size; the estimator's weights grow with its square."""
LOW_SHARE, HIGH_SHARE = 0.05, 0.95
"""The quantiles of the training rows that the native score puts at 0 and 1."""
RANGE_FLOOR = 1e-4
"""Times what guessing costs (uniform bins, the mean row): a term that hardly varies must not be blown up."""


class AndLsa(Autoencoding):
    """Reconstruction plus the negative log likelihood of the code in [0, 1]^Z, both trained at once."""

    name = "and_lsa"
    score_types = (
        ScoreType(name="nll_plus_rec", meaning="nll + rec_mse, each put to [0, 1] by the training rows"),
        ScoreType(name="nll", meaning="-log p of the code, autoregressive over its bins, in nats"),
        ScoreType(name="rec_mse", meaning="squared reconstruction error, mean over features"),
    )
    max_members_on_cpu = 1
    # Adam at 1e-3 as for CIFAR-10; at 1e-4, as for MNIST, tables of a few batches hardly move. No
    # number of epochs was published: as many as the search allows.
    published = Published(n_epochs=300, batch_size=256, learning_rate=1e-3, norm="batch")
    nll_scale: Tensor
    term_low: Tensor
    term_range: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.latent_size = self.network.sizes[-1]
        if self.latent_size > MAX_LATENT_SIZE:
            raise TrialFailed(f"latent_size must be at most {MAX_LATENT_SIZE}, got {self.latent_size}")
        self.n_bins = read_int(params, "n_bins", 100, low=2)
        self.nll_weight = read_float(params, "nll_weight", 1.0)
        self.estimator = self._make_estimator(read_int(params, "n_channels", 32))
        self.register_buffer("nll_scale", torch.ones(n_members), persistent=False)
        self.register_buffer("term_low", torch.zeros(n_members, 2))
        self.register_buffer("term_range", torch.ones(n_members, 2))

    def make_networks(self, n_members: int, generator: torch.Generator) -> tuple[nn.Module, nn.Module]:
        """An encoder that ends in a sigmoid, and its mirror."""
        encoder, decoder = super().make_networks(n_members, generator)
        return nn.Sequential(encoder, nn.Sigmoid()), decoder

    def _make_estimator(self, n_channels: int) -> nn.Module:
        """[S, B, Z] -> [S, B, Z * K]: one layer of mask A, all others of mask B, `n_channels` per code."""
        place_Z = torch.arange(self.latent_size)
        hidden = [place_Z.repeat_interleave(n_channels)] * N_HIDDEN
        return masked_mlp(
            [place_Z, *hidden, place_Z.repeat_interleave(self.n_bins)],
            strict="first",
            n_members=self.n_members,
            generator=torch.Generator().manual_seed(self.seed + 1),
            activation=self.network.activation,
        )

    def codes(self, x_BD: Tensor) -> EstimatedCodes:
        """The rows as this detector's networks see them."""
        return EstimatedCodes(self.encoder, self.decoder, self.estimator, self.n_bins, x_BD)

    def start(self, x_ND: Tensor) -> None:
        """Scale the likelihood so that at weight 1 guessing costs the same in both terms."""
        super().start(x_ND)
        nll, rec = self._cost_of_guessing(x_ND)
        self.nll_scale.fill_(rec / nll)

    def _cost_of_guessing(self, x_ND: Tensor) -> tuple[float, float]:
        """What uniform bins cost in nats, and what the mean row costs in mean squared error."""
        # Rows all alike have no unit of their own.
        return self.latent_size * math.log(self.n_bins), float(row_moments(x_ND).variance_SF.mean()) or 1.0

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase, one step that trains all three networks."""
        del n_rows
        step = Step(
            name="weights",
            loss=self._loss,
            parameters=[*self.network_parameters(), *self.estimator.parameters()],
            optimizer=self.adam(),
        )
        return [
            Phase(
                name="joint",
                n_epochs=self.optimization.n_epochs,
                steps=[step],
                batch_size=self.optimization.batch_size,
                drop_last=self.network.norm == "batch",
            )
        ]

    def _loss(self, batch: Batch) -> Tensor:
        # NOTE[DIFF] rec + lambda * nll over D: the paper sums squares over features, whose gradient the
        # clipping would cut. And lambda in units of `nll_scale`, so that one range fits all data.
        codes = self.codes(batch.x_BD)
        nll_S = bin_nll(codes.logits_SBZK, codes.z_SBZ).mean(1)
        return codes.mean_square_SB.mean(1) + self.nll_weight * self.nll_scale * nll_S

    def finalize(self, x_ND: Tensor) -> None:
        """Take what the score's terms are normalised by, from the training rows."""
        # NOTE[DIFF] the 5 % and 95 % quantiles of all rows, not the extremes of held-out normal ones: here
        # strange rows may be among them, and one of them would set the scale.
        super().finalize(x_ND)
        terms_STN = torch.cat([_terms(codes).mT for codes in self.blocks(x_ND)], dim=2).sort().values
        last = len(x_ND) - 1
        low_ST, high_ST = (terms_STN[..., round(share * last)] for share in (LOW_SHARE, HIGH_SHARE))
        floor_T = RANGE_FLOOR * x_ND.new_tensor(self._cost_of_guessing(x_ND))
        self.term_low.copy_(low_ST)
        self.term_range.copy_(torch.maximum(high_ST - low_ST, floor_T))

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {
            "nll_plus_rec": self._nll_plus_rec,
            "nll": lambda codes: _terms(codes)[..., 0],
            "rec_mse": lambda codes: codes.mean_square_SB,
        }

    def _nll_plus_rec(self, codes: Codes) -> Tensor:
        # Values outside [0, 1] stay outside: clipped, the strangest rows would tie.
        normalised_SBT = (_terms(codes) - self.term_low.unsqueeze(1)) / self.term_range.unsqueeze(1)
        return normalised_SBT.sum(-1)


class EstimatedCodes(Codes):
    """Codes together with how probable the estimator finds them."""

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, estimator: nn.Module, n_bins: int, x_BD: Tensor
    ) -> None:
        super().__init__(encoder, decoder, x_BD)
        self._estimator = estimator
        self._n_bins = n_bins

    @cached_property
    def logits_SBZK(self) -> Tensor:
        """What the estimator makes of the codes before each."""
        # z is not detached here: the encoder learns to place codes from which the next ones can be told.
        logits_SBZK: Tensor = self._estimator(self.z_SBZ).unflatten(-1, (-1, self._n_bins))
        return logits_SBZK

    @cached_property
    def nll_SB(self) -> Tensor:
        """-log p(z) in nats, summed over the code, in float64.

        The sum is large and the native score lives on its differences: in float32 the number of rows scored
        at once would show.
        """
        return bin_nll(self.logits_SBZK.double(), self.z_SBZ)


def _terms(codes: Codes) -> Tensor:
    """[S, B, T], the two terms of the score."""
    assert isinstance(codes, EstimatedCodes)
    return torch.stack([codes.nll_SB, codes.mean_square_SB], dim=-1)


def bin_nll(logits_SBZK: Tensor, z_SBZ: Tensor) -> Tensor:
    """[S, B], -log of the probability of each z's bin in [0, 1], summed over Z; the bins pass no gradient."""
    # NOTE[DIFF] no probability is clamped to [eps, 1 - eps]: log-softmax needs no help to stay finite, and
    # keeps its gradient where it is needed most.
    n_bins = logits_SBZK.shape[-1]
    bins_SBZ = (z_SBZ.detach() * n_bins).long().clamp(0, n_bins - 1)
    nll = F.cross_entropy(logits_SBZK.flatten(0, 2), bins_SBZ.flatten(), reduction="none")
    return nll.view_as(z_SBZ).sum(-1)
