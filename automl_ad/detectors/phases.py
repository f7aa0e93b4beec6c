"""How a deep detector wants to be trained: phases of epochs, each a list of steps per batch.

This one idea covers warm-up, pretraining, alternating networks and DASVDD's split of a batch
(METHODS 4.1, "Schedule"). Shapes: S members, N rows, B batch rows, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSpec:
    """Which torch optimizer a step uses. `options` go to its constructor as they are."""

    kind: Literal["adam", "sgd", "rmsprop", "adagrad"] = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """What a loss sees: the step's rows of the batch, and where training stands."""

    x_BD: Tensor
    epoch: int
    """From 0, within the phase."""
    generator: torch.Generator
    """The only source of randomness in a loss; lives on the device of the rows.

    Draws have no member axis: members share noise as they share batches, so that a member's training does
    not depend on who else is still alive.
    """
    row_ids: Tensor
    """[B], positions in the training rows."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Step:
    """One optimizer step of a batch: which loss, which parameters, which rows."""

    name: str
    loss: Callable[[Batch], Tensor]
    """-> [S], every member's mean loss over the rows; members never mix."""
    parameters: Sequence[nn.Parameter]
    """Each with a leading member axis. No others receive a gradient from this step."""
    optimizer: OptimizerSpec = field(default_factory=OptimizerSpec)
    rows: tuple[float, float] = (0.0, 1.0)
    """Share of each batch this step sees: (0, 0.9) and (0.9, 1) is DASVDD's kappa split."""
    repeats: int = 1
    """Optimizer steps per batch, each with fresh noise: a critic that runs ahead of its opponent."""
    after: Callable[[Batch], None] | None = None
    """Called without gradient after the step, for state learnt outside gradient descent (a radius) and for
    parameters that live within bounds (a clipped critic)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Phase:
    """A stretch of training: warm-up, pretraining, joint training."""

    name: str
    n_epochs: int
    steps: Sequence[Step]
    """In order, for every batch. The first one's loss is the curve that is reported."""
    batch_size: int = 128
    drop_last: bool = False
    """Leave a smaller last batch out, where few rows would hurt: batch normalization, split batches.

    Data that fit in one batch are always trained on whole.
    """
    is_preparation: bool = False
    """True: the detector cannot be scored yet, so the phase has no checkpoints."""
    before: Callable[[Tensor], None] | None = None
    """Called with all rows [N, D] in eval mode, without gradient, before the first epoch (a centre)."""
    after_epoch: Callable[[Tensor, int], None] | None = None
    """Called like `before` with the number of epochs of this phase that are done, after every epoch and
    before its checkpoint (an outlier matrix, thresholds)."""
    lr_factor: Callable[[int], float] | None = None
    """Epoch -> factor on every learning rate; None means 1."""
