"""From sources to a Table: one common schema, labels, ids and groups projected away, a sample of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.config import DataConfig
from automl_ad.data.common import common_schema
from automl_ad.data.files import count_rows, file_batches
from automl_ad.data.groups import group_ids, group_names
from automl_ad.data.sampling import choose_positions, pick_rows
from automl_ad.data.sources import SourceFile, find_files
from automl_ad.data.table import Table, fingerprint
from automl_ad.errors import ConfigError, DataError, did_you_mean

MIN_ROWS = 20
"""Fewer rows cannot be told normal from strange: a quantile of 5 % is already less than one row."""
BATCH_ROWS = 8192


def read_table(config: DataConfig, *, seed: int) -> Table:
    """The rows to search on; a uniform sample when the source has more than `config.max_rows`.

    The label column is never loaded (DESIGN D1). The same seed and source give the same rows. Memory: the
    sample and one batch. Raises DataError naming file or column.
    """
    files = find_files(config.sources)
    schema = common_schema(files, exact=config.id_column)
    features = _feature_names(schema.names, config)
    n_rows = sum(count_rows(file) for file in files)
    _require_rows(n_rows, config.sources)
    positions = choose_positions(n_rows, config.max_rows, seed=seed)
    beside = [name for name in (config.id_column, config.group_column) if name]
    table = _read_at(files, _project(schema, [*features, *beside]), positions)
    columns = table.select(features)
    group_column = config.group_column
    groups_N = group_names_K = None
    if group_column:
        groups_N = group_ids(table.column(group_column), group_column)
        group_names_K = group_names(table.column(group_column), group_column, groups_N)
    return Table(
        columns=columns,
        row_ids=table.column(config.id_column).combine_chunks() if config.id_column else None,
        row_positions=positions,
        n_source_rows=n_rows,
        fingerprint=fingerprint(columns, groups_N),
        sources=tuple(file.name for file in files),
        groups_N=groups_N,
        group_names=group_names_K,
    )


def iter_batches(
    sources: Sequence[str],
    columns: Sequence[str],
    *,
    batch_rows: int = BATCH_ROWS,
    id_column: str | None = None,
) -> Iterator[pa.RecordBatch]:
    """All rows in order, only the named columns (and the id column last), in constant memory.

    Raises DataError at the first batch when a column is missing.
    """
    files = find_files(sources)
    schema = common_schema(files, exact=id_column)
    wanted = [*columns, *([id_column] if id_column and id_column not in columns else [])]
    _require_columns(wanted, schema.names, "a column to read")
    yield from _scan(files, _project(schema, wanted), batch_rows)


def read_column_at(sources: Sequence[str], column: str, positions: npt.NDArray[np.int64]) -> pa.Array:
    """The values of one column at ascending row positions: how evaluation gets at labels, and nobody else."""
    files = find_files(sources)
    schema = common_schema(files, exact=column)
    _require_columns([column], schema.names, "a column to read")
    return _read_at(files, _project(schema, [column]), positions).column(column).combine_chunks()


def _feature_names(available: Sequence[str], config: DataConfig) -> list[str]:
    """The columns left as features, in file order."""
    if config.id_column is not None and config.id_column == config.label_column:
        raise ConfigError(
            f"--id-column must not be the label column, got '{config.id_column}' for both",
            "labels are kept out of everything the search writes",
        )
    if config.group_column is not None and config.group_column in (config.label_column, config.id_column):
        raise ConfigError(
            f"--group-column must not be the label or id column, got '{config.group_column}' for both",
            "labels are kept out of the search, and every row has an id of its own",
        )
    roles = {
        "--label-column": config.label_column,
        "--id-column": config.id_column,
        "--group-column": config.group_column,
    }
    for role, name in roles.items():
        _require_columns([name] if name else [], available, role)
    _require_columns(config.drop, available, "--drop")
    not_features = {*roles.values(), *config.drop}
    features = [name for name in available if name not in not_features]
    if not features:
        raise DataError("at least one feature column must be left, got none", "drop fewer columns")
    return features


def _require_columns(names: Iterable[str], available: Sequence[str], role: str) -> None:
    for name in names:
        if name not in available:
            raise DataError(f"{role} must be in the data, got '{name}'", did_you_mean(name, available))


def _require_rows(n_rows: int, sources: Sequence[str]) -> None:
    if n_rows < MIN_ROWS:
        found = "no rows" if n_rows == 0 else f"{n_rows} rows"
        raise DataError(
            f"the data must have at least {MIN_ROWS} rows, got {found} in {', '.join(sources)}",
            "give more data",
        )


def _project(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names])


def _read_at(files: Sequence[SourceFile], schema: pa.Schema, positions: npt.NDArray[np.int64]) -> pa.Table:
    batches = pick_rows(_scan(files, schema, BATCH_ROWS), positions)
    return pa.Table.from_batches(list(batches), schema).combine_chunks()


def _scan(files: Sequence[SourceFile], schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
    for file in files:
        yield from file_batches(file, schema, batch_rows)
