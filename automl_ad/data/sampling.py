"""A uniform sample of rows, chosen before reading and picked out of the stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def choose_positions(n_rows: int, max_rows: int, *, seed: int) -> npt.NDArray[np.int64]:
    """At most `max_rows` of the positions 0..n_rows-1, ascending, every subset equally likely.

    >>> choose_positions(3, 20, seed=0)
    array([0, 1, 2])
    """
    if n_rows <= max_rows:
        return np.arange(n_rows, dtype=np.int64)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_rows, size=max_rows, replace=False, shuffle=False)).astype(np.int64)


def pick_rows(
    batches: Iterable[pa.RecordBatch], positions: npt.NDArray[np.int64]
) -> Iterator[pa.RecordBatch]:
    """The rows at the ascending positions. Stops reading after the last one; holds one batch at a time."""
    start = n_done = 0
    for batch in batches:
        if n_done == len(positions):
            return
        stop = int(np.searchsorted(positions, start + len(batch)))
        wanted = positions[n_done:stop] - start
        if len(wanted):
            yield batch if len(wanted) == len(batch) else batch.take(pa.array(wanted))
        start, n_done = start + len(batch), stop
