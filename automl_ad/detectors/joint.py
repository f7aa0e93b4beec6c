"""Reconstruction and hypersphere in one loss, `rec + gamma * d^2`: what IAEAD and DASVDD share.

They differ in where gamma and the centre come from, and in when the second term joins.
Shapes: S members, N rows, B rows of a block, Z latent size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.detectors.codes import Codes
from automl_ad.nn import Moments
from automl_ad.nn.hypersphere import squared_distance
from automl_ad.results import Value


def mean_terms(blocks: Iterable[Codes], center_SZ: Tensor) -> tuple[Tensor, Tensor]:
    """The two terms over all rows, each [S]: reconstruction error and squared distance."""
    terms = Moments()
    for codes in blocks:
        distance2_SB = squared_distance(codes.z_SBZ, center_SZ)
        terms.add(torch.stack([codes.mean_square_SB, distance2_SB], dim=-1))
    reconstruction_S, distance2_S = terms.mean_SF.float().unbind(dim=1)
    return reconstruction_S, distance2_S


class JointDetector(Autoencoding):
    """An autoencoder with a centre in latent space and the balance of its two losses."""

    center: Tensor
    """[S, Z], set by the subclass: a buffer or a parameter."""
    gamma: Tensor
    balance_start: Tensor
    balance_end: Tensor

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.register_buffer("gamma", torch.ones(n_members))
        for name in ("balance_start", "balance_end"):
            self.register_buffer(name, torch.zeros(n_members), persistent=False)

    def distance2(self, codes: Codes) -> Tensor:
        """[S, B], squared distance of the code to the centre; no gradient reaches the centre."""
        return squared_distance(codes.z_SBZ, self.center.detach())

    def rec_plus_dist(self, codes: Codes) -> Tensor:
        """[S, B], the loss of every row as it is scored."""
        return codes.mean_square_SB + self.gamma.unsqueeze(1) * self.distance2(codes)

    def note_balance(self, x_ND: Tensor) -> None:
        """Take the balance of now as the one training began with."""
        self.balance_start.copy_(self._balance(x_ND))

    def finalize(self, x_ND: Tensor) -> None:
        """Take the mean code and the balance of the two losses."""
        super().finalize(x_ND)
        self.balance_end.copy_(self._balance(x_ND))

    def _balance(self, x_ND: Tensor) -> Tensor:
        """[S], |log(mean rec / (gamma * mean d^2))|: 0 when both losses weigh the same (DASVDD, eq. 6)."""
        reconstruction_S, distance2_S = mean_terms(self.blocks(x_ND), self.center)
        tiny = torch.finfo(torch.float32).tiny
        return (reconstruction_S.clamp(min=tiny) / (self.gamma * distance2_S).clamp(min=tiny)).log().abs()

    def readings(self) -> Mapping[str, Callable[[Codes], Tensor]]:
        """Score type -> how to read it, [S, B]."""
        return {
            "dist_mean": self.distance_to_mean,
            "dist_center": self.distance2,
            "rec_mse": lambda codes: codes.mean_square_SB,
            "rec_plus_dist": self.rec_plus_dist,
        }

    def diagnostics(self) -> dict[str, float]:
        """The family's, gamma, and the balance of the two losses when both were first trained and now."""
        facts = super().diagnostics()
        if facts:
            facts["gamma"] = float(self.gamma.mean())
            facts["gamma_balance_start"] = float(self.balance_start.mean())
            facts["gamma_balance_end"] = float(self.balance_end.mean())
        return facts
