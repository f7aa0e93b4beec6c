"""One data file: its schema, its number of rows, and its rows batch by batch.

Parquet is streamed through `ParquetFile` with buffered pages and not through `pyarrow.dataset`, which decodes
whole row groups ahead: 5 million x 30 floats in row groups of 1 million cost 213 MB here, and 914 MB (one
thread, no readahead) to 2,408 MB (defaults) there (pyarrow 26).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from automl_ad.data.guard import reading
from automl_ad.data.sources import SourceFile
from automl_ad.errors import DataError

PAGE_BUFFER_BYTES = 1 << 20
CSV_BLOCK_BYTES = 8 << 20
"""Column types of a CSV file are inferred from its first block."""


def file_schema(file: SourceFile) -> pa.Schema:
    """Columns and types as the file has them, without partition columns.

    Raises DataError when the file cannot be read or has two columns of the same name.
    """
    with reading(file.name):
        if file.format == "parquet":
            schema = _open_parquet(file).schema_arrow
        else:
            with _open_csv(file, pacsv.ConvertOptions(strings_can_be_null=True)) as reader:
                schema = reader.schema
    _refuse_duplicates(file.name, schema.names)
    return schema.remove_metadata()


def count_rows(file: SourceFile) -> int:
    """Number of rows: from the metadata of a parquet file, by a pass over a CSV file."""
    with reading(file.name):
        if file.format == "parquet":
            return int(_open_parquet(file).metadata.num_rows)
        first = file_schema(file).names[0]
        return sum(len(block) for block in _csv_blocks(file, pa.schema([(first, pa.string())])))


def file_batches(file: SourceFile, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows in order with exactly the columns of `schema`, partition columns included."""
    batches = _parquet_batches if file.format == "parquet" else _csv_batches
    with reading(file.name):
        for batch in batches(file, schema, batch_rows):
            yield _in_schema(batch, file, schema)


def _parquet_batches(file: SourceFile, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
    reader = _open_parquet(file)
    inside = [name for name in schema.names if name in reader.schema_arrow.names]
    if inside:
        yield from reader.iter_batches(batch_rows, columns=inside, use_threads=False)
    else:  # only partition columns are asked for, and a batch without columns would have no length
        yield from (_placeholder(len(batch)) for batch in reader.iter_batches(batch_rows))


def _csv_batches(file: SourceFile, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
    available = file_schema(file).names
    inside = [column for column in schema if column.name in available] or [
        pa.field(available[0], pa.string())
    ]
    for block in _csv_blocks(file, pa.schema(inside)):
        yield from (block.slice(start, batch_rows) for start in range(0, len(block), batch_rows))


def _placeholder(n_rows: int) -> pa.RecordBatch:
    return pa.record_batch([pa.nulls(n_rows)], names=[""])


def _in_schema(batch: pa.RecordBatch, file: SourceFile, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the columns, order and types of the schema; values of the partition are repeated."""
    columns = [
        batch.column(column.name).cast(column.type)
        if column.name in batch.schema.names
        else pa.repeat(pa.scalar(file.partition.get(column.name)).cast(column.type), len(batch))
        for column in schema
    ]
    return pa.record_batch(columns, schema=schema)


def _open_parquet(file: SourceFile) -> pq.ParquetFile:
    """The open file. Raises DataError that tells a truncated file from one that never was parquet."""
    handle = file.filesystem.open_input_file(file.path)
    try:
        return pq.ParquetFile(handle, buffer_size=PAGE_BUFFER_BYTES, pre_buffer=False)
    except (pa.ArrowInvalid, OSError) as error:
        starts_well = handle.read_at(4, 0) == b"PAR1"
        found = "a truncated or damaged one (its footer is unreadable)" if starts_well else "something else"
        raise DataError(
            f"{file.name} must be a parquet file, got {found}",
            "write or copy it again" if starts_well else "a CSV file needs the extension .csv",
        ) from error


def _open_csv(file: SourceFile, convert: pacsv.ConvertOptions) -> pacsv.CSVStreamingReader:
    return pacsv.open_csv(
        file.filesystem.open_input_stream(file.path, compression="detect"),
        read_options=pacsv.ReadOptions(block_size=CSV_BLOCK_BYTES, use_threads=False),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=convert,
    )


def _csv_blocks(file: SourceFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    convert = pacsv.ConvertOptions(
        column_types=schema, include_columns=schema.names, strings_can_be_null=True
    )
    with _open_csv(file, convert) as reader:
        yield from reader


def _refuse_duplicates(name: str, columns: Sequence[str]) -> None:
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise DataError(
            f"column names in {name} must be unique, got {', '.join(twice)} more than once",
            "rename one of them",
        )
