from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.nn.hypersphere import (
    boundary_radius,
    hard_loss,
    push_from_zero,
    soft_loss,
    squared_distance,
)


def test_distances_are_to_the_members_own_centre():
    z_SBZ = torch.tensor([[[3.0, 4.0]], [[3.0, 4.0]]])
    center_SZ = torch.tensor([[0.0, 0.0], [3.0, 3.0]])
    assert squared_distance(z_SBZ, center_SZ).tolist() == [[25.0], [1.0]]


@given(st.lists(st.floats(0.0, 100.0, width=32), min_size=2, max_size=50))
def test_soft_at_nu_one_is_hard(distances: list[float]):
    distance2_SB = torch.tensor([distances, distances[::-1]])
    radius_S = boundary_radius(distance2_SB, 1.0)
    # float32: the radius is a root that is squared again
    torch.testing.assert_close(
        soft_loss(distance2_SB, radius_S, 1.0), hard_loss(distance2_SB), rtol=1e-5, atol=1e-5
    )


def test_soft_loss_counts_only_what_is_outside():
    distance2_SB = torch.tensor([[1.0, 9.0, 16.0, 0.0]])
    loss_S = soft_loss(distance2_SB, torch.tensor([2.0]), nu=0.1)
    assert loss_S.item() == pytest.approx(4 + (5 + 12) / 4 / 0.1)


def test_the_radius_leaves_nu_outside_for_every_member():
    distances_SB = np.random.default_rng(0).uniform(1, 9, size=(3, 101)).astype(np.float32)
    radius_S = boundary_radius(torch.tensor(distances_SB**2), nu=0.2)
    np.testing.assert_allclose(radius_S, np.quantile(distances_SB, 0.8, axis=1), rtol=1e-5)
    np.testing.assert_array_equal((distances_SB > radius_S.numpy()[:, None]).sum(axis=1), 20)


def test_the_push_keeps_signs_and_exact_zeros():
    pushed = push_from_zero(torch.tensor([[0.099, -0.1, -0.001, 0.0, 2.0]]), 0.1)
    torch.testing.assert_close(pushed, torch.tensor([[0.1, -0.1, -0.1, 0.0, 2.0]]))
