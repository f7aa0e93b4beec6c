"""Ranks of rows that are drawn from the panel, from the ranks of the panel and without sorting again.

Shapes: K candidates, N panel rows, M rows drawn, L possible ranks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]


def resampled_ranks(ranks_KN: Float32Array, rows_M: npt.NDArray[np.integer]) -> Float32Array:
    """[K, M] what `mean_ranks` says of the scores of these rows, which may repeat.

    Twice a mean rank is a whole number that tied rows, and no others, share: counting how often each of
    these numbers is drawn takes the place of sorting.

    >>> ranks_KN = np.array([[1.0, 2.5, 2.5, 4.0]], dtype=np.float32)
    >>> resampled_ranks(ranks_KN, np.array([3, 3, 1, 0, 2])).tolist()
    [[4.5, 4.5, 2.5, 1.0, 2.5]]
    """
    level_KM = (2 * ranks_KN.take(rows_M, axis=1)).astype(np.intp)
    count_KL = _counts(level_KM, n_levels=2 * ranks_KN.shape[1] + 1)
    n_up_to_KL = count_KL.cumsum(axis=1)
    rank_KL = n_up_to_KL - (count_KL - 1) / 2
    return np.take_along_axis(rank_KL, level_KM, axis=1).astype(np.float32)


def _counts(level_KM: npt.NDArray[np.intp], n_levels: int) -> npt.NDArray[np.intp]:
    """[K, L] how often each level occurs in each line."""
    n_candidates = len(level_KM)
    first_K = n_levels * np.arange(n_candidates)
    flat = (level_KM + first_K[:, None]).ravel()
    return np.bincount(flat, minlength=n_candidates * n_levels).reshape(n_candidates, n_levels)
