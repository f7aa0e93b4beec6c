"""How much of the way from a random trial to the best trial a row goes.

`gain`    sum(row - mean trial) / sum(oracle trial - mean trial): 0 a random trial, 1 the best one;
`regret`  mean of (oracle trial - row) / (oracle trial - mean trial): 1 a random trial, 0 the best one.
The gain lets a dataset count by the room it leaves, the regret lets all count the same (SELECTION 4).
Shapes: G groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from automl_ad.evaluation.bench.bootstrap import ratio_interval
from automl_ad.evaluation.bench.grouping import RegimeTable
from automl_ad.evaluation.bench.measured import Float64Array, Interval, Measured, absent, measured
from automl_ad.evaluation.bench.records import MEAN_TRIAL, ORACLE_TRIAL

MIN_ROOM = 0.001
"""Between a random and the best trial, for a dataset to count in the regret: a ratio to less is noise."""
NO_GROUP = f"no dataset has the row, '{MEAN_TRIAL}' and '{ORACLE_TRIAL}'"
NO_ROOM = "no trial is better than the mean trial"


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """The pooled gain of one row."""

    gain: Measured
    interval: Interval | None
    regret: Measured


def gain_of(table: RegimeTable, row: str) -> Gain:
    """Over the groups that have the row and both references."""
    row_G, mean_G, oracle_G = _common(table, row)
    if not len(row_G):
        return Gain(gain=absent(NO_GROUP), interval=None, regret=absent(NO_GROUP))
    room_G, won_G = oracle_G - mean_G, row_G - mean_G
    if room_G.sum() <= 0:
        return Gain(gain=absent(NO_ROOM), interval=None, regret=absent(NO_ROOM))
    return Gain(
        gain=measured(won_G.sum() / room_G.sum()),
        interval=ratio_interval(won_G, room_G),
        regret=_regret(oracle_G - row_G, room_G),
    )


def _common(table: RegimeTable, row: str) -> Float64Array:
    """[3, G]: the row, the mean trial and the oracle trial where all three are there."""
    figures_3G = np.stack([table.auroc(name) for name in (row, MEAN_TRIAL, ORACLE_TRIAL)])
    return figures_3G[:, np.isfinite(figures_3G).all(axis=0)]


def _regret(missed_G: Float64Array, room_G: Float64Array) -> Measured:
    counts_G = room_G >= MIN_ROOM
    if not counts_G.any():
        return absent(f"on no dataset is the best trial {MIN_ROOM} better than the mean trial")
    return measured((missed_G[counts_G] / room_G[counts_G]).mean())
