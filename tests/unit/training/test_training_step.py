from __future__ import annotations

import pytest
import torch
from torch import nn

from automl_ad.detectors.phases import Batch, OptimizerSpec, Step
from automl_ad.training.step import MAX_GRADIENT_NORM, StepRunner, clip_and_freeze, make_optimizer

BATCH = Batch(x_BD=torch.zeros(1, 1), epoch=0, generator=torch.Generator(), row_ids=torch.zeros(1))


def all_alive(n_members: int) -> torch.Tensor:
    return torch.ones(n_members, dtype=torch.bool)


def test_each_member_is_clipped_by_its_own_norm():
    weight, bias = torch.tensor([[30.0, 0.0], [0.3, 0.0]]), torch.tensor([[[40.0]], [[0.4]]])
    clip_and_freeze([weight, bias], all_alive(2))
    torch.testing.assert_close(weight, torch.tensor([[3.0, 0.0], [0.3, 0.0]]))
    torch.testing.assert_close(bias, torch.tensor([[[4.0]], [[0.4]]]))
    assert weight[0].square().sum() + bias[0].square().sum() == pytest.approx(MAX_GRADIENT_NORM**2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_non_finite_gradient_freezes_its_member_only(bad: float):
    gradient = torch.tensor([[1.0, 1.0], [bad, 1.0], [2.0, 2.0]])
    alive_S = all_alive(3)
    clip_and_freeze([gradient], alive_S)
    assert alive_S.tolist() == [True, False, True]
    assert gradient.tolist() == [[1.0, 1.0], [0.0, 0.0], [2.0, 2.0]]


def test_a_step_moves_its_own_parameters_only():
    mine, other = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(2, 3))
    step = Step(name="mine", loss=lambda _: (mine * other).sum(1), parameters=[mine])
    loss_S = StepRunner(step).run(BATCH, all_alive(2))
    assert loss_S.tolist() == [3.0, 3.0]
    assert not loss_S.requires_grad
    assert (mine < 1).all()
    assert torch.equal(other, torch.ones(2, 3))
    assert other.grad is None


def test_after_runs_behind_the_step_and_without_gradient():
    weight = nn.Parameter(torch.ones(1, 1))
    seen: list[tuple[float, bool]] = []
    step = Step(
        name="weights",
        loss=lambda _: weight.square().sum(1),
        parameters=[weight],
        optimizer=OptimizerSpec(kind="sgd", lr=0.25),
        after=lambda _: seen.append((weight.item(), torch.is_grad_enabled())),
    )
    StepRunner(step).run(BATCH, all_alive(1))
    assert seen == [(0.5, False)]


def test_a_repeated_step_moves_that_often_on_the_same_rows():
    weight = nn.Parameter(torch.ones(1, 1))
    step = Step(
        name="critic",
        loss=lambda _: weight.square().sum(1),
        parameters=[weight],
        optimizer=OptimizerSpec(kind="sgd", lr=0.25),
        repeats=3,
    )
    assert StepRunner(step).run(BATCH, all_alive(1)).item() == 0.0625  # the loss before the third
    assert weight.item() == 0.125


def test_the_learning_rate_is_a_factor_on_its_own():
    weight = nn.Parameter(torch.ones(1, 1))
    step = Step(
        name="w",
        loss=lambda _: weight.sum(1),
        parameters=[weight],
        optimizer=OptimizerSpec(kind="sgd", lr=0.1),
    )
    runner = StepRunner(step)
    for factor, expected in ((0.5, 0.95), (0.5, 0.9), (1.0, 0.8)):
        runner.set_lr(factor)
        runner.run(BATCH, all_alive(1))
        assert weight.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("rmsprop", torch.optim.RMSprop),
        ("adagrad", torch.optim.Adagrad),
    ],
)
def test_every_kind_of_optimizer_can_be_asked_for(kind: str, expected: type[torch.optim.Optimizer]):
    spec = OptimizerSpec(kind=kind, lr=0.3, weight_decay=0.2)  # type: ignore[arg-type]
    weight = nn.Parameter(torch.ones(1, 1))
    optimizer = make_optimizer(
        Step(name="w", loss=lambda _: weight.sum(1), parameters=[weight], optimizer=spec)
    )
    assert type(optimizer) is expected
    assert optimizer.defaults["lr"] == 0.3
    assert optimizer.defaults["weight_decay"] == 0.2


@pytest.mark.parametrize("kind", ["adam", "sgd", "rmsprop", "adagrad"])
def test_dropping_a_member_leaves_the_others_memory(kind: str):
    """Three members, one dropped half-way, end where two members alone would."""

    def run(scales: list[float], drop_after: int | None) -> torch.Tensor:
        weight = nn.Parameter(torch.ones(len(scales), 2))
        scale_S = torch.tensor(scales)
        options = {"momentum": 0.9} if kind == "sgd" else {}
        step = Step(
            name="w",
            loss=lambda _: scale_S * (weight - 3).square().sum(1),
            parameters=[weight],
            optimizer=OptimizerSpec(kind=kind, lr=0.01, options=options),  # type: ignore[arg-type]
        )
        runner = StepRunner(step)
        for done in range(6):
            if done == drop_after:
                alive_S = torch.tensor([True, False, True])
                weight.data = weight.data[alive_S]
                scale_S = scale_S[alive_S]
                runner.keep_members(alive_S)
            runner.run(BATCH, all_alive(len(weight)))
        return weight.detach()

    torch.testing.assert_close(run([0.1, 0.5, 0.3], drop_after=3), run([0.1, 0.3], drop_after=None))
