"""MADE for tables: the exact density of a row, column after column, from one masked network.

Germain, Gregor, Murray & Larochelle 2015, "MADE: Masked Autoencoder for Distribution Estimation", with
mixtures of logistics as conditionals as METHODS M21 has them for tables.
Shapes: S members, N rows, B rows of a block, D features, K mixture parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.deep import DeepDetector, row_moments
from automl_ad.detectors.deep_settings import NetworkSettings, OptimizationSettings, Published
from automl_ad.detectors.params import read_choice, read_float, read_int
from automl_ad.detectors.phases import Batch, OptimizerSpec, Phase, Step
from automl_ad.nn import MemberLinear
from automl_ad.nn.masked import masked_mlp
from automl_ad.results import Value

LR_DECAY = 0.999
"""Every epoch (METHODS M21)."""
CONSTANT_SHARE = 1e-6
"""A standard deviation below this share of the mean is float32's rounding of a constant column."""


class Made(DeepDetector):
    """p(x) = prod_j p(x_j | x_<j), each conditional a mixture of K logistics; strange rows are improbable.

    The columns are standardised by the training rows and the density is that of the standardised row, so
    that one floor on scales fits all data; this moves every row's score by the same constant.
    """

    name = "made"
    score_types = (
        ScoreType(name="nll", meaning="-log p of the row, in nats"),
        ScoreType(name="worst_column", meaning="the largest -log p(x_j | x_<j) of any column, in nats"),
    )
    # NOTE[DIFF] batches of 128 where the paper has 100: the search space has powers of two. And Adam at
    # 1e-3, decayed, as METHODS M21 has it.
    published = Published(n_epochs=100, batch_size=128, learning_rate=1e-3, activation="relu")
    column_key: Tensor
    column_mean: Tensor
    column_std: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.optimization = OptimizationSettings.read(params, self.published)
        self.n_components = read_int(params, "n_components", 5)
        self.scale_floor = read_float(params, "scale_floor", 0.1)
        self.column_order = read_choice(params, "column_order", ("natural", "random"))
        generator = torch.Generator().manual_seed(seed)
        self.network = self._make_network(generator)
        key_SD = torch.arange(float(n_features)).repeat(n_members, 1)
        if self.column_order == "random":
            key_SD = torch.rand(n_members, n_features, generator=generator)
        # The columns are read in the order of their keys: any finite keys make a permutation.
        self.register_buffer("column_key", key_SD)
        self.register_buffer("column_mean", torch.zeros(n_members, n_features))
        self.register_buffer("column_std", torch.ones(n_members, n_features))

    def _make_network(self, generator: torch.Generator) -> nn.Module:
        """[S, B, D] -> [S, B, D * 3 * K]."""
        # layer normalization would show every unit the columns of all the others
        read_choice(self.params, "norm", ("none", "batch"))
        settings = NetworkSettings.read(self.params, self.n_features, self.published)
        column_D = torch.arange(1, self.n_features + 1)
        network = masked_mlp(
            [
                column_D,
                *(spread_degrees(n_units, self.n_features) for n_units in self._hidden_sizes(settings)),
                column_D.repeat_interleave(3 * self.n_components),
            ],
            strict="last",
            n_members=self.n_members,
            generator=generator,
            activation=settings.activation,
            norm=settings.norm,
        )
        self._spread_locations(network, generator)
        return network

    def _hidden_sizes(self, settings: NetworkSettings) -> tuple[int, ...]:
        if "hidden" in self.params:
            return settings.sizes[1:-1]
        n_units = default_hidden_size(self.n_features, read_float(self.params, "width", 1.0))
        return (n_units,) * read_int(self.params, "n_layers", 2)

    def _spread_locations(self, network: nn.Sequential, generator: torch.Generator) -> None:
        """Start the parts of a mixture apart, over the standardised column: parts alike would stay alike."""
        last = network[-1]
        assert isinstance(last, MemberLinear)
        assert last.bias is not None
        location = last.bias.detach().view(self.n_members, self.n_features, 3, -1)[:, :, 1]
        location.normal_(generator=generator)

    def start(self, x_ND: Tensor) -> None:
        """Take mean and standard deviation of every column."""
        super().start(x_ND)
        moments = row_moments(x_ND)
        mean, std = moments.mean_SF, moments.variance_SF.sqrt()
        self.column_mean.copy_(mean)
        self.column_std.copy_(torch.where(std > CONSTANT_SHARE * mean.abs(), std, 1.0))

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase, one step: maximum likelihood."""
        del n_rows
        settings = self.optimization
        step = Step(
            name="weights",
            loss=self._loss,
            parameters=list(self.parameters()),
            optimizer=OptimizerSpec(lr=settings.learning_rate, weight_decay=settings.weight_decay),
        )
        return [
            Phase(
                name="likelihood",
                n_epochs=settings.n_epochs,
                steps=[step],
                batch_size=settings.batch_size,
                drop_last=self.params.get("norm") == "batch",
                lr_factor=lambda epoch: LR_DECAY**epoch,
            )
        ]

    def _loss(self, batch: Batch) -> Tensor:
        # NOTE[DIFF] a mean over columns where the paper has the sum, whose gradient the clipping would cut.
        return -self.log_densities(batch.x_BD).mean((1, 2))

    def log_densities(self, x_BD: Tensor) -> Tensor:
        """[S, B, D], log p(x_j | x_<j) of the standardised columns, in the order they are read."""
        x_SBD = self.ordered(x_BD)
        heads_SBD3K = self.network(x_SBD).unflatten(-1, (-1, 3, self.n_components))
        logit, location, raw_scale = heads_SBD3K.unbind(-2)
        # NOTE[DIFF] a floor: on a discrete column the likelihood grows without bound as a scale goes to 0.
        scale = self.scale_floor + F.softplus(raw_scale)
        return log_mixture_of_logistics(x_SBD, logit, location, scale)

    def ordered(self, x_BD: Tensor) -> Tensor:
        """[S, B, D], what the network sees: standardised, every member's columns in its own order."""
        x_SBD = (x_BD - self.column_mean.unsqueeze(1)) / self.column_std.unsqueeze(1)
        order_SD = self.column_key.argsort(dim=1, stable=True)
        return x_SBD.gather(2, order_SD.unsqueeze(1).expand_as(x_SBD))

    def score_block(self, x_BD: Tensor, types: Sequence[str]) -> dict[str, Tensor]:
        """Score type -> [S, B] for the named types."""
        surprise_SBD = -self.log_densities(x_BD)
        scores = {"nll": surprise_SBD.sum(-1), "worst_column": surprise_SBD.amax(-1)}
        return {name: scores[name] for name in types}


