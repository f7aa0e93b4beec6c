from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from automl_ad.detectors import DETECTORS, DeepDetector, ScoreType
from automl_ad.detectors.phases import Batch, OptimizerSpec, Phase, Step
from automl_ad.errors import TrialFailed
from automl_ad.results import Value
from automl_ad.training import FitReport, fit


class Line(DeepDetector):
    """One weight per member, pulled towards the mean of the rows; members can be told to fail."""

    name = "line"
    score_types = (ScoreType(name="weight", meaning="the weight"),)

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.weight = nn.Parameter(torch.arange(float(n_members)).unsqueeze(1))
        self.log: list[str] = []
        self.seen: list[Batch] = []
        self.poison: dict[int, float] = {}  # member as numbered at the start -> what its loss becomes
        self.poison_epoch = 2
        self.phase_lengths = {"first": 2, "second": 3}
        self.phase_options: dict[str, object] = {}

    def phases(self, n_rows: int) -> Sequence[Phase]:
        return [
            Phase(
                name=name,
                n_epochs=n_epochs,
                steps=[
                    Step(
                        name="weight",
                        loss=self._loss,
                        parameters=[self.weight],
                        optimizer=OptimizerSpec(kind="sgd", lr=0.1, options={"momentum": 0.5}),
                    )
                ],
                batch_size=8,
                is_preparation=name == "first",
                before=lambda _, name=name: self.note(f"before {name}"),
                after_epoch=lambda _, n_done, name=name: self.note(f"after {n_done} epochs of {name}"),
                **self.phase_options,  # type: ignore[arg-type]
            )
            for name, n_epochs in self.phase_lengths.items()
        ]

    def note(self, event: str) -> None:
        self.log.append(event)
        assert not self.training
        assert not torch.is_grad_enabled()

    def start(self, x_ND: Tensor) -> None:
        self.note(f"start {len(x_ND)}")

    def finalize(self, x_ND: Tensor) -> None:
        self.note(f"finalize {len(x_ND)}")

    def _loss(self, batch: Batch) -> Tensor:
        assert self.training
        self.seen.append(batch)
        loss_S = (self.weight - batch.x_BD.mean()).square().sum(1)
        if batch.epoch == self.poison_epoch:
            factor_S = [self.poison.get(member, 1.0) for member in range(self.n_members)]
            loss_S = loss_S * torch.tensor(factor_S)
        return loss_S

    def score_block(self, x_BD: Tensor, types: Sequence[str]) -> dict[str, Tensor]:
        return {name: self.weight.detach() * torch.ones(len(x_BD)) for name in types}


def make_rows(n_rows: int = 20, n_features: int = 2) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(n_rows, n_features)).astype(np.float32)


def make_line(n_members: int = 4) -> Line:
    return Line.build({}, n_features=2, n_members=n_members, seed=0)


def fit_line(line: Line, rows: npt.NDArray[np.float32] | None = None, seed: int = 0) -> FitReport:
    rows = make_rows() if rows is None else rows
    return fit(line, rows, seed=seed, checkpoints=(), on_checkpoint=lambda _: False)


def test_hooks_and_checkpoints_come_in_order():
    line = make_line()

    def on_checkpoint(epoch: int) -> bool:
        assert not line.training
        line.log.append(f"checkpoint {epoch}")
        return False

    fit(line, make_rows(), seed=0, checkpoints=(1, 3), on_checkpoint=on_checkpoint)
    assert line.log == [
        "start 20",
        "before first",  # epoch 1 is a checkpoint, but the first phase only prepares
        "after 1 epochs of first",
        "after 2 epochs of first",
        "before second",
        "after 1 epochs of second",
        "finalize 20",
        "checkpoint 3",
        "after 2 epochs of second",
        "after 3 epochs of second",
        "finalize 20",
        "checkpoint 5",
    ]


