"""Fitting a detector: one loop over phases, epochs, batches and steps, for every deep detector.

Shapes: S members, N rows, D features, E epochs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from automl_ad.detectors.base import ClosedFormDetector, Detector
from automl_ad.detectors.deep import DeepDetector
from automl_ad.detectors.phases import Batch, Phase
from automl_ad.errors import TrialFailed
from automl_ad.training.batches import part_of, shuffled_batches
from automl_ad.training.entropy_watch import EntropyWatch
from automl_ad.training.step import StepRunner

MIN_ROWS = 4
"""The fewest that leave batch normalization two rows when a batch is split in halves."""

OnCheckpoint = Callable[[int], bool]
"""Called with the number of epochs trained, the detector ready to score; True ends the training."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FitReport:
    """How a fit went."""

    losses_SE: npt.NDArray[np.float32] | None
    """Mean loss of every epoch, NaN from the one on in which a member was lost; None: closed-form."""
    n_alive: int
    """Members left."""
    early_stop: str = ""
    """Why the training ended by itself; empty when it ran to its last epoch or was told to stop."""


def fit(
    detector: Detector,
    x_ND: npt.NDArray[np.float32],
    *,
    seed: int,
    checkpoints: Collection[int],
    on_checkpoint: OnCheckpoint,
    device: str = "cpu",
    groups_N: npt.NDArray[np.int64] | None = None,
    watch_entropy: bool = False,
) -> FitReport:
    """Fit `detector` on all rows. With the same seed, on one CPU thread, bit for bit the same.

    `groups_N`, from 0, are for deep detectors that know groups; the others take no notice of them.
    `on_checkpoint` is called after each of the `checkpoints` (epochs over all phases, from 1) that does not
    fall into a phase of preparation, and after the last epoch; once, with 0, for closed-form detectors.
    `watch_entropy` lets a deep detector end by EntropyStop: the epoch of least loss entropy is then its last
    checkpoint, whether it was one before or not, and its weights are those of the detector.
    Raises TrialFailed when fewer than half of the members stay finite.
    """
    if isinstance(detector, DeepDetector):
        deep = _DeepFit(detector, x_ND, groups_N, seed, checkpoints, on_checkpoint, device)
        if watch_entropy:
            deep.watch_entropy()
        return deep.run()
    assert isinstance(detector, ClosedFormDetector)
    detector.fit(x_ND, seed=seed)
    on_checkpoint(0)
    return FitReport(losses_SE=None, n_alive=detector.n_members)


