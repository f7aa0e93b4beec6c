"""What every detector is: built from a config, fitted closed-form or phase by phase, and scored.

Shapes: S members, N rows, B batch rows, D features, Z latent. Scores are higher = stranger, always.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from automl_ad.results import Arrays, Value


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreType:
    """One post-hoc way to read a fitted detector. The first of a detector is its native, published score."""

    name: str
    meaning: str
    """One phrase with the equation or source."""


class Detector(ABC):
    """A detector of one configuration, with S members."""

    name: ClassVar[str]
    score_types: ClassVar[tuple[ScoreType, ...]]

    n_features: int
    n_members: int

    @classmethod
    @abstractmethod
    def build(cls, params: Mapping[str, Value], *, n_features: int, n_members: int, seed: int) -> Self:
        """An unfitted detector. Parameters not given take the published default.

        Closed-form detectors ignore `n_members` and have one. Raises TrialFailed when the parameters
        cannot work with `n_features`.
        """

    @abstractmethod
    def scores(
        self, x_ND: npt.NDArray[np.float32], types: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Score type -> [S, N], for all types or only the named ones. Never changes the detector."""

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Everything fitted, as plain arrays: what an artifact keeps."""

    @abstractmethod
    def load_arrays(self, arrays: Arrays) -> None:
        """Restore what `arrays` returned, on a detector built with the same params and sizes.

        Every shape and every index is checked; ArtifactError names the array and the rule.
        """

    @property
    @abstractmethod
    def n_parameters(self) -> int:
        """Number of fitted values of one member."""

    def diagnostics(self) -> dict[str, float]:
        """Facts of the fit that criteria and vetoes use; see `Candidate.diagnostics`."""
        return {}


class ClosedFormDetector(Detector):
    """Fitted in one call: the classical family. `n_members` is 1."""

    n_members = 1

    @abstractmethod
    def fit(self, x_ND: npt.NDArray[np.float32], *, seed: int) -> None:
        """Fit on all rows. Raises TrialFailed when the rows do not allow it."""


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
    """The only source of randomness in a loss."""
    row_ids: Tensor
    """[B], positions in the training rows."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Step:
    """One optimizer step of a batch: which loss, which parameters, which rows."""

    name: str
    loss: Callable[[Batch], Tensor]
    """-> [S], every member's mean loss over the rows; members never mix."""
    parameters: Sequence[nn.Parameter]
    """Each with a leading member axis."""
    optimizer: OptimizerSpec = field(default_factory=OptimizerSpec)
    rows: tuple[float, float] = (0.0, 1.0)
    """Share of each batch this step sees: (0, 0.9) and (0.9, 1) is DASVDD's kappa split."""
    after: Callable[[Batch], None] | None = None
    """Called without gradient after the step, for state learnt outside gradient descent (a radius)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Phase:
    """A stretch of training: warm-up, pretraining, joint training."""

    name: str
    n_epochs: int
    steps: Sequence[Step]
    batch_size: int = 128
    before: Callable[[Tensor], None] | None = None
    """Called with all rows [N, D] in eval mode before the first epoch (a centre, gamma)."""
    lr_factor: Callable[[int], float] | None = None
    """Epoch -> factor on every learning rate; None means 1."""


class DeepDetector(Detector, nn.Module):
    """S networks of one configuration, trained at once by `training.fit`."""

    @abstractmethod
    def phases(self, n_rows: int) -> Sequence[Phase]:
        """The whole schedule, in order."""

    def finalize(self, x_ND: Tensor) -> None:
        """Compute what scores need from all rows (mean latent, error variances), in eval mode."""
        del x_ND

    @abstractmethod
    def keep_members(self, alive_S: Tensor) -> None:
        """Drop the members that turned non-finite; `n_members` shrinks."""


def member_mean(scores_SN: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """[N], the score of a candidate: the mean over its members. NaN and infinity stay, to be vetoed."""
    with np.errstate(over="ignore", invalid="ignore"):
        return scores_SN.mean(axis=0).astype(np.float32)
