from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from automl_ad.detectors.deep_svdd import RADIUS_WARMUP_EPOCHS, DeepSvdd
from automl_ad.detectors.phases import Batch
from automl_ad.errors import TrialFailed
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS = 60


def make_rows() -> npt.NDArray[np.float32]:
    return (np.random.default_rng(0).normal(size=(N_ROWS, 4)) + 1).astype(np.float32)


def build(**params: Value) -> DeepSvdd:
    return DeepSvdd.build({"norm": "none", **params}, n_features=4, n_members=2, seed=0)


def run(detector: DeepSvdd) -> DeepSvdd:
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def test_nothing_in_the_networks_gives_a_constant_for_free():
    for norm in ("none", "batch", "layer"):
        names = [name for name, _ in build(norm=norm).named_parameters()]
        assert names
        assert all(name.endswith(".weight") for name in names)
        zeros = DeepSvdd.build({"norm": norm}, n_features=4, n_members=2, seed=0).scores(
            np.zeros((3, 4), np.float32)
        )
        assert not zeros["dist_mean"].any()
    with pytest.raises(TrialFailed, match="activation must be unbounded"):
        build(activation="tanh")


def test_the_decoder_is_not_kept():
    assert not [name for name in build().arrays() if "decoder" in name]


def test_the_centre_is_the_pushed_mean_code_after_pretraining_and_stays():
    detector = build(pretrain_epochs=2, n_epochs=3, center_push=0.1)
    pretraining, description = detector.phases(N_ROWS)
    assert pretraining.is_preparation
    assert not description.is_preparation
    assert description.before is not None
    x_ND = torch.tensor(make_rows())
    with torch.no_grad():
        description.before(x_ND)
        mean_SZ = detector.codes(x_ND).z_SBZ.mean(1)
    center = detector.arrays()["center"]
    assert (np.abs(center) >= 0.1 - 1e-6).all()
    np.testing.assert_array_equal(np.sign(center), np.sign(mean_SZ.numpy()))
    far = np.abs(mean_SZ.numpy()) >= 0.1
    np.testing.assert_allclose(center[far], mean_SZ.numpy()[far], rtol=1e-5)

    centers: list[npt.NDArray[np.generic]] = []
    fit(
        detector,
        make_rows(),
        seed=0,
        checkpoints=(1, 2, 3, 4, 5),
        on_checkpoint=lambda _: bool(centers.append(detector.arrays()["center"])),
    )
    assert len(centers) == 3  # none during pretraining
    np.testing.assert_array_equal(centers[0], centers[-1])


def test_without_pretraining_there_is_one_phase():
    assert [phase.name for phase in build(pretrain_epochs=0).phases(N_ROWS)] == ["description"]


def test_the_hard_loss_is_the_mean_score():
    detector = run(build(pretrain_epochs=1, n_epochs=2))
    loss_S = loss_of(detector)
    np.testing.assert_allclose(loss_S, detector.scores(make_rows())["dist_center"].mean(axis=1), rtol=1e-5)


def test_the_soft_loss_is_the_papers():
    detector = run(build(pretrain_epochs=1, n_epochs=RADIUS_WARMUP_EPOCHS + 2, objective="soft", nu=0.2))
    radius = detector.arrays()["radius"].astype(float)
    distance2 = detector.scores(make_rows())["dist_center"]
    outside = np.maximum(0, distance2 - radius[:, None] ** 2)
    np.testing.assert_allclose(loss_of(detector), radius**2 + outside.mean(axis=1) / 0.2, rtol=1e-4)


def test_the_radius_waits_and_then_is_each_members_quantile():
    early = run(build(pretrain_epochs=0, n_epochs=RADIUS_WARMUP_EPOCHS, objective="soft"))
    assert not early.arrays()["radius"].any()
    # One batch, and a step too small to matter: the last quantile is that of the final distances.
    late = run(
        build(
            pretrain_epochs=0,
            n_epochs=RADIUS_WARMUP_EPOCHS + 1,
            objective="soft",
            nu=0.3,
            learning_rate=1e-9,
        )
    )
    distance = np.sqrt(late.scores(make_rows())["dist_center"])
    np.testing.assert_allclose(late.arrays()["radius"], np.quantile(distance, 0.7, axis=1), rtol=1e-3)


def test_the_learning_rate_falls_to_a_tenth_after_a_third():
    for phase in build(pretrain_epochs=30, n_epochs=150).phases(N_ROWS):
        assert phase.lr_factor is not None
        factors = [phase.lr_factor(epoch) for epoch in range(phase.n_epochs)]
        third = phase.n_epochs // 3
        assert factors == [1.0] * third + [0.1] * (phase.n_epochs - third)


def loss_of(detector: DeepSvdd) -> npt.NDArray[np.float32]:
    (step,) = detector.phases(N_ROWS)[-1].steps
    x_BD = torch.tensor(make_rows())
    batch = Batch(x_BD=x_BD, epoch=0, generator=torch.Generator(), row_ids=torch.arange(N_ROWS))
    loss: npt.NDArray[np.float32] = step.loss(batch).detach().numpy()
    return loss