def test_a_checkpoint_can_end_the_training():
    line = make_line()
    report = fit(line, make_rows(), seed=0, checkpoints=(3, 4), on_checkpoint=lambda epoch: epoch == 3)
    assert report.losses_SE is not None
    assert report.losses_SE.shape == (4, 3)
    assert not line.training


def test_all_members_see_the_same_seeded_batches():
    def batches(seed: int) -> list[list[int]]:
        line = make_line()
        fit_line(line, seed=seed)
        return [batch.row_ids.tolist() for batch in line.seen]

    first = batches(seed=1)
    assert first == batches(seed=1) != batches(seed=2)
    assert [len(batch) for batch in first[:3]] == [8, 8, 4]
    assert sorted(first[0] + first[1] + first[2]) == list(range(20))


def test_drop_last_leaves_the_small_batch_out():
    line = make_line()
    line.phase_options = {"drop_last": True}
    fit_line(line)
    assert {len(batch.x_BD) for batch in line.seen} == {8}


def test_losses_are_epoch_means_over_rows():
    line = make_line(1)
    line.phase_options = {"lr_factor": lambda _: 0.0}
    report = fit_line(line)
    expected = [
        sum(len(b.x_BD) * (0.0 - b.x_BD.mean().item()) ** 2 for b in line.seen[3 * e : 3 * e + 3]) / 20
        for e in range(5)
    ]
    assert report.losses_SE is not None
    assert report.losses_SE.dtype == np.float32
    np.testing.assert_allclose(report.losses_SE[0], expected, rtol=1e-5)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_lost_member_is_dropped_and_the_others_go_on_bit_equal(poison: float):
    healthy, damaged = make_line(), make_line()
    healthy.phase_lengths = damaged.phase_lengths = {"only": 5}  # two epochs are left after the loss
    damaged.poison = {1: poison}
    expected, report = fit_line(healthy), fit_line(damaged)
    assert report.losses_SE is not None
    assert expected.losses_SE is not None
    assert report.n_alive == damaged.n_members == 3
    others = [0, 2, 3]
    np.testing.assert_array_equal(report.losses_SE[others], expected.losses_SE[others])
    assert np.isfinite(report.losses_SE[1, :2]).all()
    assert np.isnan(report.losses_SE[1, 2:]).all()
    assert torch.equal(damaged.weight, healthy.weight[others])
    assert damaged.scores(make_rows())["weight"].shape == (3, 20)


def test_losing_more_than_half_fails_the_trial():
    line = make_line()
    line.poison = {0: torch.nan, 1: torch.inf, 3: torch.nan}
    with pytest.raises(TrialFailed, match=r"at least half of the members .* got 1 of 4 after epoch 5"):
        fit_line(line)


def test_half_is_counted_from_the_start():
    line = make_line()
    line.poison, line.poison_epoch = {0: torch.nan}, 1  # one member in epoch 1 of every phase
    assert fit_line(line).n_alive == 2
    line = make_line()
    line.poison, line.poison_epoch = {0: torch.nan}, 1
    line.phase_lengths |= {"third": 2}
    with pytest.raises(TrialFailed, match="got 1 of 4 after epoch 7"):
        fit_line(line)


def test_a_member_that_cannot_be_scored_is_dropped_at_the_checkpoint():
    class Overflow(Line):
        def finalize(self, x_ND: Tensor) -> None:
            if self.n_members == 4:
                self.weight[2] = torch.inf

    line = Overflow.build({}, n_features=2, n_members=4, seed=0)
    alive: list[int] = []
    report = fit(
        line,
        make_rows(),
        seed=0,
        checkpoints=(3,),
        on_checkpoint=lambda _: bool(alive.append(line.n_members)),
    )
    assert alive == [3, 3]
    assert report.losses_SE is not None
    assert np.isnan(report.losses_SE[2]).tolist() == [False, False, False, True, True]


def test_too_few_rows_fail_the_trial():
    with pytest.raises(TrialFailed, match="line needs at least 4 rows, got 3"):
        fit_line(make_line(), make_rows(3))


