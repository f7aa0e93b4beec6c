"""What an Arrow IPC stream is about to ask of Arrow, read from its messages before Arrow sees a byte.

Arrow checks that a stream is well formed, not that it is modest: a few bytes can name a column of 2^60 nulls,
point a million entries at one string, or name an extension type whose Python code is then run. So the frames
and their FlatBuffers are walked here first, and what could cost more than its own size is refused.
Format: https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from automl_ad.errors import RowsError
from automl_ad.rpc.wire.flatbuffer import FlatTable, Malformed

MAX_BATCHES = 256
"""Record batches of one stream; every one costs a walk over all columns, and a look at every dictionary."""
CONTINUATION = b"\xff\xff\xff\xff"
EXTENSION = b"ARROW:extension:name"
COMBINE = "write one uncompressed batch, in Python: `table.combine_chunks()`, then `pa.ipc.new_stream`"

TYPES = {
    1: "null",
    2: "int",
    3: "float",
    4: "binary",
    5: "string",
    6: "bool",
    7: "decimal",
    8: "date",
    9: "time of day",
    10: "timestamp",
    11: "interval",
    12: "list",
    13: "struct",
    14: "union",
    15: "fixed size binary",
    16: "fixed size list",
    17: "map",
    18: "duration",
    19: "binary",
    20: "string",
    21: "list",
    22: "run-end encoded",
    23: "binary view",
    24: "string view",
    25: "list view",
    26: "list view",
}
"""Number of a type in Schema.fbs -> what it is called here; large types count as their small twins."""
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnHeader:
    """One column as the stream's schema announces it."""

    name: str
    type: str
    """One of TYPES, of the values where they are dictionary-encoded."""
    is_dictionary: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamHeader:
    """The columns of a stream, and how many rows its batches have together."""

    columns: tuple[ColumnHeader, ...]
    n_rows: int


def read_header(content: bytes, *, max_columns: int) -> StreamHeader:
    """What the stream holds. Raises RowsError for anything but a plain, modest stream."""
    if content[:6] == b"ARROW1":
        raise RowsError(
            "arrow_ipc must be an Arrow IPC stream, got an Arrow IPC file",
            "write it with `pa.ipc.new_stream`, not `new_file`",
        )
    try:
        return _read_header(content, max_columns)
    except Malformed as error:
        raise RowsError(f"arrow_ipc must be an Arrow IPC stream, got bytes that are not: {error}") from None


