from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.mixture import GaussianMixture

from automl_ad.detectors.dagmm import Dagmm
from automl_ad.detectors.phases import Batch
from automl_ad.nn.mixture import MixtureMoments, energy, factor, inverse_variances
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS = 160


def make_rows() -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(N_ROWS, 2)) @ rng.normal(size=(2, 5))).astype(np.float32)


def build(n_members: int = 2, **params: Value) -> Dagmm:
    return Dagmm.build({"n_epochs": 5, **params}, n_features=5, n_members=n_members, seed=0)


def make_fitted(**params: Value) -> Dagmm:
    detector = build(**params)
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def batch_of(rows: npt.NDArray[np.float32], seed: int = 0) -> Batch:
    return Batch(
        x_BD=torch.tensor(rows),
        epoch=0,
        generator=torch.Generator().manual_seed(seed),
        row_ids=torch.arange(len(rows)),
    )


def loss_of(detector: Dagmm, rows: npt.NDArray[np.float32], seed: int = 0) -> torch.Tensor:
    ((step,),) = [phase.steps for phase in detector.phases(N_ROWS)]
    return step.loss(batch_of(rows, seed)).detach()


def values_of(detector: Dagmm, rows: npt.NDArray[np.float32]) -> torch.Tensor:
    with torch.no_grad():
        return detector.values(detector.codes(torch.tensor(rows)))


def test_a_row_is_its_code_its_relative_error_and_its_cosine():
    detector, rows = make_fitted(), make_rows()
    values = values_of(detector, rows).numpy()
    with torch.no_grad():
        codes = detector.codes(torch.tensor(rows))
        np.testing.assert_array_equal(values[..., :-2], codes.z_SBZ)
        restored = codes.restored_SBD.numpy()
    floor = float(detector.norm_floor[0])
    assert floor == pytest.approx(0.1 * np.median(np.linalg.norm(rows, axis=1)), rel=0.02)
    long = (np.linalg.norm(rows, axis=1) > floor) & (np.linalg.norm(restored, axis=2) > floor).all(axis=0)
    assert long.mean() > 0.8
    for member in range(2):
        error = np.linalg.norm(rows - restored[member], axis=1) / np.linalg.norm(rows, axis=1)
        np.testing.assert_allclose(values[member, long, -2], error[long], rtol=1e-5)
        cosine = np.diagonal(cosine_similarity(rows, restored[member]))
        np.testing.assert_allclose(values[member, long, -1], cosine[long], rtol=1e-4, atol=1e-6)


def test_a_row_of_zeros_is_no_outlier_of_a_hundred_million():
    detector = make_fitted()
    values_SBF = values_of(detector, np.zeros((1, 5), np.float32))
    assert values_SBF.abs().max() < 20
    rows = make_rows()
    rows[::4] = 0.0
    fit(build(), rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)


def test_memberships_are_shares_and_dropout_is_for_the_batch():
    detector = build(n_components=3)
    values_SBF = values_of(detector, make_rows())
    membership_SBK = detector.membership(values_SBF)
    torch.testing.assert_close(membership_SBK.sum(-1), torch.ones(2, N_ROWS))
    assert ((membership_SBK > 0) & (membership_SBK < 1)).all()
    assert torch.equal(membership_SBK, detector.membership(values_SBF))
    without_hidden = detector.membership(values_SBF, torch.zeros(N_ROWS, 10))
    expected = detector.estimator[1].bias.softmax(-1).expand_as(without_hidden)
    torch.testing.assert_close(without_hidden, expected)
    assert not torch.equal(loss_of(detector, make_rows(), seed=0), loss_of(detector, make_rows(), seed=1))


def test_the_loss_is_the_weighted_sum_over_the_mixture_of_the_batch():
    rows, weights = make_rows(), {"energy_weight": 0.3, "variance_weight": 0.02}
    detector = build(**weights)
    with torch.no_grad():
        detector.start(torch.tensor(rows))
        detector.reconstruction_scale.mul_(4.0)
        error_S = detector.codes(torch.tensor(rows)).mean_square_SB.mean(1)
    values_SBF = values_of(detector, rows)
    keeps = torch.rand(N_ROWS, 10, generator=torch.Generator().manual_seed(0)) >= 0.5
    moments = MixtureMoments()
    moments.add(values_SBF, detector.membership(values_SBF, 2.0 * keeps))
    mixture = moments.mixture()
    energy_SB = energy(values_SBF, mixture.share_SK, mixture.mean_SKF, factor(mixture.covariance_SKFF))
    # every untrained error is the unit, here four times as large
    np.testing.assert_allclose(error_S / detector.reconstruction_scale, 0.25, rtol=1e-5)
    # the published error is a sum over features: five of them weigh five times a mean
    expected = 0.25 + (0.3 * energy_SB.mean(1) + 0.02 * inverse_variances(mixture)) / 5
    torch.testing.assert_close(loss_of(detector, rows), expected.detach().float(), rtol=1e-4, atol=1e-5)


def test_the_energy_is_that_of_the_mixture_of_all_rows():
    detector, rows = make_fitted(n_components=3), make_rows()
    values_SBF = values_of(detector, rows)
    membership = detector.membership(values_SBF).detach().double().numpy()
    scores = detector.scores(rows)["energy"]
    for member, values in enumerate(values_SBF.double().numpy()):
        weights = membership[member]
        means = (weights.T @ values) / weights.sum(axis=0)[:, None]
        covariances = [
            np.cov(values.T, aweights=w, ddof=0) + 1e-6 * np.eye(values.shape[1]) for w in weights.T
        ]
        reference = GaussianMixture(3, covariance_type="full")
        reference.weights_, reference.means_ = weights.mean(axis=0), means
        reference.precisions_cholesky_ = np.linalg.inv(np.linalg.cholesky(covariances)).transpose(0, 2, 1)
        np.testing.assert_allclose(scores[member], -reference.score_samples(values), rtol=1e-3, atol=1e-3)


def test_both_networks_learn():
    detector = build()
    before = {name: parameter.detach().clone() for name, parameter in detector.named_parameters()}
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    assert all(not torch.equal(before[name], parameter) for name, parameter in detector.named_parameters())


def test_a_lost_member_leaves_the_other_bit_equal():
    both, rows = build(), make_rows()
    one = build()
    one.keep_members(torch.tensor([False, True]))
    with torch.no_grad():
        next(both.encoder.parameters())[0] = torch.nan
    reports = [
        fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False) for detector in (both, one)
    ]
    assert [report.n_alive for report in reports] == [1, 1]
    np.testing.assert_array_equal(both.scores(rows)["energy"], one.scores(rows)["energy"])


def test_the_estimation_network_is_not_kept():
    detector, rows = make_fitted(), make_rows()
    assert not any(name.startswith("estimator") for name in detector.arrays())
    restored = build()
    restored.load_arrays(detector.arrays())
    np.testing.assert_array_equal(restored.scores(rows)["energy"], detector.scores(rows)["energy"])


def test_a_small_last_batch_is_left_out():
    (phase,) = build().phases(N_ROWS)
    assert phase.drop_last
    assert phase.batch_size == 128
    assert phase.steps[0].optimizer.lr == 1e-3
