"""Diagonal Gaussians whose moments a network puts out: bounds, divergence, and the log-likelihood's halves.

Shapes: S members, B rows, D features, Z latent size.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

LOG_TWO_PI = math.log(2 * math.pi)


def softly_bounded(raw: Tensor, low: float, high: float) -> Tensor:
    """`raw` within [low, high], smoothly: unlike a clamp's, the gradient never is zero just outside.

    The lower bound is exact; the upper one may be passed by exp(low - high).

    >>> import torch
    >>> softly_bounded(torch.tensor([-99.0, 1.0, 99.0]), -6.0, 5.0).round(decimals=2)
    tensor([-6.0000,  0.9800,  5.0000])
    """
    capped = high - F.softplus(high - raw)
    return low + F.softplus(capped - low)


def divergence_from_standard(mean_SBZ: Tensor, log_variance_SBZ: Tensor) -> Tensor:
    """[S, B], the Kullback-Leibler divergence of N(mean, variance) from N(0, I)."""
    doubled_SBZ = log_variance_SBZ.exp() + mean_SBZ.square() - 1 - log_variance_SBZ
    return doubled_SBZ.sum(-1) / 2


def half_log_volume(log_variance_SBD: Tensor) -> Tensor:
    """[S, B], what a row's predicted spread costs: 1/2 sum(log 2 pi + log variance)."""
    return (LOG_TWO_PI + log_variance_SBD).sum(-1) / 2


def half_standardized_error(residual_SBD: Tensor, log_variance_SBD: Tensor) -> Tensor:
    """[S, B], 1/2 sum(residual^2 / variance)."""
    return (residual_SBD.square() * (-log_variance_SBD).exp()).sum(-1) / 2
