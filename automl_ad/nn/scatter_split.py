"""The split of errors into small and large ones that leaves the least scatter within (Xia et al. 2015).

Every function works member by member. Shapes: S members, B rows, K = B - 1 places to split.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from automl_ad.nn.shares import rows_of_share

NO_SCATTER = 1e-12
"""Added to the total scatter of errors that span [0, 1]: equal errors have a ratio of 0."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScatterSplit:
    """The best split of every member's errors; both float tensors carry gradient, the split does not."""

    n_inliers_S: Tensor
    inlier_mean_S: Tensor
    scatter_ratio_S: Tensor


def split_by_scatter(errors_SB: Tensor, min_inlier_share: float) -> ScatterSplit:
    """The k smallest errors against the rest, k chosen for the least scatter ratio.

    At least `min_inlier_share` of the errors are inliers and at least one is not; needs two errors.

    >>> split = split_by_scatter(torch.tensor([[9.0, 1.0, 2.0, 3.0]]), 0.5)
    >>> split.n_inliers_S, split.inlier_mean_S
    (tensor([3]), tensor([2.]))
    """
    sorted_SB = errors_SB.sort(dim=1).values.double()
    ratio_SK = scatter_ratios(sorted_SB)
    fewest = _fewest_inliers(errors_SB.shape[1], min_inlier_share)
    n_inliers_S = ratio_SK[:, fewest - 1 :].argmin(1) + fewest
    place_S1 = n_inliers_S.unsqueeze(1) - 1
    inlier_sum_S = sorted_SB.cumsum(1).gather(1, place_S1).squeeze(1)
    return ScatterSplit(
        n_inliers_S=n_inliers_S,
        inlier_mean_S=(inlier_sum_S / n_inliers_S).to(errors_SB.dtype),
        scatter_ratio_S=ratio_SK.gather(1, place_S1).squeeze(1).to(errors_SB.dtype),
    )


def scatter_ratios(sorted_SB: Tensor) -> Tensor:
    """[S, K], scatter within both parts over total scatter; column k - 1 splits after the k smallest.

    With prefix sums c_k, T of all errors and Q of their squares, the scatter within is
    Q - c_k^2 / k - (T - c_k)^2 / (B - k) (METHODS M13). Takes ascending errors in float64.
    """
    # The ratio does not change when errors are moved and scaled: from 0 to 1, Q cancels least.
    lowest_S1, highest_S1 = sorted_SB[:, :1].detach(), sorted_SB[:, -1:].detach()
    span_S1 = (highest_S1 - lowest_S1).clamp(min=torch.finfo(torch.float64).tiny)
    unit_SB = (sorted_SB - lowest_S1) / span_S1
    n_rows = unit_SB.shape[1]
    k_K = torch.arange(1, n_rows, device=unit_SB.device)
    prefix_SB = unit_SB.cumsum(1)
    prefix_SK, total_S1 = prefix_SB[:, :-1], prefix_SB[:, -1:]
    squares_S1 = unit_SB.square().sum(1, keepdim=True)
    within_SK = squares_S1 - prefix_SK.square() / k_K - (total_S1 - prefix_SK).square() / (n_rows - k_K)
    return within_SK / (squares_S1 - total_S1.square() / n_rows + NO_SCATTER)


def _fewest_inliers(n_rows: int, share: float) -> int:
    return min(max(rows_of_share(n_rows, share), 1), n_rows - 1)
