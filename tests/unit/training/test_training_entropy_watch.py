"""A fit that ends by its loss entropy: when it looks, what it keeps, and what it leaves alone."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from automl_ad.detectors import DeepDetector, ScoreType
from automl_ad.detectors.phases import Batch, OptimizerSpec, Phase, Step
from automl_ad.training import fit

ROWS = np.zeros((256, 2), dtype=np.float32)  # two batches an epoch: 100 steps are 50 epochs
N_WARMUP = 3


class Bowl(DeepDetector):
    """A weight that moves by one an epoch; its scores are most uneven, their entropy least, at `valley`."""

    name = "bowl"
    score_types = (ScoreType(name="native", meaning="one row stands out"), ScoreType(name="x", meaning="x"))
    valley = 20
    lost_at: int | None = None

    def __init__(self, n_members: int = 2) -> None:
        super().__init__({}, 2, n_members, 0)
        self.weight = nn.Parameter(torch.zeros(n_members, 1))
        self.unkept = nn.Parameter(torch.zeros(n_members, 1))

    def kept_tensors(self) -> dict[str, Tensor]:
        return {"weight": self.weight}

    def phases(self, n_rows: int) -> Sequence[Phase]:
        step = Step(
            name="move",
            loss=self._loss,
            parameters=[self.weight, self.unkept],
            optimizer=OptimizerSpec(kind="sgd", lr=0.5),
        )
        lengths = {"warm-up": N_WARMUP, "main": 100}
        return [Phase(name=name, n_epochs=n, steps=[step]) for name, n in lengths.items()]

    def _loss(self, batch: Batch) -> Tensor:
        loss_S = -(self.weight + self.unkept).sum(1)  # two steps of .5 an epoch
        if float(self.weight.detach()[0]) == self.lost_at:
            loss_S = loss_S * torch.tensor([1.0, torch.nan, 1.0])
        return loss_S

    def score_block(self, x_BD: Tensor, types: Sequence[str]) -> dict[str, Tensor]:
        height_S1 = 1000 - (self.weight.detach() - self.valley).abs()
        return {name: 1 + height_S1 * (torch.arange(len(x_BD)) == 0) for name in types}


def run(bowl: Bowl, **changes):
    seen: list[tuple[int, float]] = []

    def on_checkpoint(epoch: int) -> bool:
        seen.append((epoch, float(bowl.weight.detach()[0])))
        return False

    report = fit(
        bowl,
        ROWS,
        seed=0,
        checkpoints=(10, 50),
        on_checkpoint=on_checkpoint,
        **{"watch_entropy": True, **changes},
    )
    return report, seen


def test_the_epoch_of_least_entropy_is_the_last_checkpoint_and_its_weights_stay():
    bowl = Bowl()
    report, seen = run(bowl)
    assert seen == [(10, 10.0), (50, 50.0), (20, 20.0)]
    assert bowl.weight[:, 0].tolist() == [20.0, 20.0]
    assert report.early_stop == "early stopping: no lower loss entropy in 50 epochs"
    assert report.losses_SE is not None
    assert report.losses_SE.shape == (2, 70)


def test_without_the_watch_nothing_changes():
    bowl = Bowl()
    report, seen = run(bowl, watch_entropy=False)
    assert seen == [(10, 10.0), (50, 50.0), (103, 103.0)]
    assert report.early_stop == ""


def test_an_entropy_that_falls_to_the_end_keeps_the_end():
    bowl = Bowl()
    bowl.valley = 110
    report, seen = run(bowl)
    assert seen[-1] == (103, 103.0)
    assert report.early_stop == ""


def test_a_minimum_before_the_last_phase_does_not_count():
    bowl = Bowl()
    bowl.valley = 1
    _, seen = run(bowl)
    assert seen[-1] == (N_WARMUP + 1, N_WARMUP + 1.0)


def test_a_minimum_that_a_lost_member_took_part_in_does_not_count():
    bowl = Bowl(n_members=3)
    bowl.lost_at = 30
    report, seen = run(bowl)
    assert report.n_alive == 2
    assert seen[-1] == (31, 31.0)


def test_a_training_that_is_told_to_stop_keeps_its_minimum_too():
    bowl = Bowl()
    bowl.valley = 7
    seen: list[int] = []
    report = fit(
        bowl,
        ROWS,
        seed=0,
        checkpoints=(10,),
        on_checkpoint=lambda epoch: seen.append(epoch) or epoch == 10,
        watch_entropy=True,
    )
    assert seen == [10, 7]
    assert report.early_stop == ""


@pytest.mark.parametrize("n_rows", [64, 3000])
def test_the_subset_is_fixed_and_bounded(n_rows):
    lengths: set[int] = set()

    class Counting(Bowl):
        def score_block(self, x_BD, types):
            lengths.add(len(x_BD))
            assert types == ["native"]
            return super().score_block(x_BD, types)

    fit(
        Counting(),
        np.zeros((n_rows, 2), dtype=np.float32),
        seed=0,
        checkpoints=(),
        on_checkpoint=lambda _: False,
        watch_entropy=True,
    )
    assert lengths == {min(n_rows, 1024)}
