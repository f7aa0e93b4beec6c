from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor

from automl_ad.detectors.adversarial_autoencoder import AdversarialAutoencoder
from automl_ad.detectors.autoencoder import Autoencoder
from automl_ad.detectors.deep import DeepDetector
from automl_ad.detectors.phases import Batch, Step
from automl_ad.results import Value
from automl_ad.training import fit
from automl_ad.training.step import StepRunner

N_ROWS = 60


def make_rows() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(N_ROWS, 4)).astype(np.float32)


def build(**params: Value) -> AdversarialAutoencoder:
    return AdversarialAutoencoder.build(params, n_features=4, n_members=2, seed=5)


def train(detector: DeepDetector) -> npt.NDArray[np.float32]:
    report = fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    assert report.losses_SE is not None
    return report.losses_SE


def make_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    return Batch(x_BD=torch.tensor(make_rows()), epoch=0, generator=generator, row_ids=torch.arange(N_ROWS))


def steps_of(detector: AdversarialAutoencoder) -> dict[str, Step]:
    (phase,) = detector.phases(N_ROWS)
    assert [step.name for step in phase.steps] == ["autoencoder", "critic", "encoder"]
    return {step.name: step for step in phase.steps}


def run(step: Step, times: int = 1) -> None:
    runner, batch = StepRunner(step), make_batch()
    for _ in range(times):
        runner.run(batch, torch.ones(2, dtype=torch.bool))


def critic_of(detector: AdversarialAutoencoder, z_BZ: Tensor | None = None) -> npt.NDArray[np.float32]:
    """[S], the critic's mean for codes, or for these points."""
    with torch.no_grad():
        z = detector.codes(torch.tensor(make_rows())).z_SBZ if z_BZ is None else z_BZ
        judged: npt.NDArray[np.float32] = detector.critic(z).mean((1, 2)).numpy()
    return judged


@pytest.mark.parametrize("clip", [0.01, 0.05])
def test_a_clipped_critic_stays_within_its_bound_after_every_step(clip: float):
    detector = build(critic_clip=clip)
    step = steps_of(detector)["critic"]
    assert step.repeats == 5
    assert step.after is not None
    within_bound: list[bool] = []

    def note(batch: Batch) -> None:
        assert step.after is not None
        step.after(batch)
        within_bound.append(all(p.abs().max() <= clip for p in detector.critic.parameters()))

    noted = Step(
        name="critic",
        loss=step.loss,
        parameters=step.parameters,
        optimizer=step.optimizer,
        repeats=5,
        after=note,
    )
    run(noted, times=4)
    assert within_bound == [True] * 20
    unclipped = Step(name="critic", loss=step.loss, parameters=step.parameters, optimizer=step.optimizer)
    run(unclipped)  # the bound is reached, and only the clipping holds it
    assert max(p.abs().max() for p in detector.critic.parameters()) > clip


@pytest.mark.parametrize("lipschitz", ["clip", "gp"])
@pytest.mark.parametrize(
    ("name", "movers"),
    [("autoencoder", {"encoder", "decoder"}), ("critic", {"critic"}), ("encoder", {"encoder"})],
)
def test_every_step_moves_its_own_network(lipschitz: str, name: str, movers: set[str]):
    detector = build(lipschitz=lipschitz)
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    run(steps_of(detector)[name])
    moved = {key for key, value in detector.state_dict().items() if not torch.equal(value, before[key])}
    assert {key.split(".")[0] for key in moved} == movers
    assert {key for key in moved if key.startswith("encoder")} in (
        set(),
        {key for key in before if key.startswith("encoder")},
    )


@pytest.mark.parametrize("lipschitz", ["clip", "gp"])
def test_the_critic_prefers_the_prior_and_the_encoder_follows_it(lipschitz: str):
    detector = build(lipschitz=lipschitz, adversarial_weight=10.0, critic_width=64)
    with torch.no_grad():
        list(detector.encoder.parameters())[-1].add_(2.0)  # codes beside the prior
    steps = steps_of(detector)
    prior_BZ = torch.randn(2_000, 4, generator=torch.Generator().manual_seed(9))
    before = critic_of(detector, prior_BZ) - critic_of(detector)
    run(steps["critic"], times=20)
    gap = critic_of(detector, prior_BZ) - critic_of(detector)
    assert (gap > before).all()
    assert (gap > 0).all()
    run(steps["encoder"], times=20)
    assert (critic_of(detector, prior_BZ) - critic_of(detector) < gap).all()


