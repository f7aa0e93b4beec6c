"""Requests to be damaged: every method, every form of rows, for a model of matrices and one of all kinds.

A message is damaged in its fields, found by reflection, or in its bytes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from fuzz_models import mixed_rows, numeric_rows
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from mutation import EVIL_NUMBERS, EVIL_TEXTS, mutated_bytes

from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.v1 import scoring_pb2 as pb

SCORING, INFERENCE, HEALTH = (
    "/automl_ad.rpc.v1.ScoringService/",
    "/inference.GRPCInferenceService/",
    "/grpc.health.v1.Health/",
)
STREAMS = (f"{SCORING}ScoreStream",)
N_ROWS = 3
_EVIL_FLOATS = (float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, 0.0)
_MAX_REPEATS = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A good request of a method."""

    method: str
    request: Message


def samples() -> list[Sample]:
    """Good requests; the more a method decodes, the more there are of it."""
    scores = [*_matrices("sizes"), *_tables("payments"), *_tables("sizes")]
    infers = [*_typed(), *_raw()]
    return [
        *(Sample(method=f"{SCORING}Score", request=request) for request in scores),
        *(Sample(method=f"{SCORING}ScoreStream", request=pb.ScoreStreamRequest(chunk=r)) for r in scores),
        *(Sample(method=f"{SCORING}Explain", request=pb.ExplainRequest(rows=r)) for r in scores),
        Sample(method=f"{SCORING}ListModels", request=pb.ListModelsRequest()),
        Sample(method=f"{SCORING}GetModel", request=pb.GetModelRequest(model="sizes")),
        *(Sample(method=f"{INFERENCE}ModelInfer", request=request) for request in infers),
        Sample(method=f"{INFERENCE}ModelMetadata", request=oip.ModelMetadataRequest(name="sizes")),
        Sample(method=f"{INFERENCE}ModelReady", request=oip.ModelReadyRequest(name="sizes")),
        Sample(method=f"{INFERENCE}ServerMetadata", request=oip.ServerMetadataRequest()),
        Sample(method=f"{HEALTH}Check", request=health_pb2.HealthCheckRequest(service=SCORING.strip("/"))),
    ]


def damaged(request: Message, rng: random.Random) -> bytes:
    """The bytes of a message that was damaged in its fields, its bytes, or both; now and then in none."""
    copy = type(request)()
    copy.CopyFrom(request)
    if rng.random() < 0.7:
        for _ in range(rng.randint(1, 3)):
            _damage_field(copy, rng)
    content = copy.SerializeToString()
    return mutated_bytes(content, rng) if rng.random() < 0.35 else content


