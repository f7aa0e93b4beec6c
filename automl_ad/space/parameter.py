"""One dimension of a search space: which values it allows, and how one is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from automl_ad.results import Value

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["float", "int", "categorical"]

STEP_TOLERANCE = 1e-6
"""In steps: 0.5 + 3 * 0.15 is not exactly 0.95 in binary."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameter:
    """A parameter with its bounds or choices. Loading has checked that they make sense together."""

    name: str
    kind: Kind
    low: int | float | None = None
    high: int | float | None = None
    """Both ends belong to the range."""
    log: bool = False
    step: int | float | None = None
    choices: tuple[Value, ...] = ()
    default: Value | None = None
    """The published value; None when `default_rule` gives it."""
    default_rule: str = ""
    """How the detector derives the value from the data when the config leaves the parameter out."""
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    """Earlier parameter -> the values for which this one exists; all must hold."""

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value of a numeric parameter."""
        assert self.low is not None
        assert self.high is not None
        return self.low, self.high

    @property
    def value_type(self) -> type:
        """The Python type of every value."""
        if self.kind == "categorical":
            return type(self.choices[0])
        return int if self.kind == "int" else float

    def problem(self, value: object) -> str:
        """The rule that `value` breaks, as "must be ..."; empty when it is allowed."""
        if self.kind == "categorical":
            allowed = any(is_same(value, choice) for choice in self.choices)
            return "" if allowed else f"must be one of {', '.join(map(repr, self.choices))}"
        if self.kind == "int" and (not isinstance(value, int) or isinstance(value, bool)):
            return "must be an integer"
        if not isinstance(value, int | float) or isinstance(value, bool):
            return "must be a number"
        low, high = self.bounds
        if not low <= value <= high:
            return f"must be in [{low}, {high}]"
        if self.step is not None and not is_multiple(value - low, self.step):
            return f"must be {low} plus a multiple of {self.step}"
        return ""

    def sample(self, rng: np.random.Generator) -> Value:
        """A value drawn uniformly, on the log scale where `log` says so; both ends can occur."""
        if self.kind == "categorical":
            return self.choices[int(rng.integers(len(self.choices)))]
        low, high = self.bounds
        if self.step is not None:
            value = min(high, low + self.step * int(rng.integers(round((high - low) / self.step) + 1)))
            return int(value) if self.kind == "int" else float(value)
        return self._sample_int(rng) if self.kind == "int" else self._sample_float(rng)

    def _sample_int(self, rng: np.random.Generator) -> int:
        low, high = self.bounds
        if not self.log:
            return int(rng.integers(int(low), int(high) + 1))
        # Half a unit beyond both ends gives them the share of the log range that rounds to them.
        value = round(math.exp(rng.uniform(math.log(low - 0.5), math.log(high + 0.5))))
        return int(min(max(value, low), high))

    def _sample_float(self, rng: np.random.Generator) -> float:
        low, high = self.bounds
        if not self.log:
            return float(rng.uniform(low, high))
        value = math.exp(rng.uniform(math.log(low), math.log(high)))
        return min(max(value, low), high)

    def capped(self, cap: int) -> Parameter:
        """This parameter with neither its upper end nor its default above `cap`."""
        _, high = self.bounds
        default = self.default if self.default is None else min(int(self.default), cap)
        return replace(self, high=min(int(high), cap), default=default)


def is_same(value: object, other: object) -> bool:
    """Whether two values are equal and mean the same: True is not 1."""
    return isinstance(value, bool) == isinstance(other, bool) and value == other


def is_multiple(distance: float, step: float) -> bool:
    """Whether `distance` is a whole number of steps, up to rounding."""
    n_steps = distance / step
    return abs(n_steps - round(n_steps)) <= STEP_TOLERANCE
