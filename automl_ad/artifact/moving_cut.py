"""The threshold as a moving average of mean + b * standard deviation over batches of scores: `ema`.

Rotondi & Lavalle 2022, "Unsupervised anomaly detection in industrial image data with autoencoders", section
3.1, eq. 6; METHODS M07. Shapes: N panel rows, B rows of a batch.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

ALPHA = 0.65
"""METHODS M07: the authors' code."""
BATCH_ROWS = 128
"""The paper's batch; the panel is cut into equal batches of about as many rows."""


def moving_cut(panel_scores_N: npt.NDArray[np.float64], rate: float) -> tuple[float, str]:
    """(threshold, what is to say of it): T <- (1 - a) T + a (mean_B + b std_B), batches in panel order."""
    n_batches = max(1, round(len(panel_scores_N) / BATCH_ROWS))
    # NOTE[DIFF] scores of the finished detector, one step a batch: the paper averages over the batches of an
    # epoch and steps once an epoch, with the weights of that epoch.
    batches = np.array_split(panel_scores_N, n_batches)
    b = deviations(rate)
    # NOTE[DIFF] the first batch sets the threshold: the authors' code starts at 0.5, whatever the scores.
    value = float(batches[0].mean() + b * batches[0].std())
    for scores_B in batches[1:]:
        value = (1 - ALPHA) * value + ALPHA * float(scores_B.mean() + b * scores_B.std())
    return value, f", mean + {b:.3g} standard deviations, averaged over {n_batches:,} batches"


def deviations(rate: float) -> float:
    """b: how many standard deviations above its mean an exponential score lies at the given rate.

    Surprises of the panel are exponential with mean and deviation 1 (`PanelECDF`), so it is exact for them.

    >>> round(deviations(0.01), 2)
    3.61
    """
    # NOTE[DIFF] published: b = 0.3, tuned on labelled rows; it flags 38 % of normally distributed scores, and
    # 27 % of exponential ones.
    return -math.log(rate) - 1