class _DeepFit:
    """One fit of one deep detector: the story of `fit`, and what it remembers on the way."""

    def __init__(
        self,
        detector: DeepDetector,
        x_ND: npt.NDArray[np.float32],
        groups_N: npt.NDArray[np.int64] | None,
        seed: int,
        checkpoints: Collection[int],
        on_checkpoint: OnCheckpoint,
        device: str,
    ) -> None:
        if len(x_ND) < MIN_ROWS:
            raise TrialFailed(f"{detector.name} needs at least {MIN_ROWS} rows, got {len(x_ND)}")
        self._detector = detector.to(device)
        self._x_ND = torch.tensor(x_ND, device=device)
        detector.groups_N = None if groups_N is None else torch.tensor(groups_N, device=device)
        self._phases = detector.phases(len(x_ND))
        self._n_epochs = sum(phase.n_epochs for phase in self._phases)
        self._checkpoints = checkpoints
        self._on_checkpoint = on_checkpoint
        self._shuffling = torch.Generator().manual_seed(seed)
        self._noise = torch.Generator(device).manual_seed(seed)
        self._epochs_done = 0
        self._n_members_start = detector.n_members
        self._members = np.arange(detector.n_members)  # who is left, by the numbers they started with
        self._losses: list[npt.NDArray[np.float32]] = []
        self._seed = seed
        self._watch: EntropyWatch | None = None
        self._early_stop = ""

    def watch_entropy(self) -> None:
        """End the last phase by its loss entropy, and keep the weights at the minimum."""
        batch_size = self._phases[-1].batch_size
        self._watch = EntropyWatch(self._detector, self._x_ND, batch_size=batch_size, seed=self._seed)

    def run(self) -> FitReport:
        """Train phase after phase until the end or until a checkpoint says stop."""
        with torch.no_grad():
            self._detector.start(self._x_ND)
        for phase in self._phases:
            if self._train(phase):
                break
        if self._watch is not None and (best_epoch := self._watch.restore()) is not None:
            with torch.no_grad():
                self._detector.finalize(self._x_ND)
            self._on_checkpoint(best_epoch)
        losses_SE = np.stack(self._losses, axis=1)
        return FitReport(losses_SE=losses_SE, n_alive=len(self._members), early_stop=self._early_stop)

    def _train(self, phase: Phase) -> bool:
        """Train one phase; True when a checkpoint or the watch says stop."""
        if phase.before is not None:
            with torch.no_grad():
                phase.before(self._x_ND)
        steps = [StepRunner(step) for step in phase.steps]
        for epoch in range(phase.n_epochs):
            self._train_epoch(phase, steps, epoch)
            if phase.after_epoch is not None:
                with torch.no_grad():
                    phase.after_epoch(self._x_ND, epoch + 1)
            if self._is_checkpoint(phase) and self._stop_at_checkpoint(steps):
                return True
            if self._watch is not None and phase is self._phases[-1]:
                self._early_stop = self._watch.after_epoch(self._epochs_done)
                if self._early_stop:
                    return True
        return False

    def _train_epoch(self, phase: Phase, steps: Sequence[StepRunner], epoch: int) -> None:
        if phase.lr_factor is not None:
            for runner in steps:
                runner.set_lr(phase.lr_factor(epoch))
        alive_S = torch.ones(len(self._members), dtype=torch.bool, device=self._x_ND.device)
        total_S = torch.zeros(len(self._members), device=self._x_ND.device)
        n_seen = 0
        batches = shuffled_batches(
            self._x_ND, phase.batch_size, drop_last=phase.drop_last, generator=self._shuffling
        )
        self._detector.train()
        for x_BD, row_ids in batches:
            losses = [runner.run(self._part(runner, x_BD, row_ids, epoch), alive_S) for runner in steps]
            total_S += losses[0] * len(x_BD)
            n_seen += len(x_BD)
        self._detector.eval()
        self._epochs_done += 1
        self._record(total_S / n_seen, alive_S)
        self._drop(alive_S & total_S.isfinite(), steps)

    def _part(self, runner: StepRunner, x_BD: Tensor, row_ids: Tensor, epoch: int) -> Batch:
        rows = part_of(len(x_BD), runner.step.rows)
        return Batch(x_BD=x_BD[rows], epoch=epoch, generator=self._noise, row_ids=row_ids[rows])

    def _record(self, mean_S: Tensor, alive_S: Tensor) -> None:
        column = np.full(self._n_members_start, np.nan, dtype=np.float32)
        column[self._members] = mean_S.masked_fill(~alive_S, torch.nan).cpu().numpy()
        self._losses.append(np.where(np.isfinite(column), column, np.float32(np.nan)))

    def _drop(self, alive_S: Tensor, steps: Sequence[StepRunner]) -> None:
        """Go on with the members alive. Raises TrialFailed when they are fewer than half."""
        n_alive = int(alive_S.sum())
        if n_alive == len(self._members):
            return
        if 2 * n_alive < self._n_members_start:
            raise TrialFailed(
                f"at least half of the members must stay finite, got {n_alive} of {self._n_members_start} "
                f"after epoch {self._epochs_done}"
            )
        self._detector.keep_members(alive_S)
        for runner in steps:
            runner.keep_members(alive_S)
        self._members = self._members[alive_S.cpu().numpy()]

    def _is_checkpoint(self, phase: Phase) -> bool:
        is_due = self._epochs_done in self._checkpoints or self._epochs_done == self._n_epochs
        return is_due and not phase.is_preparation

    def _stop_at_checkpoint(self, steps: Sequence[StepRunner]) -> bool:
        with torch.no_grad():
            self._detector.finalize(self._x_ND)
        self._drop(self._detector.finite_members(), steps)
        return self._on_checkpoint(self._epochs_done)
