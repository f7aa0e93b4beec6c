"""What a benchmark measured: named rows for each dataset, regime and seed, and the names that mean something.

A row is one way to choose, such as the shipped output, the mean over trials, or one detector's defaults. Rows
whose names are not listed here are shown and compared all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from automl_ad.errors import DataError, listing
from automl_ad.results import Metrics, Value

OUTPUT = "output"
"""The default output, an ensemble or one candidate: whatever ships."""
BEST = "best"
"""The single selected candidate."""
MEAN_TRIAL = "mean trial"
"""What a random trial is worth: the mean over trials of the native score after the last epoch."""
MEDIAN_TRIAL = "median trial"
ORACLE_TRIAL = "oracle trial"
"""The best trial, native score after the last epoch, chosen with labels."""
ORACLE_CANDIDATE = "oracle candidate"
"""The best of all candidates, chosen with labels."""
ANCHORS = "anchors"
KNN = "knn"
"""The baseline: 50 neighbours, z-scored columns."""
ISOLATION_FOREST = "isolation_forest"
ISOLATION_FOREST_AND_KNN = "isolation_forest + knn"
KNN_10 = "peer: knn_10"
DEFAULT_PREFIX = "default: "
"""Begins the row of a detector's published defaults."""
ONLY_PREFIX = "only: "
"""Begins the row of the candidate that one criterion alone puts first."""
NPD = f"{ONLY_PREFIX}pseudo_discrepancy"
"""AutoUAD's criterion."""

ORACLES = (ORACLE_TRIAL, ORACLE_CANDIDATE)
"""Rows that know the labels: references, never competitors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetOutcome:
    """One dataset in one regime, searched with one seed."""

    dataset: str
    family: str
    """Related datasets share it and count together as one; the dataset's own name where none is related."""
    regime: str
    """`clean`, `natural`, or `injected-PERCENT`."""
    seed: int
    n_rows: int
    n_anomalies: int
    n_trials: int
    seconds: float
    rows: Mapping[str, Metrics]
    """Row -> finite metrics; a row that could not be made is missing."""
    criteria: Mapping[str, float] = field(default_factory=dict)
    """Criterion -> its Spearman correlation with AUROC over the candidates, signed so that 1 is best."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Row -> why it is missing, and whatever else a reader should know."""

    def __post_init__(self) -> None:
        wrong = [name for name, m in self.rows.items() if not _is_finite(m.auroc, m.average_precision)]
        wrong += [name for name, value in self.criteria.items() if not _is_finite(value)]
        if wrong:
            raise ValueError(f"figures of an outcome must be finite, got others for {listing(wrong)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchReport:
    """Everything that was measured, and the settings it was measured with."""

    outcomes: tuple[DatasetOutcome, ...]
    config: Mapping[str, Value | None] = field(default_factory=dict)
    format: Literal[1] = 1


_REPORT = TypeAdapter(BenchReport)


def _is_finite(*values: float) -> bool:
    return all(map(math.isfinite, values))


def report_to_json(report: BenchReport) -> bytes:
    """The report as JSON; `report_from_json` gives it back equal."""
    return _REPORT.dump_json(report, indent=2)


def report_from_json(text: bytes | str, *, source: Path | None = None) -> BenchReport:
    """The report in a JSON text. DataError names the field that is missing or wrong."""
    try:
        return _REPORT.validate_json(text)
    except ValidationError as error:
        raise DataError(f"{source or 'text'} must be the report of a benchmark, got {error}") from error
