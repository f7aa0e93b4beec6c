from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from automl_ad.nn.proximal import prox_l1, prox_l21, tail_threshold

Prox = Callable[[Tensor, Tensor], Tensor]


def make_residual() -> Tensor:
    return torch.tensor(np.random.default_rng(0).normal(size=(2, 40, 3)))


def test_rows_are_shortened_by_tau():
    residual_SBD, tau = make_residual(), (0.5, 2.0)
    sparse_SBD = prox_l21(residual_SBD, torch.tensor(tau)).numpy()
    for member in range(2):
        for residual, sparse in zip(residual_SBD[member].numpy(), sparse_SBD[member], strict=True):
            length = np.linalg.norm(residual)
            expected = residual * (length - tau[member]) / length if length > tau[member] else np.zeros(3)
            np.testing.assert_allclose(sparse, expected, rtol=1e-6, atol=1e-12)


def test_entries_move_towards_zero_by_tau():
    residual_SBD = torch.tensor([[[3.0, -2.0, 0.5, -0.5, 1.0]], [[3.0, -2.0, 0.5, -0.5, 1.0]]])
    sparse_SBD = prox_l1(residual_SBD, torch.tensor([1.0, 0.25]))
    expected = torch.tensor([[[2.0, -1.0, 0.0, 0.0, 0.0]], [[2.75, -1.75, 0.25, -0.25, 0.75]]])
    torch.testing.assert_close(sparse_SBD, expected)


@pytest.mark.parametrize(
    ("prox", "penalty"),
    [
        (prox_l21, lambda s_ND: np.linalg.norm(s_ND, axis=1).sum()),
        (prox_l1, lambda s_ND: np.abs(s_ND).sum()),
    ],
    ids=["l21", "l1"],
)
def test_the_result_minimises_its_objective(prox: Prox, penalty: Callable[..., float]):
    residual_ND, tau = make_residual()[0, :6].numpy(), 0.8

    def objective(flat: np.ndarray) -> float:
        s_ND = flat.reshape(residual_ND.shape)
        return 0.5 * float(((residual_ND - s_ND) ** 2).sum()) + tau * penalty(s_ND)

    ours = prox(torch.tensor(residual_ND).unsqueeze(0), torch.tensor([tau]))[0].numpy()
    start, options = np.full(residual_ND.size, 0.1), {"maxiter": 50_000, "maxfev": 100_000, "ftol": 1e-12}
    found = minimize(objective, start, method="Powell", options=options)
    assert objective(ours.ravel()) <= found.fun + 1e-9
    np.testing.assert_allclose(ours.ravel(), found.x, atol=1e-3)
    assert (ours == 0).any()
    assert (ours != 0).any()


def test_nothing_is_left_of_nothing():
    for prox in (prox_l21, prox_l1):
        assert torch.equal(prox(torch.zeros(2, 3, 4), torch.zeros(2)), torch.zeros(2, 3, 4))


@pytest.mark.parametrize(("share", "n_above"), [(0.1, 10), (0.25, 25), (0.333, 33), (1e-6, 0)])
def test_the_threshold_leaves_the_share_above(share: float, n_above: int):
    values_N = torch.tensor(np.random.default_rng(1).permutation(100).astype(np.float32))
    assert int((values_N > tail_threshold(values_N, share)).sum()) == n_above


def test_ties_are_not_above():
    assert tail_threshold(torch.tensor([1.0, 5.0, 5.0, 5.0]), 0.25).item() == 5.0