def test_a_critic_that_runs_away_rests():
    detector = build(lipschitz="gp", learning_rate=1e-2)
    with torch.no_grad():
        for parameter in detector.critic.parameters():
            parameter.mul_(1e4)
    before = [parameter.clone() for parameter in detector.critic.parameters()]
    assert np.abs(critic_of(detector)).min() > 0
    run(steps_of(detector)["critic"])
    for parameter, start in zip(detector.critic.parameters(), before, strict=True):
        torch.testing.assert_close(parameter, start, rtol=0, atol=0)


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_without_weight_it_trains_as_the_plain_autoencoder(norm: str):
    params: dict[str, Value] = {"n_epochs": 8, "batch_size": 16, "norm": norm}
    plain = train(Autoencoder.build(params, n_features=4, n_members=2, seed=5))
    np.testing.assert_allclose(train(build(**params, adversarial_weight=1e-9)), plain, rtol=1e-5)
    assert not np.allclose(train(build(**params, adversarial_weight=10.0)), plain, rtol=1e-2)


@pytest.mark.parametrize(("lipschitz", "prior"), [("clip", "normal"), ("gp", "uniform")])
def test_a_large_weight_brings_the_codes_to_the_prior(lipschitz: str, prior: str):
    distances = []
    rng = np.random.default_rng(1)
    draws = rng.normal(size=3_000) if prior == "normal" else rng.uniform(-1, 1, size=3_000)
    for weight in (1e-3, 10.0):
        detector = build(
            prior=prior,
            lipschitz=lipschitz,
            adversarial_weight=weight,
            critic_width=64,
            learning_rate=3e-3,
            n_epochs=200,
            latent_size=2,
        )
        train(detector)
        with torch.no_grad():
            z_SNZ = detector.codes(torch.tensor(make_rows())).z_SBZ
        columns = z_SNZ.transpose(1, 2).reshape(-1, N_ROWS).numpy()
        distances.append(np.mean([wasserstein_distance(column, draws) for column in columns]))
    tiny, large = distances
    assert large < 0.5 * tiny


def test_scores_are_those_of_the_definitions():
    detector = build(n_epochs=3)
    train(detector)
    scores = detector.scores(make_rows())
    with torch.no_grad():
        codes = detector.codes(torch.tensor(make_rows()))
        energy = (codes.z_SBZ**2).sum(2) / 4
        np.testing.assert_allclose(scores["prior_energy"], energy, rtol=1e-5)
        np.testing.assert_allclose(scores["critic"], -detector.critic(codes.z_SBZ)[..., 0], rtol=1e-5)
    both, rec = scores["rec_plus_prior"], scores["rec_mse"]
    weight = rec.mean(1, keepdims=True) / scores["prior_energy"].mean(1, keepdims=True)
    np.testing.assert_allclose(both, rec + weight * scores["prior_energy"], rtol=1e-4)
    assert detector.score_types[0].name == "rec_mse"


def test_the_critic_looks_without_moving_the_running_moments():
    detector = build(norm="batch").train()
    before = [buffer.clone() for buffer in detector.encoder.buffers()]
    run(steps_of(detector)["critic"])
    assert all(torch.equal(*pair) for pair in zip(detector.encoder.buffers(), before, strict=True))
    assert detector.encoder.training


def test_the_weight_scales_the_published_steps_and_the_critic_keeps_pace():
    for weight, rates in [(1.0, [1e-3, 5e-5, 5e-5]), (0.5, [1e-3, 5e-5, 2.5e-5]), (2.0, [1e-3, 1e-4, 1e-4])]:
        steps = steps_of(build(adversarial_weight=weight)).values()
        assert [step.optimizer.kind for step in steps] == ["adam", "rmsprop", "rmsprop"]
        assert [step.optimizer.lr for step in steps] == pytest.approx(rates)