def arrow_bytes(table: pa.Table) -> bytes:
    """One Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _matrices(model: str) -> list[pb.ScoreRequest]:
    rows_MF = np.column_stack([c.to_numpy() for c in numeric_rows().slice(0, N_ROWS).columns])
    n_features = rows_MF.shape[1]
    flat = rows_MF.ravel().tolist()
    packed = pb.PackedMatrix(n_features=n_features, float32_values=rows_MF.astype("<f4").tobytes())
    return [
        pb.ScoreRequest(model=model, float_matrix=pb.FloatMatrix(n_features=n_features, values=flat)),
        pb.ScoreRequest(model=model, double_matrix=pb.DoubleMatrix(n_features=n_features, values=flat)),
        pb.ScoreRequest(model=model, packed_matrix=packed),
    ]


def _tables(model: str) -> list[pb.ScoreRequest]:
    table = (numeric_rows() if model == "sizes" else mixed_rows()).slice(0, N_ROWS)
    columns = pb.Columns(columns=[_column(name, table.column(name)) for name in table.column_names])
    arrow = [pb.ScoreRequest(model=model, arrow_ipc=arrow_bytes(t)) for t in (table, _in_other_types(table))]
    return [pb.ScoreRequest(model=model, columns=columns), *arrow, *arrow]


def _in_other_types(table: pa.Table) -> pa.Table:
    """Dictionaries and narrow numbers take other ways through the reader."""
    arrays = [
        column.combine_chunks().dictionary_encode()
        if pa.types.is_string(column.type)
        else column.cast(pa.float32())
        if pa.types.is_floating(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(arrays, names=table.column_names)


def _column(name: str, values: pa.ChunkedArray) -> pb.Column:
    plain = values.to_pylist()
    nulls = [index for index, value in enumerate(plain) if value is None]
    if pa.types.is_string(values.type):
        return pb.Column(name=name, strings=pb.Strings(values=plain), nulls=nulls)
    if pa.types.is_boolean(values.type):
        return pb.Column(name=name, booleans=pb.Booleans(values=plain), nulls=nulls)
    if pa.types.is_timestamp(values.type):
        stamps = [int(value.timestamp() * 1e6) for value in plain]
        return pb.Column(name=name, timestamps=pb.Timestamps(values=stamps), nulls=nulls)
    return pb.Column(name=name, numbers=pb.Numbers(values=[v or 0.0 for v in plain]), nulls=nulls)


def _typed() -> list[oip.ModelInferRequest]:
    rows = oip.ModelInferRequest(model_name="sizes", id="7")
    tensor = rows.inputs.add(name="rows", datatype="FP64", shape=[2, 3])
    tensor.contents.fp64_contents.extend([0.5, -1.0, 2.0, 9.0, 9.0, -9.0])
    columns = oip.ModelInferRequest(model_name="payments")
    for name, datatype, member, value in (
        ("amount", "FP64", "fp64_contents", 2.5),
        ("age", "FP32", "fp32_contents", 30.0),
        ("country", "BYTES", "bytes_contents", b"fr"),
        ("is_new", "BOOL", "bool_contents", True),
        ("at", "INT64", "int64_contents", 1_700_000_000_000_000),
    ):
        tensor = columns.inputs.add(name=name, datatype=datatype, shape=[1])
        getattr(tensor.contents, member).append(value)
    return [rows, columns]


def _raw() -> list[oip.ModelInferRequest]:
    rows = oip.ModelInferRequest(model_name="sizes", raw_input_contents=[np.ones((2, 3)).tobytes()])
    rows.inputs.add(name="rows", datatype="FP64", shape=[2, 3])
    columns = oip.ModelInferRequest(model_name="payments")
    for name, datatype, raw in (
        ("amount", "FP64", np.array([2.5]).tobytes()),
        ("age", "INT32", np.array([30], "<i4").tobytes()),
        ("country", "BYTES", b"\x02\0\0\0fr"),
        ("is_new", "BOOL", b"\x01"),
        ("at", "INT64", np.array([1_700_000_000_000_000]).tobytes()),
    ):
        columns.inputs.add(name=name, datatype=datatype, shape=[1])
        columns.raw_input_contents.append(raw)
    return [rows, columns]


def _damage_field(message: Message, rng: random.Random) -> None:
    """Walk down to some message, and change one of its fields."""
    present = [field for field, _ in message.ListFields()]
    below = [field for field in present if field.type == FieldDescriptor.TYPE_MESSAGE and not _is_map(field)]
    if below and rng.random() < 0.75:
        field = rng.choice(below)
        value = getattr(message, field.name)
        _damage_field(rng.choice(value) if field.is_repeated else value, rng)
        return
    fields = present if present and rng.random() < 0.6 else list(message.DESCRIPTOR.fields)
    if not fields:
        return
    field = rng.choice(fields)
    if rng.random() < 0.15 or _is_map(field):
        message.ClearField(field.name)
    elif field.is_repeated:
        _damage_list(message, field, rng)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, _evil(field, getattr(message, field.name), rng))


def _damage_list(message: Message, field: FieldDescriptor, rng: random.Random) -> None:
    values = getattr(message, field.name)
    match rng.randrange(4):
        case 0 if values:
            del values[rng.randrange(len(values)) :]
        case 1 if values:
            values.extend(list(values) * rng.randint(1, _MAX_REPEATS))
        case 2 if values and field.type != FieldDescriptor.TYPE_MESSAGE:
            place = rng.randrange(len(values))
            values[place] = _evil(field, values[place], rng)
        case _ if field.type == FieldDescriptor.TYPE_MESSAGE:
            values.add()
        case _:
            values.append(_evil(field, None, rng))


def _evil(field: FieldDescriptor, old: Any, rng: random.Random) -> Any:
    return _EVIL[field.cpp_type](old, rng) if field.cpp_type in _EVIL else _evil_text(field, old, rng)


def _evil_text(field: FieldDescriptor, old: Any, rng: random.Random) -> str | bytes:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return mutated_bytes(old or rng.randbytes(8), rng)
    return rng.choice((*EVIL_TEXTS, "canary", "champion", "sizes", "payments", "FP32", "BYTES", "rows"))


def _integer(low: int, high: int) -> Callable[[Any, random.Random], int]:
    return lambda _old, rng: int(max(low, min(high, rng.choice((*EVIL_NUMBERS, *range(6))))))


_EVIL: Mapping[int, Callable[[Any, random.Random], Any]] = {
    FieldDescriptor.CPPTYPE_DOUBLE: lambda _old, rng: rng.choice(_EVIL_FLOATS),
    FieldDescriptor.CPPTYPE_FLOAT: lambda _old, rng: rng.choice((*_EVIL_FLOATS[:3], 3e38, 1e-45)),
    FieldDescriptor.CPPTYPE_BOOL: lambda _old, rng: rng.random() < 0.5,
    FieldDescriptor.CPPTYPE_INT32: _integer(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: _integer(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: _integer(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: _integer(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: _integer(0, 10),
}


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry
