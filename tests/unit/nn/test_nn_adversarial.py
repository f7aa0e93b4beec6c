from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from automl_ad.nn import MemberBatchNorm, mlp
from automl_ad.nn.adversarial import (
    between,
    draw_prior,
    gradient_penalty,
    judged_fake,
    judged_real,
    moments_at_rest,
)


def make_critic(n_members: int = 3) -> torch.nn.Sequential:
    return mlp([4, 6, 1], n_members=n_members, generator=torch.Generator().manual_seed(0))


def make_points(n_members: int = 3) -> Tensor:
    return torch.randn(n_members, 5, 4, generator=torch.Generator().manual_seed(1))


def test_the_gradient_penalty_is_that_of_every_row_by_itself():
    critic, points_SBZ = make_critic(), make_points()
    expected = np.zeros((3, 5))
    for member in range(3):
        for row in range(5):
            point_SBZ = points_SBZ.clone().requires_grad_()
            critic(point_SBZ)[member, row, 0].backward()
            assert point_SBZ.grad is not None
            expected[member, row] = (point_SBZ.grad[member, row].norm().item() - 1) ** 2
    penalty_S = gradient_penalty(critic, points_SBZ)
    np.testing.assert_allclose(penalty_S.detach(), expected.mean(1), rtol=1e-5)
    assert not np.allclose(expected, expected[0, 0])


def test_a_critic_of_slope_one_pays_nothing_and_its_double_pays_one():
    direction_Z = torch.tensor([0.5, -0.5, 0.5, 0.5])
    points_SBZ = make_points()
    for slope, expected in [(1.0, 0.0), (2.0, 1.0)]:
        penalty_S = gradient_penalty(lambda x, slope=slope: slope * (x @ direction_Z), points_SBZ)
        np.testing.assert_allclose(penalty_S, expected, atol=1e-6)


def test_the_gradient_penalty_can_be_learnt_from_member_by_member():
    critic, points_SBZ = make_critic(), make_points()
    (gradient_SIO,) = torch.autograd.grad(gradient_penalty(critic, points_SBZ)[1], critic[0].weight)
    assert gradient_SIO[1].abs().max() > 0
    assert not gradient_SIO[[0, 2]].any()


def test_points_between_lie_on_the_line_and_members_share_the_place():
    one, other = make_points(), 3 + make_points()
    points = between(one, other, torch.Generator().manual_seed(2))
    share = (points - one) / (other - one)
    torch.testing.assert_close(share, share[:1, :, :1].expand_as(share))
    assert 0 <= share.min() < share.max() <= 1
    assert len(share[0, :, 0].unique()) == 5


@pytest.mark.parametrize(("prior", "variance", "largest"), [("normal", 1.0, 6.0), ("uniform", 1 / 3, 1.0)])
def test_priors_have_their_moments(prior: str, variance: float, largest: float):
    rows = draw_prior(prior, 20_000, 2, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
    np.testing.assert_allclose(rows.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(rows.var(0), variance, rtol=0.03)
    assert 0.9 * min(largest, 3) < rows.abs().max() <= largest


def test_judgements_are_cross_entropies():
    logits = torch.linspace(-3, 3, 8).view(2, 4, 1)
    chance = 1 / (1 + np.exp(-logits.squeeze(-1).double().numpy()))
    np.testing.assert_allclose(judged_real(logits), -np.log(chance).mean(1), rtol=1e-5)
    np.testing.assert_allclose(judged_fake(logits), -np.log(1 - chance).mean(1), rtol=1e-5)
    smoothed = -(0.9 * np.log(chance) + 0.1 * np.log(1 - chance)).mean(1)
    np.testing.assert_allclose(judged_real(logits, 0.9), smoothed, rtol=1e-5)


def test_moments_rest_only_within():
    norm = MemberBatchNorm(4, n_members=3).train()
    with moments_at_rest(norm):
        norm(1 + make_points())
    assert not norm.running_mean.any()
    assert norm.training
    norm(1 + make_points())
    assert norm.running_mean.all()
    with moments_at_rest(norm.eval()):
        pass
    assert not norm.training
