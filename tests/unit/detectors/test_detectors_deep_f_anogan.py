from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from automl_ad.detectors.f_anogan import FAnoGan
from automl_ad.detectors.phases import Batch
from automl_ad.results import Value
from automl_ad.training import fit
from automl_ad.training.step import StepRunner

N_ROWS, N_FEATURES = 60, 4


def make_rows() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)


def build(**params: Value) -> FAnoGan:
    return FAnoGan.build(params, n_features=N_FEATURES, n_members=2, seed=5)


def make_batch(seed: int = 0) -> Batch:
    noise = torch.Generator().manual_seed(seed)
    return Batch(x_BD=torch.tensor(make_rows()), epoch=0, generator=noise, row_ids=torch.arange(N_ROWS))


def snapshot(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def is_unchanged(network: torch.nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_critic_learns_the_distance_and_pays_for_slopes_other_than_one():
    detector = build().train()
    critic_step = detector.phases(N_ROWS)[0].steps[0]
    loss_S = critic_step.loss(make_batch()).detach()

    noise, x_BD = torch.Generator().manual_seed(0), torch.tensor(make_rows())
    z_BZ = torch.randn(N_ROWS, detector.network.sizes[-1], generator=noise)
    share_B1 = torch.rand(N_ROWS, 1, generator=noise)
    for member in range(2):
        with torch.no_grad():
            generated_BD = detector.generator(z_BZ)[member]
        mixed_BD = x_BD + share_B1 * (generated_BD - x_BD)
        slopes = []
        for point_D in mixed_BD:  # row by row, each in a graph of its own
            point_D = point_D.clone().requires_grad_()
            detector.critic(point_D[None])[member, 0].backward()
            assert point_D.grad is not None
            slopes.append(point_D.grad.norm())
        penalty = ((torch.stack(slopes) - 1) ** 2).mean()
        with torch.no_grad():
            distance = detector.critic(x_BD)[member].mean() - detector.critic(generated_BD)[member].mean()
        assert loss_S[member].item() == pytest.approx((10 * penalty - distance).item(), rel=1e-4)


def test_the_penalty_teaches_the_critic():
    detector = build().train()
    critic_step = detector.phases(N_ROWS)[0].steps[0]
    runner = StepRunner(critic_step)
    before, generator = snapshot(detector.critic_features), snapshot(detector.generator)
    losses = [runner.run(make_batch(seed), torch.ones(2, dtype=torch.bool)) for seed in range(15)]
    assert (losses[-1] < losses[0]).all()
    assert not is_unchanged(detector.critic_features, before)
    weights = {name: value for name, value in generator.items() if "running" not in name}
    assert all(torch.equal(detector.generator.state_dict()[name], value) for name, value in weights.items())


def test_the_critic_runs_ahead_of_the_generator():
    critic, generator = build(n_critic=3).phases(N_ROWS)[0].steps
    assert (critic.repeats, generator.repeats) == (3, 1)
    assert critic.optimizer.options == {"betas": (0.0, 0.9)}
    assert (build().phases(N_ROWS)[0].steps[0].repeats, critic.optimizer.lr) == (5, 1e-4)


def test_the_generator_climbs_the_critic():
    detector = build().train()
    critic_step, generator_step = detector.phases(N_ROWS)[0].steps
    runner, critic = StepRunner(generator_step), snapshot(detector.critic_features)
    first = runner.run(make_batch(), torch.ones(2, dtype=torch.bool))
    for _ in range(20):
        last = runner.run(make_batch(), torch.ones(2, dtype=torch.bool))
    assert (last < first).all()
    assert is_unchanged(detector.critic_features, critic)
    assert not {id(p) for p in critic_step.parameters} & {id(p) for p in generator_step.parameters}


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_the_encoder_learns_alone(norm: str):
    detector = build(norm=norm).train()
    gan, mapping = detector.phases(N_ROWS)
    assert gan.is_preparation
    assert not mapping.is_preparation
    frozen = [detector.generator, detector.critic_features, detector.critic_output]
    before, encoder = [snapshot(network) for network in frozen], snapshot(detector.encoder)
    runner = StepRunner(mapping.steps[0])
    for _ in range(3):
        runner.run(make_batch(), torch.ones(2, dtype=torch.bool))
    assert all(is_unchanged(network, was) for network, was in zip(frozen, before, strict=True))
    assert all(p.grad is None for network in frozen for p in network.parameters())
    assert not is_unchanged(detector.encoder, encoder)


def test_the_encoder_learns_the_native_score():
    detector = build(feature_weight=3.0, norm="none")
    with torch.no_grad():
        x_BD = torch.tensor(make_rows())
        restored_SBD = detector.generator(detector.encoder(x_BD))
        rec = ((restored_SBD - x_BD) ** 2).mean(-1)
        features = ((detector.critic_features(restored_SBD) - detector.critic_features(x_BD)) ** 2).mean(-1)
    scores = detector.scores(make_rows())
    np.testing.assert_allclose(scores["rec_mse"], rec, rtol=1e-5)
    np.testing.assert_allclose(scores["feature_mse"], features, rtol=1e-5)
    np.testing.assert_allclose(scores["izi_f"], rec + 3 * features, rtol=1e-5)
    loss_S = detector.phases(N_ROWS)[1].steps[0].loss(make_batch()).detach()
    np.testing.assert_allclose(loss_S, scores["izi_f"].mean(1), rtol=1e-5)


def test_codes_are_not_bounded():
    with torch.no_grad():
        assert build().encoder(1_000 * torch.tensor(make_rows())).abs().max() > 1


def test_a_collapsed_generator_is_told():
    detector, x_ND = build(n_epochs=1, pretrain_epochs=1), torch.tensor(make_rows())
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    assert 0 < detector.diagnostics()["generated_std"] < 1
    assert not {"generated_std", "critic_output.weight"} & detector.arrays().keys()
    with torch.no_grad():
        for parameter in detector.generator.parameters():
            parameter.zero_()
        detector.finalize(x_ND)
    assert detector.diagnostics()["generated_std"] == 0
    assert build().diagnostics() == {}
