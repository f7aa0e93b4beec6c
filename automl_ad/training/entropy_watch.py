"""Follows the loss entropy of one training, and remembers the weights at its minimum.

Shapes: N rows, D features.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from automl_ad.detectors.base import member_mean
from automl_ad.detectors.deep import DeepDetector
from automl_ad.training.early_stopping import EntropyStop, loss_entropy, patience_in_epochs

N_WATCHED = 1_024
"""Rows of the fixed subset (SELECTION 2)."""


class EntropyWatch:
    """Asked after every epoch of the last phase: scores of earlier phases mean something else.

    The per-row loss is the detector's native score, averaged over the members as in a candidate.
    """

    def __init__(self, detector: DeepDetector, x_ND: Tensor, *, batch_size: int, seed: int) -> None:
        self._detector = detector
        self._x_ND = x_ND
        watched = np.random.default_rng(seed).permutation(len(x_ND))[:N_WATCHED]
        self._watched = x_ND[torch.from_numpy(watched).to(x_ND.device)].cpu().numpy()
        self._patience = patience_in_epochs(math.ceil(len(x_ND) / batch_size))
        self._begin()

    def _begin(self) -> None:
        self._rule = EntropyStop(self._patience)
        self._n_members = self._detector.n_members
        self._best_epoch: int | None = None
        self._best: dict[str, Tensor] = {}

    def after_epoch(self, n_done: int) -> str:
        """Why training shall end after `n_done` epochs; empty: it goes on.

        The loss of a member begins the watch anew: the minimum so far was averaged over that member.
        """
        if self._detector.n_members != self._n_members:
            self._begin()
        decision = self._rule.update(self._entropy())
        if decision.is_best:
            self._best_epoch = n_done
            self._best = {name: tensor.clone() for name, tensor in self._detector.kept_tensors().items()}
        return decision.reason

    def restore(self) -> int | None:
        """The epoch of the minimum, whose weights the detector now has again; None: there is none to keep."""
        if self._best_epoch is None or self._detector.n_members != self._n_members:
            return None
        with torch.no_grad():
            for name, tensor in self._detector.kept_tensors().items():
                tensor.copy_(self._best[name])
        return self._best_epoch

    def _entropy(self) -> float:
        native = self._detector.score_types[0].name
        with torch.no_grad():
            self._detector.finalize(self._x_ND)
        return loss_entropy(member_mean(self._detector.scores(self._watched, [native])[native]))