def default_hidden_size(n_features: int, width: float = 1.0) -> int:
    """Units of every hidden layer: twice the next power of two, between 64 and 512, times `width`.

    Two or more for every column, and not METHODS 0.3's layers, which narrow towards a code: here every layer
    carries what each single column may know.

    >>> default_hidden_size(6), default_hidden_size(100), default_hidden_size(274, width=0.5)
    (64, 256, 256)
    """
    return round(width * min(max(2 << (n_features - 1).bit_length(), 64), 512))


def spread_degrees(n_units: int, n_features: int) -> Tensor:
    """[n_units], degrees 1 to n_features - 1 in equal shares; a unit of degree m sees columns 1 to m.

    The paper draws them at random, which may leave a degree out.

    >>> spread_degrees(8, 5).tolist(), spread_degrees(2, 7).tolist()
    ([1, 1, 2, 2, 3, 3, 4, 4], [1, 4])
    """
    return 1 + torch.arange(n_units) * max(n_features - 1, 1) // n_units


def log_mixture_of_logistics(x: Tensor, logit: Tensor, location: Tensor, scale: Tensor) -> Tensor:
    """[...], log of sum_k w_k logistic(x; location_k, scale_k), for x [...] and parts [..., K].

    Logistics and not Gaussians: their log falls off as |x| and not as x^2, so that one far value of a
    contaminated table neither drags the fit nor drowns the other columns' surprise.
    """
    distance = ((x.unsqueeze(-1) - location) / scale).abs()
    log_part = -distance - scale.log() - 2 * F.softplus(-distance)
    return torch.logsumexp(logit.log_softmax(-1) + log_part, dim=-1)