def test_closed_form_detectors_have_one_checkpoint():
    detector = DETECTORS["pca"].build({}, n_features=2, n_members=4, seed=0)
    epochs: list[int] = []
    report = fit(
        detector,
        make_rows(),
        seed=0,
        checkpoints=(5,),
        on_checkpoint=lambda epoch: bool(epochs.append(epoch)),
    )
    assert epochs == [0]
    assert report.losses_SE is None
    assert report.n_alive == 1


@pytest.mark.parametrize("name", ["autoencoder", "deep_svdd", "iaead", "dasvdd"])
def test_the_same_seed_gives_bit_equal_losses(name: str):
    def losses(seed: int) -> npt.NDArray[np.float32]:
        params: dict[str, Value] = {"n_epochs": 3, "pretrain_epochs": 2, "batch_size": 32, "nu": 0.1}
        detector = DETECTORS[name].build(params, n_features=5, n_members=2, seed=seed)
        report = fit(detector, make_rows(90, 5), seed=seed, checkpoints=(), on_checkpoint=lambda _: False)
        assert report.losses_SE is not None
        return report.losses_SE

    np.testing.assert_array_equal(losses(0), losses(0))
    assert (losses(0) != losses(1)).all()


@pytest.mark.parametrize("name", ["autoencoder", "deep_svdd", "iaead", "dasvdd"])
@pytest.mark.parametrize("n_rows", [4, 33, 65])
def test_batch_normalization_survives_any_number_of_rows(name: str, n_rows: int):
    params: dict[str, Value] = {"n_epochs": 2, "pretrain_epochs": 1, "batch_size": 32, "norm": "batch"}
    detector = DETECTORS[name].build(params, n_features=5, n_members=2, seed=0)
    rows = make_rows(n_rows, 5)
    report = fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    assert report.n_alive == 2
    assert np.isfinite(detector.scores(rows)[detector.score_types[0].name]).all()


def test_one_member_trains_like_a_plain_network():
    rows, n_epochs, batch_size = make_rows(90, 5), 3, 32
    detector = DETECTORS["autoencoder"].build(
        {"n_epochs": n_epochs, "batch_size": batch_size, "hidden": "6", "latent_size": 2},
        n_features=5,
        n_members=1,
        seed=0,
    )
    plain = nn.Sequential(
        *(nn.Linear(5, 6), nn.LeakyReLU(0.01), nn.Linear(6, 2)),
        *(nn.Linear(2, 6), nn.LeakyReLU(0.01), nn.Linear(6, 5)),
    )
    start = {name: torch.tensor(array[0]) for name, array in detector.arrays().items()}
    linear = [layer for layer in plain if isinstance(layer, nn.Linear)]
    prefixes = ["encoder.0", "encoder.2", "decoder.0", "decoder.2"]
    with torch.no_grad():
        for layer, prefix in zip(linear, prefixes, strict=True):
            layer.weight.copy_(start[f"{prefix}.weight"].T)
            layer.bias.copy_(start[f"{prefix}.bias"][0])
    report = fit(detector, rows, seed=9, checkpoints=(), on_checkpoint=lambda _: False)

    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3, weight_decay=1e-7)
    generator = torch.Generator().manual_seed(9)
    losses = []
    for _ in range(n_epochs):
        order = torch.randperm(len(rows), generator=generator)
        total = 0.0
        for batch in order.split(batch_size):
            x_BD = torch.tensor(rows)[batch]
            loss = (plain(x_BD) - x_BD).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append(total / len(rows))
    assert report.losses_SE is not None
    np.testing.assert_allclose(report.losses_SE[0], losses, rtol=1e-5)
    with torch.no_grad():
        x_ND = torch.tensor(rows)
        expected = (plain(x_ND) - x_ND).square().mean(1).numpy()
    np.testing.assert_allclose(detector.scores(rows)["rec_mse"][0], expected, rtol=1e-4)
