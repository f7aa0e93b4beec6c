"""What the closed-form family shares: state that is nothing but checked arrays, and scoring in row blocks.

A fit ends by loading its own arrays, so a detector read back from a file scores bit for bit like the one
that was judged. Shapes: N rows, D features.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from automl_ad.detectors.base import ClosedFormDetector, filled_up
from automl_ad.errors import ArtifactError, TrialFailed
from automl_ad.results import Arrays, Value

BLOCK_VALUES = 2**22
"""Float64 values a block of rows may fill at once: 32 MB, a few of which fit any worker."""

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


class CheckedArrays:
    """Arrays handed out one by one, each only with the dtype, shape and finiteness that were asked for."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self.taken: dict[str, npt.NDArray[np.generic]] = {}

    def take(self, name: str, dtype: type[np.generic], *shape: int | None) -> npt.NDArray[Any]:
        """The named array, contiguous; None in `shape` stands for any length of at least 1.

        Raises ArtifactError naming the array and the rule.
        """
        array = self._arrays.get(name)
        require_array(array is not None, name, "be present", f"only {sorted(self._arrays)}")
        assert array is not None
        expected = np.dtype(dtype).name
        require_array(array.dtype == dtype, name, f"be {expected}", f"{array.dtype}")
        require_array(fits(array.shape, shape), name, f"have shape {shape}", f"{array.shape}")
        if np.issubdtype(dtype, np.floating):
            require_array(bool(np.isfinite(array).all()), name, "be finite", "NaN or infinity")
        self.taken[name] = np.ascontiguousarray(array)
        return self.taken[name]


def require_array(holds: bool, name: str, rule: str, got: str) -> None:
    """Raise ArtifactError about the named array unless the rule holds."""
    if not holds:
        raise ArtifactError(
            f"detector array {name!r} must {rule}, got {got}", "the artifact is damaged: export it again"
        )


def fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    """Whether the shape is the expected one, None meaning any length of at least 1.

    >>> fits((3, 2), (None, 2)), fits((0, 2), (None, 2))
    (True, False)
    """
    return len(shape) == len(expected) and all(
        got == want if want is not None else got >= 1 for got, want in zip(shape, expected, strict=True)
    )


class ArrayDetector(ClosedFormDetector):
    """A closed-form detector: `estimate` the arrays, `adopt` them, `evaluate` rows with them."""

    def __init__(self, params: Mapping[str, Value], n_features: int) -> None:
        self.n_features = n_features
        self._arrays: dict[str, npt.NDArray[np.generic]] = {}
        self.read(params)

    @classmethod
    def build(cls, params: Mapping[str, Value], *, n_features: int, n_members: int, seed: int) -> Self:
        """An unfitted detector of one member; see `Detector.build`."""
        del n_members, seed
        return cls(params, n_features)

    @abstractmethod
    def read(self, params: Mapping[str, Value]) -> None:
        """Set the hyperparameters. Raises TrialFailed for values the method cannot use."""

    @abstractmethod
    def estimate(self, x_ND: Float32Array, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """The fitted arrays. Raises TrialFailed when the rows do not allow them."""

    @abstractmethod
    def adopt(self, arrays: CheckedArrays) -> None:
        """Take the arrays and whatever is derived from them. Raises ArtifactError."""

    @abstractmethod
    def evaluate(self, x_ND: Float32Array) -> dict[str, Float64Array]:
        """Score type -> [N], for every type, on one block of rows."""

    @property
    @abstractmethod
    def values_per_row(self) -> int:
        """Values that `evaluate` needs at once for one row; sets the size of the blocks."""

    def fit(self, x_ND: Float32Array, *, seed: int) -> None:
        """Estimate and adopt. Raises TrialFailed when the rows do not allow it."""
        if len(x_ND) < 2:
            raise TrialFailed(f"{self.name} needs at least 2 rows, got {len(x_ND)}")
        self.load_arrays(self.estimate(x_ND, seed))

    def scores(self, x_ND: Float32Array, types: Sequence[str] | None = None) -> dict[str, Float64Array]:
        """Score type -> [1, N]; memory stays bounded however many rows there are."""
        rows_ND = filled_up(x_ND, self.block_multiple)
        n_blocks = max(1, BLOCK_VALUES // (self.values_per_row * self.block_multiple))
        step = n_blocks * self.block_multiple
        blocks = [self.evaluate(rows_ND[start : start + step]) for start in range(0, max(1, len(x_ND)), step)]
        names = types if types is not None else [score_type.name for score_type in self.score_types]
        return {name: np.concatenate([block[name] for block in blocks])[None, : len(x_ND)] for name in names}

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Everything fitted."""
        return dict(self._arrays)

    def load_arrays(self, arrays: Arrays) -> None:
        """Restore what `arrays` returned. Raises ArtifactError."""
        checked = CheckedArrays(arrays)
        self.adopt(checked)
        self._arrays = checked.taken

    @property
    def n_parameters(self) -> int:
        """Number of fitted values."""
        return sum(array.size for array in self._arrays.values())


def subsample(x_ND: Float32Array, max_rows: int, seed: int) -> Float32Array:
    """At most `max_rows` of the rows, drawn without replacement, in their own order."""
    if len(x_ND) <= max_rows:
        return x_ND
    chosen = np.random.default_rng(seed).choice(len(x_ND), max_rows, replace=False)
    return x_ND[np.sort(chosen)]


def squared_distances(x_ND: Float64Array, rows_MD: Float64Array, norms_M: Float64Array) -> Float64Array:
    """[N, M] squared Euclidean distances by one matrix product, `norms_M` being the rows' squared norms.

    Accurate to about 1e-16 times the squared norms: enough for a kernel, not for telling duplicates.
    """
    products_NM = x_ND @ rows_MD.T
    products_NM *= -2.0
    products_NM += norms_M
    products_NM += np.square(x_ND).sum(axis=1)[:, None]
    return np.maximum(products_NM, 0.0, out=products_NM)
