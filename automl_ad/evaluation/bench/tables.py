"""The tables of a benchmark: what a search may see of a labelled file, in each regime, and the labels apart.

Regimes are never pooled (SELECTION 4):
`clean`     fit on 60 % of the normal rows, test on the other normal rows and all anomalies;
`natural`   fit and test on the same rows, anomalies as they come;
`injected`  the same with a set share of anomalies, of which, or of the normal rows, some are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from automl_ad.config import DataConfig
from automl_ad.data import read_table
from automl_ad.data.reading import MIN_ROWS
from automl_ad.data.table import fingerprint
from automl_ad.errors import DataError
from automl_ad.evaluation.labels import read_labels

Regime = Literal["natural", "clean", "injected"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
Labels = npt.NDArray[np.bool_]

FIT_SHARE = 0.6
"""Of the normal rows, in the clean regime (SELECTION 4)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One table in one regime with one seed: what is searched once."""

    path: Path
    regime: Regime
    seed: int
    contamination: float | None = None
    """Share of anomalies in the injected regime."""

    @property
    def dataset(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def regime_name(self) -> str:
        """The regime, with its share.

        >>> Case(path=Path("x.parquet"), regime="injected", seed=0, contamination=0.05).regime_name
        'injected-5'
        """
        if self.contamination is None:
            return self.regime
        return f"{self.regime}-{100 * self.contamination:g}"

    @property
    def folder(self) -> Path:
        """Where the case lies below the output folder."""
        return Path(self.dataset) / self.regime_name / f"seed-{self.seed}"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CaseTable:
    """The rows to fit, and the rows to test; None where the fitted rows are tested."""

    fit: pa.Table
    fit_labels: Labels
    test: pa.Table | None = None
    test_labels: Labels | None = None

    @property
    def judged_labels(self) -> Labels:
        """Labels of the rows that metrics are taken on."""
        return self.fit_labels if self.test_labels is None else self.test_labels


def make_table(case: Case, *, label_column: str, max_rows: int) -> CaseTable:
    """The case's rows, at most `max_rows` of the file; the same for the same file and seed.

    Raises DataError when the label column cannot be read as labels, or too few rows of a kind are left.
    """
    source = str(case.path)
    data = DataConfig(sources=(source,), label_column=label_column, max_rows=max_rows)
    table = read_table(data, seed=case.seed)
    labels = read_labels((source,), label_column, table.row_positions)
    rng = np.random.default_rng(case.seed)
    if case.regime == "clean":
        return _clean(table.columns, labels, rng, case)
    rows = np.arange(len(labels))
    if case.regime == "injected":
        rows = _injected(labels, case, rng)
    _require(len(rows) >= MIN_ROWS and bool(labels[rows].any()), case, len(rows))
    return CaseTable(fit=table.columns.take(rows), fit_labels=labels[rows])


def write_case(folder: Path, table: CaseTable) -> None:
    """`fit.parquet`, without labels, and `test.parquet` where there is one: all that a search may read."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.fit, folder / "fit.parquet")
    if table.test is not None:
        pq.write_table(table.test, folder / "test.parquet")


def is_written(folder: Path, table: CaseTable) -> bool:
    """Whether the folder holds just these rows."""
    return _holds(folder / "fit.parquet", table.fit) and _holds(folder / "test.parquet", table.test)


def _holds(path: Path, rows: pa.Table | None) -> bool:
    if rows is None or not path.exists():
        return rows is None and not path.exists()
    return fingerprint(pq.read_table(path)) == fingerprint(rows)


def _clean(columns: pa.Table, labels: Labels, rng: np.random.Generator, case: Case) -> CaseTable:
    normals = rng.permutation(np.flatnonzero(~labels))
    n_fit = round(FIT_SHARE * len(normals))
    fit = np.sort(normals[:n_fit])
    test = np.sort(np.concatenate([normals[n_fit:], np.flatnonzero(labels)]))
    n_fewer = min(len(fit), len(test))
    _require(n_fewer >= MIN_ROWS, case, n_fewer)
    return CaseTable(
        fit=columns.take(fit),
        fit_labels=labels[fit],
        test=columns.take(test),
        test_labels=labels[test],
    )


def _injected(labels: Labels, case: Case, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows with the wanted share: all of the kind that is scarce, a sample of the other."""
    assert case.contamination is not None
    odds = case.contamination / (1 - case.contamination)
    normals, anomalies = (rng.permutation(np.flatnonzero(labels == kind)) for kind in (False, True))
    n_anomalies = min(len(anomalies), round(odds * len(normals)))
    n_normals = min(len(normals), round(n_anomalies / odds))
    rows: npt.NDArray[np.int64] = np.sort(np.concatenate([normals[:n_normals], anomalies[:n_anomalies]]))
    return rows


def _require(holds: bool, case: Case, n_rows: int) -> None:
    if not holds:
        raise DataError(
            f"{case.path} must leave at least {MIN_ROWS} rows to fit, as many to test and one anomaly to the "
            f"regime {case.regime_name}, got {n_rows} rows",
            "leave the file or the regime out, or raise --max-rows",
        )
