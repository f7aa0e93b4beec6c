"""What every detector is: built from a config, fitted, scored, and nothing but arrays when it is kept.

Shapes: S members, N rows, D features. Scores are higher = stranger, always.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

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
    max_members_on_cpu: ClassVar[int | None] = None
    """More networks at once than this are not worth their time without a GPU (DESIGN D2); None: no limit."""

    block_multiple: ClassVar[int] = 1
    """Rows are scored in multiples of this, see `filled_up`, so that no score depends on the rows beside it:
    kernels of torch and BLAS round a single row, and the end of a block, unlike the middle of one."""

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
        """Everything fitted, as plain arrays: what an artifact keeps. Empty: it can only be compared with."""

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


def filled_up(x_ND: npt.NDArray[np.float32], multiple: int) -> npt.NDArray[np.float32]:
    """The rows in C order, then copies of the last one up to a multiple of `multiple` rows."""
    n_rows = len(x_ND)
    n_missing = -n_rows % multiple
    if not n_missing:
        return np.ascontiguousarray(x_ND)
    filled = np.empty((n_rows + n_missing, x_ND.shape[1]), x_ND.dtype)
    filled[:n_rows], filled[n_rows:] = x_ND, x_ND[-1]
    return filled


def member_mean(scores_SN: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """[N], the mean over the members: what a candidate is judged by and an artifact answers with."""
    mean_N: npt.NDArray[np.float32] = scores_SN.mean(axis=0).astype(np.float32)
    return mean_N
