from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from automl_ad.detectors.ocgan import Ocgan
from automl_ad.detectors.phases import Batch, Step
from automl_ad.results import Value
from automl_ad.training import fit
from automl_ad.training.step import StepRunner

N_ROWS = 60
JUDGES = {"latent_discriminator", "visual_discriminator", "classifier"}


def make_rows() -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(N_ROWS, 2)) @ rng.normal(size=(2, 4)) + 0.5).astype(np.float32)


def build(**params: Value) -> Ocgan:
    detector = Ocgan.build(params, n_features=4, n_members=2, seed=5)
    with torch.no_grad():
        detector.start(torch.tensor(make_rows()))
    return detector


def make_batch(epoch: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(
        x_BD=torch.tensor(make_rows()), epoch=epoch, generator=generator, row_ids=torch.arange(N_ROWS)
    )


def steps_of(detector: Ocgan) -> tuple[Step, Step]:
    (phase,) = detector.phases(N_ROWS)
    autoencoder, judges = phase.steps
    return autoencoder, judges


def run(step: Step, times: int = 1) -> None:
    runner, batch = StepRunner(step), make_batch()
    for _ in range(times):
        runner.run(batch, torch.ones(2, dtype=torch.bool))


def make_undecided(detector: Ocgan) -> Ocgan:
    """Judges whose logit is 0 for every row."""
    with torch.no_grad():
        for name, parameter in detector.named_parameters():
            if name.split(".")[0] in JUDGES:
                parameter.zero_()
    return detector


def make_draws() -> Tensor:
    return 2 * torch.rand(2, N_ROWS, 4, generator=torch.Generator().manual_seed(3)) - 1


def looks_fake(detector: Ocgan, u_SBZ: Tensor) -> Tensor:
    """[S, B], the classifier's loss when it calls what the codes decode to fake."""
    logits_SB: Tensor = detector.classifier(detector.decoder(u_SBZ)).squeeze(-1)
    return F.binary_cross_entropy_with_logits(logits_SB, torch.zeros_like(logits_SB), reduction="none")


def test_mined_codes_look_more_fake_and_stay_in_the_box():
    detector, u_SBZ = build(), make_draws()
    run(steps_of(detector)[1], times=200)  # a classifier that knows something
    mined_SBZ = detector.mine(u_SBZ)
    assert mined_SBZ.abs().max() < 1
    with torch.no_grad():
        before, after = looks_fake(detector, torch.tanh(u_SBZ)), looks_fake(detector, mined_SBZ)
    assert (after.mean(1) < before.mean(1)).all()
    assert (after < before).float().mean() > 0.9


def test_mining_is_one_step_of_size_two_for_every_row_by_itself():
    detector, u_SBZ = build(), make_draws()
    mined_SBZ = detector.mine(u_SBZ)
    for member, row in [(0, 0), (1, 7)]:
        u_11Z = u_SBZ[:, row : row + 1].clone().requires_grad_()
        looks_fake(detector, u_11Z)[member, 0].backward()
        assert u_11Z.grad is not None
        expected = torch.tanh(u_11Z.detach() - 2.0 * u_11Z.grad)[member, 0]
        torch.testing.assert_close(mined_SBZ[member, row], expected)


def test_negatives_are_mined_from_epoch_151_of_201_on():
    plain, mining = build(mining="off"), build()
    for epoch in (0, 149):
        losses = [steps_of(detector)[0].loss(make_batch(epoch)) for detector in (plain, mining)]
        torch.testing.assert_close(*losses, rtol=0, atol=0)
    losses = [steps_of(detector)[0].loss(make_batch(150)) for detector in (plain, mining)]
    assert not torch.equal(*losses)
    losses = [steps_of(build(mining=mining, n_epochs=4))[0].loss(make_batch(3)) for mining in ("on", "off")]
    assert not torch.equal(*losses)


def test_every_step_moves_its_own_networks():
    for index, movers in enumerate([{"encoder", "decoder"}, JUDGES]):
        detector = build()
        before = {name: parameter.clone() for name, parameter in detector.named_parameters()}
        run(steps_of(detector)[index])
        moved = {name for name, p in detector.named_parameters() if not torch.equal(p, before[name])}
        assert moved == {name for name in before if name.split(".")[0] in movers}


def test_the_autoencoder_learns_the_error_and_to_deceive():
    """Undecided judges cost 10 log 2 + log 2 over lambda; the error is in units of its start."""
    detector = make_undecided(build(reconstruction_weight=50.0, noise=1e-6))
    loss_S = steps_of(detector)[0].loss(make_batch()).detach()
    np.testing.assert_allclose(loss_S, 1 + 11 * math.log(2) / 50, rtol=1e-4)


def test_rows_are_reconstructed_from_noisy_ones():
    detector = make_undecided(build(reconstruction_weight=1e12, noise=0.3))
    loss_S = steps_of(detector)[0].loss(make_batch()).detach().numpy()
    with torch.no_grad():
        noise_BD = torch.randn(N_ROWS, 4, generator=torch.Generator().manual_seed(0))
        x_BD = torch.tensor(make_rows())
        error_S = (detector.decoder(detector.encoder(x_BD + 0.3 * noise_BD)) - x_BD).square().mean((1, 2))
    expected = error_S.numpy() / detector.scores(make_rows())["rec_mse"].mean(1)
    np.testing.assert_allclose(loss_S, expected, rtol=1e-5)
    assert np.abs(loss_S - 1).min() > 1e-5


def test_undecided_judges_pay_log_two_each():
    loss_S = steps_of(make_undecided(build()))[1].loss(make_batch()).detach()
    np.testing.assert_allclose(loss_S, 3 * math.log(2), rtol=1e-6)


def test_judges_learn_what_is_real():
    detector = build(learning_rate=1e-2)
    run(steps_of(detector)[1], times=200)
    u_SBZ = make_draws()
    with torch.no_grad():
        codes = detector.codes(torch.tensor(make_rows()))
        generated_SBD = detector.decoder(u_SBZ)
        pairs = [
            (detector.latent_discriminator, u_SBZ, codes.z_SBZ),
            (detector.visual_discriminator, torch.tensor(make_rows()), generated_SBD),
            (detector.classifier, codes.restored_SBD, generated_SBD),
        ]
        for judge, real, fake in pairs:
            assert (judge(real).mean((1, 2)) > judge(fake).mean((1, 2)) + 0.1).all()


def test_codes_stay_in_the_box_and_scores_are_of_the_clean_row():
    detector = build(n_epochs=5)
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    x_ND = torch.tensor(make_rows())
    with torch.no_grad():
        assert detector.codes(x_ND).z_SBZ.abs().max() < 1
        assert 0.9 < detector.codes(1_000 * x_ND).z_SBZ.abs().max() <= 1
        expected = (detector.decoder(detector.encoder(x_ND)) - x_ND).square().mean(2)
    np.testing.assert_allclose(detector.scores(make_rows())["rec_mse"], expected, rtol=1e-5)
    assert {name.split(".")[0] for name in detector.arrays()} == {"encoder", "decoder"}


def test_a_light_error_lets_the_box_be_filled():
    """With the opponents heavy, codes spread over the box as they do not without them."""
    variances = []
    for weight in (1.0, 1e6):
        detector = build(reconstruction_weight=weight, n_epochs=150, learning_rate=3e-3, latent_size=2)
        fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
        with torch.no_grad():
            z_SNZ = detector.codes(torch.tensor(make_rows())).z_SBZ
        variances.append(np.abs(z_SNZ.var(1).numpy() - 1 / 3).mean())
    assert variances[0] < variances[1]


@pytest.mark.parametrize("index", [0, 1])
def test_random_codes_move_no_running_moments(index: int):
    detector, x_BD = build(norm="batch").train(), torch.tensor(make_rows())
    steps_of(detector)[index].loss(make_batch())
    reference = build(norm="batch").train()
    if index == 0:  # the noisy rows do, once
        reference.codes(
            x_BD + 0.2 * torch.randn(N_ROWS, 4, generator=torch.Generator().manual_seed(0))
        ).restored_SBD.sum()
    for ours, expected in zip(detector.buffers(), reference.buffers(), strict=True):
        torch.testing.assert_close(ours, expected)
    assert detector.encoder.training
    assert detector.decoder.training
