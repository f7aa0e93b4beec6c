"""What every deep detector is: S networks as one module, whose tensors all have a leading member axis.

From that one rule follow dropping members, keeping and restoring arrays, and scoring, written once here.
Shapes: S members, N rows, B rows of a block, D features.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from automl_ad.detectors.base import Detector, filled_up
from automl_ad.detectors.phases import Phase
from automl_ad.errors import ArtifactError
from automl_ad.nn import Moments
from automl_ad.results import Arrays, Value

BLOCK_ROWS = 2_048
"""Rows scored at once: the activations of small networks then stay in a core's cache, which made batch
scoring about 1.1 times faster than 8,192 rows did (tests/benchmarks/bench_score.py)."""


class DeepDetector(Detector, nn.Module):
    """S networks of one configuration, trained at once by `training.fit`, in eval mode except within it."""

    block_multiple = 64
    start_weights: Tensor
    groups_N: Tensor | None
    """Group of each training row, 0 to K - 1, int64, on the device of the rows; None when none are known.

    Set before `phases` and `start`; `Batch.row_ids` are its indices. All members share it, so that it has no
    member axis and is no buffer; nothing of it is kept."""

    def __init__(self, params: Mapping[str, Value], n_features: int, n_members: int, seed: int) -> None:
        super().__init__()
        self.params = dict(params)
        self.n_features = n_features
        self.n_members = n_members
        self.seed = seed
        self.groups_N = None
        # A fact of the fit, not of the fitted detector: an artifact does not keep it.
        self.register_buffer("start_weights", torch.zeros(n_members, 0), persistent=False)

    @classmethod
    def build(cls, params: Mapping[str, Value], *, n_features: int, n_members: int, seed: int) -> Self:
        """An untrained detector; see `Detector.build`."""
        return cls(params, n_features, n_members, seed).eval()

    @abstractmethod
    def phases(self, n_rows: int) -> Sequence[Phase]:
        """The whole schedule, in order. Changes nothing."""

    def start(self, x_ND: Tensor) -> None:
        """Compute what training needs from all rows before its first epoch, in eval mode."""
        del x_ND
        self.start_weights = self._watched_weights()

    def finalize(self, x_ND: Tensor) -> None:
        """Compute what scores need from all rows (mean latent, error variances), in eval mode."""
        del x_ND

    @abstractmethod
    def score_block(self, x_BD: Tensor, types: Sequence[str]) -> dict[str, Tensor]:
        """Score type -> [S, B] for the named types."""

    def kept_tensors(self) -> dict[str, Tensor]:
        """The parameters and buffers that scores need, each [S, ...]. All of them unless overridden."""
        return self.state_dict()

    def keep_members(self, alive_S: Tensor) -> None:
        """Drop the members that turned non-finite; `n_members` shrinks, parameters stay the same objects."""
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.data = tensor.data[alive_S]
            tensor.grad = None
        self.n_members = int(alive_S.sum())

    def finite_members(self) -> Tensor:
        """[S] bool, the members that scores can be computed with."""
        finite = [
            tensor.isfinite().view(self.n_members, -1).all(dim=1) for tensor in self.kept_tensors().values()
        ]
        return torch.stack(finite).all(dim=0)

    @property
    def device(self) -> torch.device:
        """Where the networks live."""
        return next(self.parameters()).device

    @torch.inference_mode()
    def scores(
        self, x_ND: npt.NDArray[np.float32], types: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Score type -> [S, N], for all types or only the named ones, in bounded memory."""
        names = [score_type.name for score_type in self.score_types] if types is None else types
        # torch.tensor copies: arrays that Ray shares between workers are read-only.
        rows = torch.tensor(filled_up(x_ND, self.block_multiple), device=self.device)
        blocks = torch.split(rows, BLOCK_ROWS)
        scored = [self.score_block(block_BD, names) for block_BD in blocks]
        return {
            name: torch.cat([block[name] for block in scored], dim=1)[:, : len(x_ND)]
            .to("cpu", torch.float64)
            .numpy()
            for name in names
        }

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Everything fitted, each array [S, ...]."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.kept_tensors().items()}

    def load_arrays(self, arrays: Arrays) -> None:
        """Restore what `arrays` returned, on a detector built with the members alive.

        Raises ArtifactError naming the array and the rule.
        """
        self.adopt_sizes(arrays)
        kept = self.kept_tensors()
        _require(
            arrays.keys() == kept.keys(), f"detector arrays must be {sorted(kept)}, got {sorted(arrays)}"
        )
        for name, tensor in kept.items():
            array = arrays[name]
            expected = np.empty(0, np.float32).dtype
            _require(array.dtype == expected, f"array {name!r} must be {expected}, got {array.dtype}")
            shape = tuple(tensor.shape)
            _require(array.shape == shape, f"array {name!r} must have shape {shape}, got {array.shape}")
            _require(bool(np.isfinite(array).all()), f"array {name!r} must be finite, got NaN or infinity")
        with torch.no_grad():
            for name, tensor in kept.items():
                tensor.copy_(torch.tensor(arrays[name]))

    def adopt_sizes(self, arrays: Arrays) -> None:
        """Take on the sizes that training rows decided and `params` do not tell; most detectors have none.

        The arrays are not checked yet.
        """
        del arrays

    def watched_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters whose movement tells that training did something: all of them unless overridden."""
        return self.parameters()

    def diagnostics(self) -> dict[str, float]:
        """Empty for a detector that was not fitted in this process.

        `weight_change`: movement of the watched parameters relative to their start, mean over the members.
        """
        if self.start_weights.shape[1] == 0:
            return {}
        moved_S = (self._watched_weights() - self.start_weights).norm(dim=1) / self.start_weights.norm(dim=1)
        return {"weight_change": float(moved_S.mean())}

    def _watched_weights(self) -> Tensor:
        return torch.cat([weight.detach().flatten(1) for weight in self.watched_parameters()], dim=1)

    @property
    def n_parameters(self) -> int:
        """Number of fitted values of one member."""
        return sum(tensor[0].numel() for tensor in self.kept_tensors().values())


def row_moments(x_ND: Tensor) -> Moments:
    """Mean and variance of every feature over all rows, as of one member."""
    moments = Moments()
    for x_BD in torch.split(x_ND, BLOCK_ROWS):
        moments.add(x_BD.unsqueeze(0))
    return moments


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise ArtifactError(rule, "the artifact is damaged: export it again")
