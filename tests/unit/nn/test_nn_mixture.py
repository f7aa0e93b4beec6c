from __future__ import annotations

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from automl_ad.nn.mixture import JITTER, Mixture, MixtureMoments, energy, factor, inverse_variances


def make_values() -> tuple[Tensor, Tensor]:
    """Values [2, 90, 3] and memberships [2, 90, 4] of two unlike members."""
    generator = torch.Generator().manual_seed(0)
    values_SBF = torch.randn(2, 90, 3, generator=generator) * torch.tensor([1.0, 3.0, 0.2]) + 5.0
    membership_SBK = (3 * torch.randn(2, 90, 4, generator=generator)).softmax(-1)
    return values_SBF, membership_SBK


def make_mixture() -> Mixture:
    moments = MixtureMoments()
    moments.add(*make_values())
    return moments.mixture()


def energy_of(values_SBF: Tensor, mixture: Mixture) -> Tensor:
    return energy(values_SBF, mixture.share_SK, mixture.mean_SKF, factor(mixture.covariance_SKFF))


def test_moments_are_the_weighted_ones():
    values, membership = (tensor.double().numpy() for tensor in make_values())
    mixture = make_mixture()
    for member in range(2):
        for part in range(4):
            weights = membership[member, :, part]
            mean = np.average(values[member], axis=0, weights=weights)
            np.testing.assert_allclose(mixture.share_SK[member, part], weights.mean(), rtol=1e-6)
            np.testing.assert_allclose(mixture.mean_SKF[member, part], mean, rtol=1e-10)
            covariance = np.cov(values[member].T, aweights=weights, ddof=0)
            np.testing.assert_allclose(mixture.covariance_SKFF[member, part], covariance, rtol=1e-8)


def test_blocks_give_the_moments_of_the_whole():
    values_SBF, membership_SBK = make_values()
    moments, whole = MixtureMoments(), make_mixture()
    for start in (0, 40, 80):
        rows = slice(start, start + 40)
        moments.add(values_SBF[:, rows], membership_SBK[:, rows])
    mixture = moments.mixture()
    torch.testing.assert_close(mixture.share_SK, whole.share_SK, rtol=1e-12, atol=0)
    torch.testing.assert_close(mixture.mean_SKF, whole.mean_SKF, rtol=1e-12, atol=0)
    torch.testing.assert_close(mixture.covariance_SKFF, whole.covariance_SKFF, rtol=1e-10, atol=1e-12)


def test_the_energy_is_the_negative_log_likelihood_of_scikit_learn():
    values_SBF, mixture = make_values()[0], make_mixture()
    energy_SB = energy_of(values_SBF, mixture)
    for member in range(2):
        covariances = mixture.covariance_SKFF[member].numpy() + JITTER * np.eye(3)
        reference = GaussianMixture(4, covariance_type="full")
        reference.weights_ = mixture.share_SK[member].numpy()
        reference.means_ = mixture.mean_SKF[member].numpy()
        reference.precisions_cholesky_ = np.stack(
            [np.linalg.inv(np.linalg.cholesky(c)).T for c in covariances]
        )
        expected = -reference.score_samples(values_SBF[member].double().numpy())
        np.testing.assert_allclose(energy_SB[member], expected, rtol=1e-9)


def test_far_values_have_a_finite_energy():
    far_SBF = 1e4 * torch.ones(2, 1, 3)
    energy_SB = energy_of(far_SBF, make_mixture())  # every density underflows, even in float64
    assert energy_SB.isfinite().all()
    assert (energy_SB > 1e4).all()


def test_parts_with_almost_no_rows_are_left_out():
    values_SBF, mixture = make_values()[0], make_mixture()
    share_SK = torch.tensor([[0.6, 0.39995, 0.00005, 0.0], [0.6, 0.3998, 0.0002, 0.0]]).double()
    energy_SB = energy(values_SBF, share_SK, mixture.mean_SKF, factor(mixture.covariance_SKFF))
    for member, n_used in ((0, 2), (1, 3)):
        used = slice(member, member + 1), slice(n_used)
        expected = energy(
            values_SBF[member : member + 1],
            share_SK[used],
            mixture.mean_SKF[used],
            factor(mixture.covariance_SKFF[used]),
        )
        torch.testing.assert_close(energy_SB[member], expected[0], rtol=1e-9, atol=0)


def test_a_singular_covariance_takes_the_least_jitter_that_helps():
    singular = torch.tensor([[1.0, 1.0], [1.0, 1.0]]).double()
    indefinite = singular - 0.0005 * torch.eye(2).double()
    factor_FF = factor(torch.stack([singular, indefinite])[None])[0]
    product = factor_FF @ factor_FF.mT
    torch.testing.assert_close(product[0], singular + JITTER * torch.eye(2), rtol=1e-9, atol=0)
    torch.testing.assert_close(product[1], indefinite + 1e-3 * torch.eye(2), rtol=1e-9, atol=0)


def test_a_member_without_a_factor_leaves_the_other_and_its_gradient():
    values_SBF = make_values()[0]
    covariance_SKFF = make_mixture().covariance_SKFF.clone()
    covariance_SKFF[0, 1] = -torch.eye(3)  # no jitter mends this
    good_KFF = covariance_SKFF[1:].clone().requires_grad_()
    covariance_SKFF.requires_grad_()
    share_SK, mean_SKF = make_mixture().share_SK, make_mixture().mean_SKF
    both_SB = energy(values_SBF, share_SK, mean_SKF, factor(covariance_SKFF))
    alone_SB = energy(values_SBF[1:], share_SK[1:], mean_SKF[1:], factor(good_KFF))
    assert factor(covariance_SKFF)[0, 1].isnan().all()  # by which the member is known as lost
    assert both_SB[0].isnan().all()
    assert torch.equal(both_SB[1], alone_SB[0])
    both_SB.mean(1).sum().backward()
    alone_SB.mean(1).sum().backward()
    assert covariance_SKFF.grad is not None
    assert good_KFF.grad is not None
    assert torch.equal(covariance_SKFF.grad[1], good_KFF.grad[0])
    assert good_KFF.grad.isfinite().all()


def test_the_penalty_is_the_sum_of_inverse_variances_of_the_parts_in_use():
    mixture = make_mixture()
    variances = np.diagonal(mixture.covariance_SKFF.numpy(), axis1=2, axis2=3) + JITTER
    np.testing.assert_allclose(inverse_variances(mixture), (1 / variances).sum(axis=(1, 2)), rtol=1e-12)
    share_SK = torch.tensor([[0.5, 0.5, 0.0, 0.0]] * 2)
    unused = Mixture(share_SK=share_SK, mean_SKF=mixture.mean_SKF, covariance_SKFF=mixture.covariance_SKFF)
    np.testing.assert_allclose(inverse_variances(unused), (1 / variances[:, :2]).sum(axis=(1, 2)), rtol=1e-12)


def test_a_part_without_any_membership_keeps_the_gradients_finite():
    values_SBF, membership_SBK = make_values()
    membership_SBK[..., 3] = 0.0
    values_SBF.requires_grad_()
    moments = MixtureMoments()
    moments.add(values_SBF, membership_SBK)
    mixture = moments.mixture()
    (energy_of(values_SBF, mixture).mean() + inverse_variances(mixture).sum()).backward()
    assert values_SBF.grad is not None
    assert values_SBF.grad.isfinite().all()
