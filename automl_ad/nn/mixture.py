"""Gaussian mixture from soft memberships: moments and energy, member by member, in float64.

A covariance that no factor is found for costs only its own member: that one's values turn NaN.
Shapes: S members, B rows of a block, F values of a row, K mixture parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

JITTER = 1e-6
"""Added to every variance (METHODS M15)."""
MAX_JITTER = 0.1
MIN_SHARE = 1e-4
"""A part that owns less of the rows has no covariance worth the name, and is left out (METHODS M15)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mixture:
    """K weighted Gaussians for each member."""

    share_SK: Tensor
    """phi, the weights: they sum to 1."""
    mean_SKF: Tensor
    covariance_SKFF: Tensor


class MixtureMoments:
    """The mixture of all the rows added so far, each row belonging to every part with its membership.

    Differentiable: of one batch it is the mixture of the training loss.
    """

    def __init__(self) -> None:
        self._count: Tensor | float = 0.0
        self._sum: Tensor | float = 0.0
        self._products: Tensor | float = 0.0

    def add(self, values_SBF: Tensor, membership_SBK: Tensor) -> None:
        """Count the rows of a block in."""
        values, membership_SKB = values_SBF.double(), membership_SBK.double().mT
        weighted_SKBF = membership_SKB.unsqueeze(-1) * values.unsqueeze(1)
        self._count = self._count + membership_SKB.sum(-1)
        self._sum = self._sum + membership_SKB @ values
        self._products = self._products + weighted_SKBF.mT @ values.unsqueeze(1)

    def mixture(self) -> Mixture:
        """Shares, means and covariances; a part without any row is left at zero."""
        count_SK = torch.as_tensor(self._count)
        # Only a part that no softmax gives anything to; MIN_SHARE leaves it out.
        owned_SK = count_SK.clamp(min=torch.finfo(torch.float32).tiny)
        mean_SKF = torch.as_tensor(self._sum) / owned_SK.unsqueeze(-1)
        second_SKFF = torch.as_tensor(self._products) / owned_SK[..., None, None]
        return Mixture(
            share_SK=count_SK / count_SK.sum(1, keepdim=True),
            mean_SKF=mean_SKF,
            covariance_SKFF=second_SKFF - mean_SKF.unsqueeze(-1) * mean_SKF.unsqueeze(-2),
        )


def factor(covariance_SKFF: Tensor) -> Tensor:
    """Lower Cholesky factors [S, K, F, F] of the covariances, each with the least jitter that it needs.

    The jitter grows tenfold from JITTER to MAX_JITTER; a covariance that still fails becomes NaN.
    """
    identity_FF = torch.eye(covariance_SKFF.shape[-1], dtype=torch.float64, device=covariance_SKFF.device)
    jitter_SK = torch.full_like(covariance_SKFF[..., 0, 0], JITTER)
    while True:
        # cholesky_ex: a member that is lost must not end the training of the others.
        factor_SKFF, info_SK = torch.linalg.cholesky_ex(
            covariance_SKFF + jitter_SK[..., None, None] * identity_FF
        )
        failed_SK = info_SK > 0
        if not bool((failed_SK & (jitter_SK < 0.9 * MAX_JITTER)).any()):
            break
        jitter_SK = torch.where(failed_SK, 10 * jitter_SK, jitter_SK)
    usable_SKFF: Tensor = factor_SKFF.masked_fill(failed_SK[..., None, None], torch.nan)
    return usable_SKFF


def energy(values_SBF: Tensor, share_SK: Tensor, mean_SKF: Tensor, factor_SKFF: Tensor) -> Tensor:
    """[S, B], -log sum_k share_k N(value; mean_k, L_k L_k^T), without the parts below MIN_SHARE."""
    factor_SKFF, share_SK = factor_SKFF.double(), share_SK.double()
    centred_SKBF = values_SBF.double().unsqueeze(1) - mean_SKF.double().unsqueeze(2)
    whitened_SKFB = torch.linalg.solve_triangular(factor_SKFF, centred_SKBF.mT, upper=False)
    half_log_det_SK = factor_SKFF.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    log_normal_SKB = (
        -0.5 * whitened_SKFB.square().sum(-2)
        - half_log_det_SK.unsqueeze(-1)
        - 0.5 * values_SBF.shape[-1] * math.log(2 * math.pi)
    )
    log_share_SK = share_SK.clamp(min=MIN_SHARE).log()
    log_joint_SKB = log_share_SK.unsqueeze(-1) + log_normal_SKB
    energy_SB: Tensor = -log_joint_SKB.masked_fill(share_SK.unsqueeze(-1) < MIN_SHARE, -torch.inf).logsumexp(
        1
    )
    return energy_SB


def inverse_variances(mixture: Mixture) -> Tensor:
    """[S], the sum of 1 / Sigma_k,jj over the parts and values: what keeps a mixture from degenerating."""
    variance_SKF = mixture.covariance_SKFF.diagonal(dim1=-2, dim2=-1).clamp(min=0) + JITTER
    # NOTE[DIFF] without the parts that the energy leaves out: one row may own such a part, whose variance
    # is then zero and whose penalty, 1e6 per value, would drown the rest.
    is_used_SK1 = (mixture.share_SK >= MIN_SHARE).unsqueeze(-1)
    return torch.where(is_used_SK1, variance_SKF.reciprocal(), 0.0).sum((1, 2))
