from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from automl_ad.detectors.iaead import Iaead
from automl_ad.detectors.phases import Batch
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS = 60


def make_rows() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(N_ROWS, 4)).astype(np.float32)


def make_fitted(**params: Value) -> Iaead:
    detector = Iaead.build({"norm": "none", "n_epochs": 5, **params}, n_features=4, n_members=2, seed=0)
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def loss_of(detector: Iaead, phase: int) -> npt.NDArray[np.float32]:
    (step,) = detector.phases(N_ROWS)[phase].steps
    x_BD = torch.tensor(make_rows())
    batch = Batch(x_BD=x_BD, epoch=0, generator=torch.Generator(), row_ids=torch.arange(N_ROWS))
    loss: npt.NDArray[np.float32] = step.loss(batch).detach().numpy()
    return loss


def test_warm_up_is_twenty_of_the_published_epochs():
    warmup, joint = Iaead.build({}, n_features=4, n_members=2, seed=0).phases(N_ROWS)
    assert (warmup.n_epochs, joint.n_epochs) == (20, 230)
    assert warmup.is_preparation
    assert not joint.is_preparation
    assert warmup.lr_factor is not None
    assert joint.lr_factor is not None
    factors = [warmup.lr_factor(epoch) for epoch in range(20)] + [joint.lr_factor(e) for e in range(230)]
    assert factors == [0.5 ** (epoch // 50) for epoch in range(250)]


def test_the_warm_up_only_reconstructs():
    detector = make_fitted(lambda_weight=0.5)
    np.testing.assert_allclose(
        loss_of(detector, 0), detector.scores(make_rows())["rec_mse"].mean(1), rtol=1e-5
    )


def test_at_nu_one_the_loss_is_the_mean_score():
    detector = make_fitted(lambda_weight=0.5)
    scores = detector.scores(make_rows())
    np.testing.assert_allclose(loss_of(detector, 1), scores["rec_plus_dist"].mean(1), rtol=1e-5)
    np.testing.assert_allclose(
        scores["rec_plus_dist"], scores["rec_mse"] + 0.5 * scores["dist_center"], rtol=1e-5
    )


def test_below_one_the_radius_is_a_quantile_and_only_the_outside_pays():
    detector = make_fitted(lambda_weight=0.5, nu=0.25, learning_rate=1e-9)
    distance2 = detector.scores(make_rows())["dist_center"]
    radius2 = np.quantile(np.sqrt(distance2), 0.75, axis=1, keepdims=True) ** 2
    sphere = radius2[:, 0] + np.maximum(0, distance2 - radius2).mean(1) / 0.25
    expected = detector.scores(make_rows())["rec_mse"].mean(1) + 0.5 * sphere
    np.testing.assert_allclose(loss_of(detector, 1), expected, rtol=1e-3)


def test_the_native_score_is_the_distance_to_the_mean_code():
    detector = make_fitted()
    with torch.no_grad():
        z_SNZ = detector.codes(torch.tensor(make_rows())).z_SBZ.numpy()
    expected = np.linalg.norm(z_SNZ - z_SNZ.mean(1, keepdims=True), axis=2)
    np.testing.assert_allclose(detector.scores(make_rows())["dist_mean"], expected, rtol=1e-4)
    assert detector.score_types[0].name == "dist_mean"


def test_codes_are_bounded():
    detector = make_fitted()
    with torch.no_grad():
        z_SNZ = detector.codes(1_000 * torch.tensor(make_rows())).z_SBZ
    assert 0.9 < z_SNZ.abs().max() <= 1


def test_the_centre_is_pushed_and_fixed():
    centers: list[npt.NDArray[np.generic]] = []
    detector = Iaead.build({"n_epochs": 5}, n_features=4, n_members=2, seed=0)
    fit(
        detector,
        make_rows(),
        seed=0,
        checkpoints=(1, 2, 3, 4),
        on_checkpoint=lambda _: bool(centers.append(detector.arrays()["center"])),
    )
    assert len(centers) == 4  # the first epoch is the warm-up
    assert all(np.array_equal(center, centers[0]) for center in centers)
    assert (np.abs(centers[0].astype(float)) >= 0.1 - 1e-6).all()


def test_the_balance_of_the_losses_is_reported():
    detector = make_fitted(lambda_weight=0.05)
    facts, scores = detector.diagnostics(), detector.scores(make_rows())
    assert facts["gamma"] == pytest.approx(0.05)
    ratio = scores["rec_mse"].mean(1) / (0.05 * scores["dist_center"].mean(1))
    assert facts["gamma_balance_end"] == pytest.approx(np.abs(np.log(ratio)).mean(), rel=1e-4)
    assert facts["gamma_balance_start"] > 0
