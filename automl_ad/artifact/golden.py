"""Rows kept with their scores, so that an artifact proves on loading that it still scores as it did.

The rows are drawn feature by feature from the marginals: nobody's row, and no file of a customer's rows.
Shape: M = 32 rows.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from automl_ad.artifact.manifest import EXPORT_AGAIN
from automl_ad.errors import ArtifactError

N_GOLDEN_ROWS = 32
RTOL = 1e-4
"""DESIGN D8: float32 networks on another machine or torch agree within this."""
MAX_GOLDEN_BYTES = 256 * 2**20
"""Uncompressed; 32 images of 3 x 512 x 512 numbers take 200 MB."""


def golden_file(rows: pa.Table, expected_M: npt.NDArray[np.float64]) -> bytes:
    """The content of golden.parquet: the features, then the expected scores as the last column."""
    if not np.isfinite(expected_M).all():
        raise ArtifactError(
            "the detector gives scores that are not finite on rows drawn from the marginals",
            "select another candidate",
        )
    sink = io.BytesIO()
    pq.write_table(rows.append_column("anomaly_score", pa.array(expected_M)), sink)
    return sink.getvalue()


def read_golden(content: bytes, path: Path) -> tuple[pa.Table, npt.NDArray[np.float64]]:
    """(rows, expected scores) in the bytes of the file at `path`. Raises ArtifactError."""
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        _require_small(file.metadata, path)
        table = _read_once_each(content, file, path)
    except (pa.ArrowException, OSError) as error:
        raise ArtifactError(f"{path}: must be a parquet file, got: {error}", EXPORT_AGAIN) from error
    last = table.num_columns - 1
    if table.num_rows != N_GOLDEN_ROWS or last < 1 or table.column(last).type != pa.float64():
        raise ArtifactError(
            f"{path}: must hold {N_GOLDEN_ROWS} rows of features and a last column of double scores, "
            f"got {table.num_rows} rows and {table.num_columns} columns",
            EXPORT_AGAIN,
        )
    return table.remove_column(last), table.column(last).to_numpy()


def require_same_scores(
    expected_M: npt.NDArray[np.float64], scores_M: npt.NDArray[np.float64], path: Path
) -> None:
    """Raise ArtifactError unless the scores are the expected ones, to a relative 1e-4.

    Scores that cancel to nearly zero (log densities) may differ by a tenth of that times the median size.
    """
    atol = RTOL / 10 * float(np.median(np.abs(expected_M)))
    is_same_M = np.isclose(scores_M, expected_M, rtol=RTOL, atol=atol)
    if not is_same_M.all():
        row = int(np.argmin(is_same_M))
        raise ArtifactError(
            f"{path}: golden rows must score as they did at export (relative {RTOL:g}), "
            f"got {scores_M[row]:.9g} for row {row}, expected {expected_M[row]:.9g}",
            "compare library_versions in manifest.json with the installed ones, or export the artifact again",
        )


def _read_once_each(content: bytes, file: pq.ParquetFile, path: Path) -> pa.Table:
    """The table, its texts and bytes decoded once each before they are copied to their rows.

    A file of 1,500 bytes can hold one text of 32 MB that all rows refer to: 1 GiB if it were read at once.
    """
    columns = [file.schema.column(i) for i in range(len(file.schema))]
    names = [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]
    table = pq.ParquetFile(pa.BufferReader(content), read_dictionary=names).read()
    n_bytes = sum(_n_bytes_of_rows(table.column(name)) for name in names if name in table.column_names)
    if n_bytes > MAX_GOLDEN_BYTES:
        raise ArtifactError(
            f"{path}: must hold at most {MAX_GOLDEN_BYTES} bytes of texts and images, got {n_bytes}",
            EXPORT_AGAIN,
        )
    return table.cast(file.schema_arrow)


def _n_bytes_of_rows(column: pa.ChunkedArray) -> int:
    chunks = [chunk for chunk in column.chunks if pa.types.is_dictionary(chunk.type)]
    sizes = (pc.binary_length(chunk.dictionary).take(chunk.indices) for chunk in chunks)
    return sum(pc.sum(size).as_py() or 0 for size in sizes)


def _require_small(metadata: pq.FileMetaData, path: Path) -> None:
    n_bytes = sum(metadata.row_group(i).total_byte_size for i in range(min(metadata.num_row_groups, 2)))
    if metadata.num_row_groups != 1 or metadata.num_rows != N_GOLDEN_ROWS or n_bytes > MAX_GOLDEN_BYTES:
        raise ArtifactError(
            f"{path}: must hold {N_GOLDEN_ROWS} rows in one row group of at most {MAX_GOLDEN_BYTES} bytes, "
            f"got {metadata.num_rows} rows, {metadata.num_row_groups} row groups, {n_bytes} bytes",
            EXPORT_AGAIN,
        )