def _read_header(content: bytes, max_columns: int) -> StreamHeader:
    messages = _messages(content)
    first = next(messages, None)
    if first is None or first.kind != _SCHEMA:
        raise Malformed("the first message is no schema")
    columns = _columns(first, max_columns)
    n_rows = 0
    for n_before, message in enumerate(messages):
        if message.kind not in (_DICTIONARY, _BATCH):
            raise Malformed(f"message of kind {message.kind} after the schema")
        n_rows += _rows_of(message) if message.kind == _BATCH else _check_dictionary(message, len(content))
        if n_before >= MAX_BATCHES + len(columns):
            raise RowsError(f"arrow_ipc must have at most {MAX_BATCHES} record batches, got more", COMBINE)
    return StreamHeader(columns=columns, n_rows=n_rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Message:
    metadata: bytes
    kind: int
    header: FlatTable
    n_body_bytes: int


def _messages(content: bytes) -> Iterator[_Message]:
    """The messages, each wholly within the bytes, up to the end-of-stream mark or the end."""
    start = 0
    while start < len(content):
        if len(content) - start < 8 or content[start : start + 4] != CONTINUATION:
            raise Malformed(f"no message begins at byte {start}")
        (n_bytes,) = struct.unpack_from("<i", content, start + 4)
        if n_bytes == 0:
            return
        end = start + 8 + n_bytes
        if n_bytes < 0 or n_bytes % 8 or end > len(content):
            raise Malformed(f"the message at byte {start} has a length of {n_bytes}")
        message = _message(content[start + 8 : end])
        if message.n_body_bytes < 0 or message.n_body_bytes % 8 or message.n_body_bytes > len(content) - end:
            raise Malformed(f"the message at byte {start} has a body of {message.n_body_bytes} bytes")
        yield message
        start = end + message.n_body_bytes


def _message(metadata: bytes) -> _Message:
    if EXTENSION in metadata:
        raise RowsError(
            "arrow_ipc must have columns of plain types, got an extension type",
            "cast the column to its storage type",
        )
    root = FlatTable.root(metadata)
    header = root.table(2)
    if header is None:
        raise Malformed("a message without a header")
    if len(root.tables(4)):
        raise RowsError("messages of arrow_ipc must carry no metadata of their own, got some", COMBINE)
    return _Message(
        metadata=metadata, kind=root.scalar(1, "B"), header=header, n_body_bytes=root.scalar(3, "q")
    )


def _columns(message: _Message, max_columns: int) -> tuple[ColumnHeader, ...]:
    if message.header.scalar(0, "h"):
        raise RowsError("arrow_ipc must be little-endian, got a big-endian stream")
    fields = message.header.tables(1)
    if len(fields) > max_columns:
        raise RowsError(f"a request may carry at most {max_columns} columns, got {len(fields)}")
    room = _Room(len(message.metadata))
    room.take_metadata(message.header, 2)
    return tuple(_column(field, room) for field in fields)


def _column(field: FlatTable, room: _Room) -> ColumnHeader:
    room.take_metadata(field, 6)
    room.take(field.size(0))
    try:
        name = field.text(0).decode()
    except UnicodeDecodeError:
        raise Malformed("a column whose name is not UTF-8") from None
    kind = TYPES.get(field.scalar(2, "B"), "unknown")
    if kind == "timestamp" and (timestamp := field.table(3)):
        room.take(timestamp.size(1))
    if len(field.tables(5)):
        raise RowsError(
            f"column {name[:100]!r} must not be nested, got {kind}", "send a column for each of its values"
        )
    return ColumnHeader(name=name, type=kind, is_dictionary=field.has(4))


class _Room:
    """Bytes that the texts of a schema may still have: together no more than the schema itself.

    Texts shared by many columns make Arrow's copies of them larger than any message.
    """

    def __init__(self, n_bytes: int) -> None:
        self._left = n_bytes

    def take(self, n_bytes: int) -> None:
        self._left -= n_bytes
        if self._left < 0:
            raise Malformed("texts of the schema are longer than the schema")

    def take_metadata(self, table: FlatTable, place: int) -> None:
        for pair in table.tables(place):
            self.take(8 + pair.size(0) + pair.size(1))


def _rows_of(message: _Message) -> int:
    _check_buffers(message.header, message.n_body_bytes)
    return message.header.scalar(0, "q")


def _check_dictionary(message: _Message, n_bytes: int) -> int:
    """0, the rows that a dictionary adds. A delta would be copied again for every batch."""
    values = message.header.table(1)
    if values is None:
        raise Malformed("a dictionary without values")
    if message.header.scalar(2, "?"):
        raise RowsError("dictionaries of arrow_ipc must be whole, got a delta", COMBINE)
    if values.scalar(0, "q") > n_bytes:
        raise Malformed("a dictionary with more values than the stream has bytes")
    _check_buffers(values, message.n_body_bytes)
    return 0


def _check_buffers(batch: FlatTable, n_body_bytes: int) -> None:
    """Lengths that agree, and plain buffers with room for each in the body, so that none is read twice."""
    if batch.has(3):
        raise RowsError("buffers of arrow_ipc must not be compressed, got compressed ones", COMBINE)
    n_rows, nodes, buffers = batch.scalar(0, "q"), batch.pairs(1), batch.pairs(2)
    if n_rows < 0 or (nodes[:, 0] != n_rows).any():
        raise Malformed("columns of a batch with other lengths than the batch")
    if (buffers < 0).any() or (buffers[:, 0] % 8).any() or (buffers > n_body_bytes).any():
        raise Malformed("a buffer outside of its message, or not aligned to 8 bytes")
    if buffers[:, 1].sum() > n_body_bytes:
        raise Malformed("buffers that overlap")
