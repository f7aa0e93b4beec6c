"""How far the rows of today are from the training panel: the population stability index of their scores.

The bins are deciles of the percentile, so a model's own scale never matters. The panel is not quite uniform
over them (rows of equal score share a percentile), so it is binned like the rows. Shapes: M rows, B bins.

PSI = sum over bins of (share now - share then) * ln(share now / share then), the symmetric Kullback-Leibler
divergence. By custom (Siddiqi, Credit Risk Scorecards, Wiley 2006) below .1 the rows are as before, from .1
to .25 somebody should look, above .25 they are others. Without any drift it is near (B - 1) * (1 / M + 1 / N)
for M rows and a panel of N (Yurdakul, Western Michigan University 2018), so it is not told below MIN_ROWS.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

N_BINS = 10
WINDOW_ROWS = 10_000
"""About so many rows are compared: without drift the PSI is then .001 beside that of the panel's size."""
MIN_ROWS = 500
"""Without drift and with a large panel the PSI of so many is about .02."""
_N_BLOCKS = 20
_UPPER_EDGES = np.arange(10.0, 100.0, 10.0)
_PRIOR = 0.5
"""Added to every bin (Jeffreys), since the logarithm of an empty one is infinite."""


def decile_counts(percentiles_M: npt.NDArray[np.float64]) -> Counts:
    """[B] rows in each decile of the percentile, the upper edge included.

    >>> decile_counts(np.array([0.0, 10.0, 10.1, 100.0])).tolist()
    [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]
    """
    bins_M = np.searchsorted(_UPPER_EDGES, percentiles_M, side="left")
    return np.bincount(bins_M, minlength=N_BINS)


def stability_index(now_B: Counts, then_B: Counts) -> float:
    """The PSI between two counts of the same bins; 0 for equal shares, no upper end."""
    now, then = _shares(now_B), _shares(then_B)
    return float(np.sum((now - then) * np.log(now / then)))


class ScoreWindow:
    """Counts of about the last WINDOW_ROWS rows, in blocks: the oldest leaves when the rest suffices."""

    def __init__(self, panel_B: Counts | None = None) -> None:
        """`panel_B`: the panel's own counts; None takes a tenth for each decile."""
        self._panel_B = np.full(N_BINS, WINDOW_ROWS) if panel_B is None else panel_B
        self._total_B = np.zeros(N_BINS, dtype=np.int64)
        self._blocks: deque[Counts] = deque()
        self._n_rows = self._n_newest = 0

    def add(self, counts_B: Counts, n_rows: int) -> None:
        """Take in `n_rows` rows with these counts. Rows that are handed in together leave together."""
        if not self._blocks or self._n_newest >= WINDOW_ROWS // _N_BLOCKS:
            self._blocks.append(np.zeros(N_BINS, dtype=np.int64))
            self._n_newest = 0
        self._blocks[-1] += counts_B
        self._total_B += counts_B
        self._n_newest += n_rows
        self._n_rows += n_rows
        if self._n_rows > WINDOW_ROWS:
            self._forget()

    def psi(self) -> float | None:
        """PSI of the window against the panel; None below MIN_ROWS rows."""
        return None if self._n_rows < MIN_ROWS else stability_index(self._total_B, self._panel_B)

    def _forget(self) -> None:
        while len(self._blocks) > 1:
            n_oldest = int(self._blocks[0].sum())
            if self._n_rows - n_oldest < WINDOW_ROWS:
                return
            self._total_B -= self._blocks.popleft()
            self._n_rows -= n_oldest


def _shares(counts_B: Counts) -> npt.NDArray[np.float64]:
    filled_B = counts_B.astype(np.float64) + _PRIOR
    return np.asarray(filled_B / filled_B.sum(), dtype=np.float64)
