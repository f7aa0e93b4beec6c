"""Timestamps and dates: seconds since 1970, and the hour and the weekday as points on a circle.

On a circle 23:59 is next to 00:01. A cycle that did not vary at fit (dates have no hour) is left out. UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.data.conversion import SECONDS_PER_DAY, require_present, seconds_of
from automl_ad.data.marginals import NumberMarginal
from automl_ad.data.scaling import checked_array
from automl_ad.data.schema import Feature

Matrix = npt.NDArray[np.float64]
Cycle = Literal["hour", "weekday"]
CYCLES: tuple[Cycle, ...] = ("hour", "weekday")
MAX_SECONDS = 9.2e12
"""What a timestamp in microseconds can hold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimePlan:
    """The part of a time encoder that is JSON."""

    encoding: Literal["time"] = "time"
    cycles: tuple[Cycle, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TimeEncoder:
    """[seconds, sine and cosine of each cycle, 1 where missing if nullable]."""

    feature: Feature
    plan: TimePlan
    fill: float
    """The median seconds at fit, in place of a missing time; its cycles are then 0, the circle's centre."""
    marginal: NumberMarginal

    @classmethod
    def fit(cls, name: str, column: Any, *, is_nullable: bool = False) -> TimeEncoder:
        """From a column with at least one value; `is_nullable` also where none of these is missing."""
        seconds_N = seconds_of(column, name)
        is_missing_N = np.isnan(seconds_N)
        present = seconds_N[~is_missing_N]
        cycles = tuple(cycle for cycle in CYCLES if np.ptp(_phase(present, cycle)) > 0)
        has_missing = is_nullable or bool(is_missing_N.any())
        flag = f", median where missing, flag {name}__missing" if has_missing else ""
        feature = Feature(
            name=name,
            kind="timestamp",
            arrow_type=str(column.type),
            is_nullable=has_missing,
            policy=", ".join(["seconds since 1970", *(f"{cycle} as sine and cosine" for cycle in cycles)])
            + flag,
        )
        return cls(
            feature=feature,
            plan=TimePlan(cycles=cycles),
            fill=float(np.median(present)),
            marginal=NumberMarginal.fit(seconds_N),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the encoded features."""
        waves = [f"{cycle}_{wave}" for cycle in self.plan.cycles for wave in ("sin", "cos")]
        missing = ["missing"] if self.feature.is_nullable else []
        return tuple(f"{self.feature.name}__{part}" for part in ["seconds", *waves, *missing])

    def encode(self, column: Any) -> Matrix:
        """[N, D]. Raises RowsError for anything but times, and for missing ones unless nullable."""
        seconds_N = seconds_of(column, self.feature.name)
        is_missing_N = np.isnan(seconds_N)
        require_present(is_missing_N, self.feature)
        parts = [np.where(is_missing_N, self.fill, seconds_N)]
        for cycle in self.plan.cycles:
            angle_N = 2 * np.pi * _phase(seconds_N, cycle)
            parts += [np.where(is_missing_N, 0.0, wave(angle_N)) for wave in (np.sin, np.cos)]
        return np.stack([*parts, is_missing_N] if self.feature.is_nullable else parts, axis=1)

    def sample(self, n: int, rng: np.random.Generator) -> pa.Array:
        """Times drawn from the marginal, to the microsecond."""
        seconds_N = np.clip(self.marginal.sample(n, rng), -MAX_SECONDS, MAX_SECONDS)
        is_missing_N = np.isnan(seconds_N)
        micros_N = np.where(is_missing_N, 0.0, seconds_N * 1e6).astype(np.int64)
        return pa.array(micros_N, mask=is_missing_N).cast(pa.timestamp("us"))

    def arrays(self) -> dict[str, Matrix]:
        """`fill` [1] and the marginal."""
        return {"fill": np.array([self.fill]), **self.marginal.arrays()}

    @classmethod
    def from_arrays(
        cls, feature: Feature, plan: TimePlan, arrays: Mapping[str, npt.NDArray[np.generic]], name: str
    ) -> TimeEncoder:
        """The encoder that `arrays` described. Raises ArtifactError naming the array under `name`."""
        fill = float(checked_array(arrays, f"{name}/fill", (1,))[0])
        marginal = NumberMarginal.from_arrays(arrays, name)
        return cls(feature=feature, plan=plan, fill=fill, marginal=marginal)


def _phase(seconds_N: Matrix, cycle: Cycle) -> Matrix:
    """Where in the day, or which of the seven days, as a share of the cycle in [0, 1)."""
    if cycle == "hour":
        return np.mod(seconds_N, SECONDS_PER_DAY) / SECONDS_PER_DAY
    return np.mod(np.floor(seconds_N / SECONDS_PER_DAY), 7) / 7
