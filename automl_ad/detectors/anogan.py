"""AnoGAN: rows for which no code can be found that the generator turns into them.

Schlegl et al. 2017, "Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker
Discovery"; METHODS M20. A hundred times dearer to score than an autoencoder: every row is searched for.
Shapes: S members, N rows, B rows of a block, D features, Z latent size, H units of the critic's last layer.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.deep_settings import Published
from automl_ad.detectors.generative import Generative
from automl_ad.detectors.params import read_float, read_int
from automl_ad.detectors.phases import Phase
from automl_ad.results import Value

REACH = 5.0
"""How far a coordinate of the code can move in all steps, in standard deviations of the prior."""
ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8


class AnoGan(Generative):
    """A GAN, and for every row the code that repeats it best.

    NOTE[DIFF] the Wasserstein GAN with gradient penalty of its successor f-AnoGAN instead of the original
    GAN, which is prone to mode collapse: where G covers a part of the normal rows, the rest look strange.
    """

    name = "anogan"
    score_types = (
        ScoreType(
            name="query_loss",
            meaning="(1 - l) * rec_l1 + l * feature_l1 at the code found for the row (A(x) of the paper)",
        ),
        ScoreType(name="rec_l1", meaning="absolute error of G(z) at that code, sum over features"),
        ScoreType(
            name="feature_l1",
            meaning="absolute difference of the critic's features of x and G(z), sum over features",
        ),
    )
    published = Published(n_epochs=100, batch_size=64, learning_rate=1e-4, norm="batch")

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.feature_weight = read_float(params, "feature_weight", 0.1, up_to=1.0)
        # NOTE[DIFF] 100 steps where the paper takes 500: the search is most of the cost of a trial.
        self.n_query = read_int(params, "n_query", 100)

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """The GAN; there is nothing else to learn."""
        del n_rows
        return [self.adversarial_phase(self.optimization.n_epochs)]

    def score_block(self, x_BD: Tensor, types: Sequence[str]) -> dict[str, Tensor]:
        """Score type -> [S, B] for the named types."""
        # `scores` runs in inference mode, where nothing has a gradient; what is copied here is free of it.
        with torch.inference_mode(False), torch.enable_grad():
            found = self._search(x_BD.double())
        return {name: found[name] for name in types}

    def _search(self, x_BD: Tensor) -> dict[str, Tensor]:
        """All score types at the best code found."""
        # In float64: hundreds of steps over the kinks of L1 made a difference in the last digit of float32,
        # as between blocks of different sizes, 0.5 % of a score. Copies: no gradient reaches our weights.
        generator, features = _frozen_double(self.generator), _frozen_double(self.critic_features)
        seen_SBH = features(x_BD)

        def errors(z_SBZ: Tensor) -> tuple[Tensor, Tensor]:
            generated_SBD = generator(z_SBZ)
            feature_SB = (features(generated_SBD) - seen_SBH).abs().sum(-1)
            return (generated_SBD - x_BD).abs().sum(-1), feature_SB

        def loss(z_SBZ: Tensor) -> Tensor:
            rec_SB, feature_SB = errors(z_SBZ)
            return (1 - self.feature_weight) * rec_SB + self.feature_weight * feature_SB

        # NOTE[DIFF] from the code in the middle of the prior, not from a random one: a row's score is then a
        # function of the row alone.
        start_SBZ = x_BD.new_zeros(self.n_members, len(x_BD), self.network.sizes[-1])
        z_SBZ = best_codes(loss, start_SBZ, n_steps=self.n_query)
        with torch.no_grad():
            rec_SB, feature_SB = errors(z_SBZ)
            return {"query_loss": loss(z_SBZ), "rec_l1": rec_SB, "feature_l1": feature_SB}


def best_codes(loss: Callable[[Tensor], Tensor], start_SBZ: Tensor, *, n_steps: int) -> Tensor:
    """The code [S, B, Z] with the least loss [S, B] of `n_steps` of Adam and their start, row by row.

    NOTE[DIFF] the best and not the last: at a fixed rate the last one is somewhere around the minimum.
    """
    rate = REACH / n_steps
    z_SBZ, best_SBZ = start_SBZ, start_SBZ
    mean, square = torch.zeros_like(z_SBZ), torch.zeros_like(z_SBZ)
    least_SB = torch.full_like(z_SBZ[..., 0], math.inf)
    for step in range(1, n_steps + 2):
        z_SBZ = z_SBZ.detach().requires_grad_()
        loss_SB = loss(z_SBZ)
        is_better_SB = loss_SB.detach() < least_SB
        least_SB = torch.where(is_better_SB, loss_SB.detach(), least_SB)
        best_SBZ = torch.where(is_better_SB.unsqueeze(-1), z_SBZ.detach(), best_SBZ)
        if step > n_steps:
            break
        # The sum over members and rows: each gradient is that of its own code alone.
        (gradient,) = torch.autograd.grad(loss_SB.sum(), z_SBZ)
        mean = torch.lerp(gradient, mean, ADAM_BETAS[0])
        square = torch.lerp(gradient.square(), square, ADAM_BETAS[1])
        scale = (square / (1 - ADAM_BETAS[1] ** step)).sqrt() + ADAM_EPSILON
        z_SBZ = z_SBZ - rate * mean / (1 - ADAM_BETAS[0] ** step) / scale
    return best_SBZ


def _frozen_double(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network).double().requires_grad_(False)
