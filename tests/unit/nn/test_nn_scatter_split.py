from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.nn.scatter_split import scatter_ratios, split_by_scatter

Array = npt.NDArray[np.float64]


def scatter(errors: Array) -> float:
    return float(((errors - errors.mean()) ** 2).sum())


def ratios_by_hand(errors: Array) -> list[float]:
    """One ratio for every number of inliers from 1 to B - 1."""
    ordered = np.sort(errors)
    total = scatter(ordered)
    return [(scatter(ordered[:k]) + scatter(ordered[k:])) / total for k in range(1, len(ordered))]


def make_errors(kind: str, n_rows: int) -> Array:
    rng = np.random.default_rng(n_rows)
    errors = rng.exponential(size=(3, n_rows))
    if kind == "tied":
        errors = np.round(4 * errors) / 4
        errors[:, 0] += 1  # never all equal
    if kind == "far from zero":
        errors = 1e4 + 1e-2 * errors
    return errors.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("kind", ["random", "tied", "far from zero"])
@pytest.mark.parametrize("n_rows", [2, 3, 4, 17, 128])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_the_split_is_the_best_of_all(kind: str, n_rows: int, share: float):
    errors_SB = make_errors(kind, n_rows)
    split = split_by_scatter(torch.tensor(errors_SB, dtype=torch.float32), share)
    fewest = min(math.ceil(share * n_rows), n_rows - 1)
    for member, errors in enumerate(errors_SB):
        ratios = ratios_by_hand(errors)
        n_inliers = int(split.n_inliers_S[member])
        assert fewest <= n_inliers < n_rows
        assert ratios[n_inliers - 1] == pytest.approx(min(ratios[fewest - 1 :]), rel=1e-6, abs=1e-9)
        assert split.scatter_ratio_S[member].item() == pytest.approx(
            ratios[n_inliers - 1], rel=1e-5, abs=1e-7
        )
        inlier_mean = np.sort(errors)[:n_inliers].mean()
        assert split.inlier_mean_S[member].item() == pytest.approx(inlier_mean, rel=1e-6)


@given(st.lists(st.floats(0.0, 1e3, width=32), min_size=2, max_size=40).filter(lambda e: np.ptp(e) > 1e-3))
def test_ratios_of_any_errors(errors: list[float]):
    ordered = torch.tensor([sorted(errors)], dtype=torch.float64)
    expected = ratios_by_hand(np.array(errors))
    np.testing.assert_allclose(scatter_ratios(ordered)[0], expected, rtol=1e-6, atol=1e-8)


def test_two_heaps_are_told_apart():
    errors_SB = torch.cat([torch.linspace(1, 2, 90), torch.linspace(20, 21, 10)]).unsqueeze(0)
    split = split_by_scatter(errors_SB, 0.5)
    assert split.n_inliers_S.tolist() == [90]
    assert split.scatter_ratio_S.item() < 0.01


def test_the_gradient_is_that_of_the_errors_at_a_fixed_split():
    errors_SB = torch.tensor([[0.3, 1.0, 0.1, 4.0, 0.2, 5.5]], dtype=torch.float64, requires_grad=True)
    split = split_by_scatter(errors_SB, 0.5)
    assert split.n_inliers_S.tolist() == [4]
    (split.inlier_mean_S + 3 * split.scatter_ratio_S).sum().backward()

    def loss(errors: Array) -> float:
        return float(np.sort(errors)[:4].mean() + 3 * ratios_by_hand(errors)[3])

    errors, step = errors_SB.detach().numpy()[0], 1e-6
    numeric = [(loss(errors + step * unit) - loss(errors - step * unit)) / (2 * step) for unit in np.eye(6)]
    assert errors_SB.grad is not None
    np.testing.assert_allclose(errors_SB.grad[0], numeric, rtol=1e-5, atol=1e-9)


def test_equal_errors_have_no_ratio_and_a_finite_gradient():
    errors_SB = torch.full((2, 6), 0.1, requires_grad=True)
    split = split_by_scatter(errors_SB, 0.5)
    assert split.scatter_ratio_S.tolist() == [0.0, 0.0]
    (split.inlier_mean_S + split.scatter_ratio_S).sum().backward()
    assert errors_SB.grad is not None
    assert errors_SB.grad.isfinite().all()
