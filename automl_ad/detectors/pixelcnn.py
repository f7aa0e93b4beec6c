"""PixelCNN: the probability of an image, pixel by pixel, each given those before it in reading order.

van den Oord et al. 2016, "Pixel Recurrent Neural Networks", section 3.5 (residual blocks: section 3.3);
METHODS M21. Images only, square, of one or three colours.
Shapes: S members, B rows of a block, D = C * H * W features, C colours, H x W pixels, K levels of a colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.deep import DeepDetector
from automl_ad.detectors.deep_settings import OptimizationSettings, Published
from automl_ad.detectors.params import read_choice, read_int
from automl_ad.detectors.phases import OptimizerSpec, Phase, Step
from automl_ad.errors import TrialFailed
from automl_ad.nn.masked_conv import MemberMaskedConv
from automl_ad.results import Value

SCORED_ROWS = 128
"""Images scored at once: a layer of 32 filters on 28 x 28 pixels then takes 13 MB."""


class PixelCnn(DeepDetector):
    """A stack of masked convolutions that ends in a softmax over the levels of every sub-pixel.

    NOTE[DIFF] without the vertical stack of the gated PixelCNN: pixels up and to the right of a pixel, beyond
    the reach of the 7 x 7, stay unseen (the blind spot).
    """

    name = "pixelcnn"
    block_multiple = 1  # convolutions round an image alike in any company, and one image takes 4 ms
    score_types = (
        ScoreType(name="nll", meaning="-log2 p(x), mean over sub-pixels: bits per dimension"),
        ScoreType(
            name="nll_minus_complexity",
            meaning="nll less the bits that the image takes without a model (Serra et al. 2020)",
        ),
    )
    # NOTE[DIFF] 16 levels, 32 filters, 3 blocks and 30 epochs where METHODS M21 has 256, 64, 7 to 12 and 50
    # to 100: 2,000 images of 28 x 28 then train in minutes on one core.
    published = Published(n_epochs=30, batch_size=64, learning_rate=1e-3)
    max_members_on_cpu = 1

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        read_choice(params, "prep", ("unit",))  # levels are cut from [0, 1]
        self.n_colors, self.side = image_shape(n_features)
        self.n_levels = read_int(params, "levels", 16, low=2)
        n_filters = read_int(params, "n_filters", 32, low=2 * self.n_colors)
        n_blocks = read_int(params, "n_blocks", 3)
        self.optimization = OptimizationSettings.read(params, self.published)
        generator = torch.Generator().manual_seed(seed)

        def conv(n_in: int, n_out: int, side: int, *, is_strict: bool = False) -> nn.Module:
            return MemberMaskedConv(
                n_in,
                n_out,
                side,
                n_members=n_members,
                n_colors=self.n_colors,
                is_strict=is_strict,
                generator=generator,
            )

        self.network = nn.Sequential(
            conv(self.n_colors, n_filters, 7, is_strict=True),
            *(_Block(conv, n_filters) for _ in range(n_blocks)),
            nn.ReLU(),
            conv(n_filters, n_filters, 1),
            nn.ReLU(),
            conv(n_filters, self.n_colors * self.n_levels, 1),
        )

    def phases(self, n_rows: int) -> Sequence[Phase]:
        """One phase, one step."""
        del n_rows
        step = Step(
            name="weights",
            loss=lambda batch: self._nll(self.levels(batch.x_BD)).mean(1),
            parameters=list(self.network.parameters()),
            optimizer=OptimizerSpec(
                lr=self.optimization.learning_rate, weight_decay=self.optimization.weight_decay
            ),
        )
        return [
            Phase(
                name="likelihood",
                n_epochs=self.optimization.n_epochs,
                steps=[step],
                batch_size=self.optimization.batch_size,
                lr_factor=lambda epoch: 0.999**epoch,  # METHODS M21
            )
        ]

    def levels(self, x_BD: Tensor) -> Tensor:
        """[B, D] in 0 .. K-1; what lies outside [0, 1] counts as its border."""
        return (x_BD * self.n_levels).long().clamp(0, self.n_levels - 1)

    def logits(self, x_BD: Tensor) -> Tensor:
        """[S, B, D, K] from levels spread over [-1, 1]; those of a sub-pixel depend on earlier ones only."""
        n_rows = len(x_BD)
        image = x_BD.view(n_rows, self.n_colors, self.side, self.side)
        out = self.network(image.repeat(1, self.n_members, 1, 1))
        by_level: Tensor = out.view(n_rows, self.n_members, self.n_colors, self.n_levels, -1)
        return by_level.permute(1, 0, 2, 4, 3).flatten(2, 3)

    def _nll(self, levels_BD: Tensor) -> Tensor:
        """[S, B], bits per sub-pixel."""
        logits_SBDK = self.logits(levels_BD * (2.0 / (self.n_levels - 1)) - 1.0)
        targets = levels_BD.expand(self.n_members, -1, -1)
        nats = F.cross_entropy(logits_SBDK.flatten(0, 2), targets.flatten(), reduction="none")
        return nats.view(targets.shape).mean(-1) / math.log(2)

    def score_block(self, x_BD: Tensor, types: Sequence[str]) -> dict[str, Tensor]:
        """Score type -> [S, B] for the named types."""
        levels_BD = self.levels(x_BD)
        nll_SB = torch.cat([self._nll(part) for part in torch.split(levels_BD, SCORED_ROWS)], dim=1)
        read = {"nll": nll_SB, "nll_minus_complexity": nll_SB - self._complexity(levels_BD)}
        return {name: read[name] for name in types}

    def _complexity(self, levels_BD: Tensor) -> Tensor:
        """[B], bits per sub-pixel of the steps from pixel to pixel: what a simple coder would need."""
        # NOTE[DIFF] the entropy of PNG's "sub" filter instead of a compressor, whose output depends on its
        # version.
        lines = levels_BD.view(len(levels_BD), -1, self.side)
        steps = (torch.diff(lines, prepend=torch.zeros_like(lines[..., :1])) % self.n_levels).flatten(1)
        share_BK = F.one_hot(steps, self.n_levels).float().mean(1)
        nats_B: Tensor = torch.special.entr(share_BK).sum(1)
        return nats_B / math.log(2)


class _Block(nn.Module):
    """Half the filters, a 3 x 3 on them, and back (figure 5, left)."""

    def __init__(self, conv: Callable[[int, int, int], nn.Module], n_filters: int) -> None:
        super().__init__()
        half = n_filters // 2
        self.inner = nn.Sequential(
            nn.ReLU(),
            conv(n_filters, half, 1),
            nn.ReLU(),
            conv(half, half, 3),
            nn.ReLU(),
            conv(half, n_filters, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        added: Tensor = self.inner(x)
        return x + added


def image_shape(n_features: int) -> tuple[int, int]:
    """(colours, side) of the square image with so many sub-pixels; no number is both m^2 and 3 n^2.

    >>> image_shape(784), image_shape(3072)
    ((1, 28), (3, 32))
    """
    for n_colors in (1, 3):
        side = math.isqrt(n_features // n_colors)
        if n_colors * side * side == n_features:
            return n_colors, side
    raise TrialFailed(
        f"pixelcnn reads square images of 1 or 3 colours: n_features must be H*H or 3*H*H, got {n_features}"
    )
