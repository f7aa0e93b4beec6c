"""A memory of typical codes: a query is answered by a sparse mixture of its rows (Gong et al. 2019).

Shapes: S members, B queries, M memory rows, Z latent size.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Addressing = Literal["cos", "dot"]


class MemberMemory(nn.Module):
    """S memories of M rows, read by weights on the simplex."""

    def __init__(
        self,
        n_rows: int,
        n_units: int,
        *,
        n_members: int,
        generator: torch.Generator,
        addressing: Addressing,
        temperature: float,
        threshold: float,
    ) -> None:
        """`threshold` is the paper's lambda; `temperature` divides cosines only (1 in the paper)."""
        super().__init__()
        self.addressing = addressing
        self.temperature = temperature
        self.threshold = threshold
        bound = n_units**-0.5
        rows_SMZ = torch.empty(n_members, n_rows, n_units).uniform_(-bound, bound, generator=generator)
        self.rows = nn.Parameter(rows_SMZ)

    def weights(self, query_SBZ: Tensor) -> Tensor:
        """[S, B, M], how much of each row answers the query: on the simplex, sparse."""
        return hard_shrink(self._similarity(query_SBZ).softmax(-1), self.threshold)

    def _similarity(self, query_SBZ: Tensor) -> Tensor:
        if self.addressing == "dot":
            return query_SBZ @ self.rows.mT
        return F.normalize(query_SBZ, dim=-1) @ F.normalize(self.rows, dim=-1).mT / self.temperature

    def read(self, weights_SBM: Tensor) -> Tensor:
        """[S, B, Z], the answers: mixtures of rows."""
        return weights_SBM @ self.rows


def hard_shrink(weights_SBM: Tensor, threshold: float) -> Tensor:
    """[S, B, M], the weights above `threshold`, scaled to sum 1; the largest alone when none is above.

    >>> hard_shrink(torch.tensor([[[0.6, 0.2, 0.15, 0.05]]]), 0.18)
    tensor([[[0.7500, 0.2500, 0.0000, 0.0000]]])
    """
    # NOTE[DIFF] the step function itself: the published w * relu(w - l) / (|w - l| + 1e-12) has the same
    # values and, where it is exact, the same gradient, but that cancels badly near l.
    kept_SBM = torch.where(weights_SBM > threshold, weights_SBM, 0.0)
    # NOTE[DIFF] the paper's answer is the zero vector when all shrink, which a flat softmax of cosines does.
    largest_SB1 = weights_SBM.argmax(-1, keepdim=True)
    kept_SBM = kept_SBM.scatter(-1, largest_SB1, weights_SBM.gather(-1, largest_SB1))
    return kept_SBM / kept_SBM.sum(-1, keepdim=True)


def entropy(weights_SBM: Tensor) -> Tensor:
    """[S, B], in nats; 0 when one row answers alone."""
    return -(weights_SBM * (weights_SBM + 1e-12).log()).sum(-1)
