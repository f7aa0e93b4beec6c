"""Groups reach a detector's loss beside their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from automl_ad.detectors import DETECTORS, DeepDetector, ScoreType
from automl_ad.detectors.phases import Batch, Phase, Step
from automl_ad.results import Value
from automl_ad.training import fit


class Grouped(DeepDetector):
    """Notes what it sees."""

    name = "grouped"
    score_types = (ScoreType(name="weight", meaning="the weight"),)

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__(params, n_features, n_members, seed)
        self.weight = nn.Parameter(torch.ones(n_members, 1))
        self.log: list[str] = []
        self.seen: list[tuple[Tensor, Tensor]] = []

    def phases(self, n_rows: int) -> Sequence[Phase]:
        self.log.append(f"phases, groups {'unknown' if self.groups_N is None else 'known'}")
        step = Step(name="weight", loss=self._loss, parameters=[self.weight])
        return [Phase(name="only", n_epochs=2, steps=[step], batch_size=7)]

    def start(self, x_ND: Tensor) -> None:
        self.log.append(f"start, groups {'unknown' if self.groups_N is None else 'known'}")

    def _loss(self, batch: Batch) -> Tensor:
        if self.groups_N is not None:
            self.seen.append((batch.x_BD[:, 0], self.groups_N[batch.row_ids]))
        return self.weight.square().sum(1)

    def score_block(self, x_BD: Tensor, types: Sequence[str]) -> dict[str, Tensor]:
        return {name: self.weight.detach() * torch.ones(len(x_BD)) for name in types}


GROUPS = np.random.default_rng(0).integers(4, size=30)
ROWS = np.stack([GROUPS, np.arange(30)], axis=1).astype(np.float32)


def fitted(groups: np.ndarray | None) -> Grouped:
    detector = Grouped.build({}, n_features=2, n_members=2, seed=0)
    fit(detector, ROWS, seed=3, checkpoints=(), on_checkpoint=lambda _: False, groups_N=groups)
    return detector


def test_batches_find_the_groups_of_their_rows():
    detector = fitted(GROUPS)
    assert len(detector.seen) == 10
    for values, groups in detector.seen:
        assert values.tolist() == groups.tolist()
        assert groups.dtype == torch.int64
    assert detector.log[:2] == ["phases, groups known", "start, groups known"]


def test_without_groups_there_are_none():
    assert fitted(None).log[:2] == ["phases, groups unknown", "start, groups unknown"]


@pytest.mark.parametrize("groups", [GROUPS, None])
def test_groups_are_not_kept(groups: np.ndarray | None):
    assert fitted(groups).arrays().keys() == {"weight"}


@pytest.mark.parametrize("name", ["pca", "autoencoder"])
def test_other_detectors_take_no_notice(name: str):
    def scores(groups: np.ndarray | None) -> np.ndarray:
        detector = DETECTORS[name].build({"n_epochs": 2}, n_features=2, n_members=1, seed=0)
        fit(detector, ROWS, seed=3, checkpoints=(), on_checkpoint=lambda _: False, groups_N=groups)
        return detector.scores(ROWS)[detector.score_types[0].name]

    np.testing.assert_array_equal(scores(GROUPS), scores(None))
