"""Arrow IPC from strangers: plain streams are read as they are, anything else is RowsError, and cheap."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rpc_fakes import FakeScorer, feature, mixed_scorer, numeric_scorer

from automl_ad.errors import RowsError
from automl_ad.rpc.options import Limits
from automl_ad.rpc.wire.arrow import table_of
from automl_ad.rpc.wire.rows import MAX_ENCODED_VALUES, RowShape

LIMITS = Limits(max_rows=1_000, max_columns=10, max_message_bytes=100_000)
NUMERIC = RowShape.of(numeric_scorer())
MIXED = RowShape.of(mixed_scorer())
ABC = pa.table({name: np.arange(3.0) for name in "abc"})
EVERY_KIND = pa.table(
    {
        "seen_at": pa.array([1, 2, None], pa.timestamp("ns", "Europe/Paris")),
        "amount": pa.array([1.5, None, 3.0]),
        "is_vip": pa.array([True, False, True]),
        "country": pa.array(["fr", None, "de"]).dictionary_encode(),
    }
)


def ipc(batches: pa.Table | Sequence[pa.RecordBatch], **options: object) -> bytes:
    whole = batches.to_batches() if isinstance(batches, pa.Table) else batches
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in whole:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def with_a(values: pa.Array) -> bytes:
    """The rows of ABC with another column `a`."""
    return ipc(ABC.set_column(0, "a", values))


def lengthened(content: bytes, n_rows: int) -> bytes:
    """A stream whose 3 rows claim to be more, in the batch and in every column."""
    return content.replace(struct.pack("<q", 3), struct.pack("<q", n_rows))


class TestStreamsThatAreRead:
    def test_every_kind_of_column_arrives_as_it_was(self):
        assert table_of(ipc(EVERY_KIND), MIXED, LIMITS).equals(EVERY_KIND)

    def test_batches_are_one_table(self):
        batches = [ABC.to_batches()[0].slice(start, 1) for start in range(3)]
        assert table_of(ipc(batches), NUMERIC, LIMITS).equals(ABC)

    @pytest.mark.parametrize(
        "kind",
        [pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(21, 2), pa.bool_(), pa.null()],
        ids=str,
    )
    def test_numbers_of_any_type(self, kind: pa.DataType):
        column = pa.nulls(3) if kind == pa.null() else pa.array([1, 0, 1]).cast(kind)
        assert table_of(with_a(column), NUMERIC, LIMITS).column("a").type == kind

    @pytest.mark.parametrize(
        "kind", [pa.timestamp("s"), pa.timestamp("ms", "+02:00"), pa.date32(), pa.date64()], ids=str
    )
    def test_times_of_any_unit(self, kind: pa.DataType):
        table = EVERY_KIND.set_column(
            0, "seen_at", pa.array([0, 86_400_000, None], pa.timestamp("ms")).cast(kind)
        )
        assert table_of(ipc(table), MIXED, LIMITS).column("seen_at").type == kind

    def test_metadata_of_tools_is_left_out(self):
        table = ABC.replace_schema_metadata({"pandas": "{}"})
        assert table_of(ipc(table), NUMERIC, LIMITS).schema.metadata is None

    def test_the_group_may_be_there(self):
        shape = RowShape.of(FakeScorer("grouped", feature("a", "numeric"), group_column="country"))
        for groups in (pa.array(["fr", None]), pa.array([1, 2]), pa.array(["fr", "fr"]).dictionary_encode()):
            table = pa.table({"country": groups, "a": [1.0, 2.0]})
            assert table_of(ipc(table), shape, LIMITS).equals(table)


def refused(content: bytes, match: str, shape: RowShape = NUMERIC, limits: Limits = LIMITS) -> None:
    with pytest.raises(RowsError, match=match):
        table_of(content, shape, limits)


class TestStreamsThatAreRefused:
    @pytest.mark.parametrize("codec", ["zstd", "lz4"])
    def test_compressed_buffers(self, codec: str):
        refused(ipc(ABC, compression=codec), "must not be compressed")

    def test_a_file(self):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, ABC.schema) as writer:
            writer.write_table(ABC)
        refused(sink.getvalue().to_pybytes(), "must be an Arrow IPC stream, got an Arrow IPC file")

    @pytest.mark.parametrize(
        "content", [b"", b"PK\x03\x04", b"\xff" * 64, bytes(64), ipc(ABC)[:-40], ipc(ABC)[8:]]
    )
    def test_other_bytes(self, content: bytes):
        refused(content, "must be an Arrow IPC stream, got")

    @pytest.mark.parametrize(
        ("column", "match"),
        [
            (pa.array([[1.0]] * 3), "column 'a' must not be nested, got list"),
            (pa.array([{"x": 1.0}] * 3), "column 'a' must not be nested, got struct"),
            (pa.RunEndEncodedArray.from_arrays([3], [1.0]), "must not be nested, got run-end encoded"),
            (pa.UnionArray.from_sparse(pa.array([0] * 3, pa.int8()), [pa.array([1.0] * 3)]), "got union"),
            (pa.array(["x"] * 3), "is numeric and takes .*, got string"),
            (pa.array(["x"] * 3, pa.string_view()), "got string view"),
            (pa.array([b"x"] * 3), "got binary"),
            (pa.array([1] * 3, pa.duration("s")), "got duration"),
            (pa.array([1, 2, 3]).dictionary_encode(), "only strings may be dictionary-encoded, got int"),
            (
                pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1] * 3, pa.int8())),
                "got an extension type",
            ),
        ],
        ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
    )
    def test_types_that_no_feature_has(self, column: pa.Array, match: str):
        refused(with_a(column), match)

    def test_registered_extensions_run_no_code(self):
        class Loud(pa.ExtensionType):
            def __init__(self) -> None:
                super().__init__(pa.float64(), "test.loud")

            def __arrow_ext_serialize__(self) -> bytes:
                return b""

            @classmethod
            def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> Loud:
                calls.append(serialized)
                return cls()

        calls: list[bytes] = []
        pa.register_extension_type(Loud())
        try:
            column = pa.ExtensionArray.from_storage(Loud(), pa.array([1.0, 2.0, 3.0]))
            refused(with_a(column), "got an extension type")
        finally:
            pa.unregister_extension_type("test.loud")
        assert calls == []

    def test_names_that_are_no_features(self):
        refused(ipc(ABC.rename_columns(["a", "b", "x"])), "no column 'x'")
        refused(ipc(ABC.drop_columns(["b"])), "column 'b' is missing")
        refused(ipc(pa.table([ABC["a"], *ABC.columns], names=["a", *"abc"])), "'a' is given twice")

    def test_too_many_columns_before_they_are_looked_at(self):
        wide = pa.table({f"x{place}": [1.0] for place in range(11)})
        refused(ipc(wide), "at most 10 columns, got 11")

    @pytest.mark.parametrize("n_rows", [1_001, 2**31, 2**60, 2**62])
    def test_rows_that_cost_nothing_to_announce(self, n_rows: int):
        nothing = pa.table({name: pa.nulls(3) for name in "abc"})
        refused(lengthened(ipc(nothing), n_rows), f"at most 1000 rows, got {n_rows}")
        refused(lengthened(ipc(nothing), -1), "other lengths|at least one")

    def test_batches_whose_rows_overflow_together(self):
        nothing = lengthened(ipc(pa.table({name: pa.nulls(3) for name in "abc"})), 2**62)
        start = nothing.rindex(struct.pack("<i", -1), 0, len(nothing) - 8)
        refused(nothing[:-8] + 7 * nothing[start:-8], f"at most 1000 rows, got {2**65}")

    def test_no_rows(self):
        refused(
            ipc(ABC.slice(0, 0).to_batches() or [pa.RecordBatch.from_pylist([], ABC.schema)]),
            "at least one row",
        )

    def test_rows_that_become_too_many_numbers(self):
        scorer = numeric_scorer()
        scorer.n_encoded = MAX_ENCODED_VALUES // 2
        refused(ipc(ABC), "at most 2 rows, got 3", RowShape.of(scorer))

    def test_a_dictionary_that_would_unfold_into_more_than_a_message(self):
        country = pa.DictionaryArray.from_arrays(pa.array([0] * 900, pa.int8()), pa.array(["x" * 1_000]))
        bomb = pa.table({name: pa.nulls(900) for name in ("seen_at", "amount", "is_vip")})
        refused(ipc(bomb.append_column("country", country)), "at most 100000 bytes .* got 900000", MIXED)

    def test_many_small_batches(self):
        refused(ipc([ABC.to_batches()[0].slice(0, 1)] * 300), "at most 256 record batches")

    def test_delta_dictionaries(self):
        first, second = (
            pa.RecordBatch.from_arrays(
                [
                    EVERY_KIND[name].chunk(0) if name != "country" else values
                    for name in EVERY_KIND.column_names
                ],
                EVERY_KIND.column_names,
            )
            for values in (
                pa.DictionaryArray.from_arrays(pa.array([0, 0, 0], pa.int32()), ["fr"]),
                pa.DictionaryArray.from_arrays(pa.array([0, 1, 1], pa.int32()), ["fr", "de"]),
            )
        )
        refused(ipc([first, second], emit_dictionary_deltas=True), "must be whole, got a delta", MIXED)

    def test_offsets_and_texts_that_lie(self):
        plain = ipc(EVERY_KIND.set_column(3, "country", pa.array(["fr", "pt", "de"])))
        offsets = struct.pack("<4i", 0, 2, 4, 6)
        assert offsets in plain
        refused(plain.replace(offsets, struct.pack("<4i", 0, 2, 1 << 30, 6)), "Arrow refuses", MIXED)
        refused(plain.replace(b"frptde", b"fr\xff\xfede"), "Arrow refuses", MIXED)

    def test_buffers_that_are_read_twice(self):
        content = ipc(ABC)
        second, third = struct.pack("<qq", 64, 24), struct.pack("<qq", 128, 24)
        if second not in content:  # where Arrow pads buffers to 8 bytes
            second, third = struct.pack("<qq", 24, 24), struct.pack("<qq", 48, 24)
        assert second in content
        refused(content.replace(second, struct.pack("<qq", 0, 1 << 12)), "outside of its message")
        doubled = content.replace(second, struct.pack("<qq", 0, 72)).replace(third, struct.pack("<qq", 0, 72))
        refused(doubled, "buffers that overlap|outside")


@given(st.binary(max_size=300))
def test_any_bytes_end_as_rows_error(content: bytes):
    with pytest.raises(RowsError):
        table_of(content, NUMERIC, LIMITS)


@given(st.integers(0, 2**32))
def test_damaged_streams_are_read_or_refused(seed: int):
    """The bytes of a right stream with some changed: whatever is read can be read to its last value."""
    content, rng = bytearray(ipc(EVERY_KIND)), random.Random(seed)
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(content))
        content[place] = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
    try:
        table = table_of(bytes(content), MIXED, LIMITS)
    except RowsError:
        return
    assert table.num_rows <= LIMITS.max_rows
    table.drop_columns(["seen_at"]).to_pydict()  # no zone of a stranger is looked up
