"""The data types of the Open Inference Protocol: numpy type, typed field, and how raw bytes are read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_ad.errors import RowsError
from automl_ad.rpc.oip import open_inference_grpc_pb2 as pb


@dataclass(frozen=True, kw_only=True, slots=True)
class Datatype:
    """`dtype` is little-endian numpy, None for BYTES; `field` is the member of InferTensorContents."""

    name: str
    dtype: str | None
    field: str


DATATYPES = {
    datatype.name: datatype
    for datatype in (
        Datatype(name="BOOL", dtype="?", field="bool_contents"),
        Datatype(name="INT8", dtype="<i1", field="int_contents"),
        Datatype(name="INT16", dtype="<i2", field="int_contents"),
        Datatype(name="INT32", dtype="<i4", field="int_contents"),
        Datatype(name="INT64", dtype="<i8", field="int64_contents"),
        Datatype(name="UINT8", dtype="<u1", field="uint_contents"),
        Datatype(name="UINT16", dtype="<u2", field="uint_contents"),
        Datatype(name="UINT32", dtype="<u4", field="uint_contents"),
        Datatype(name="UINT64", dtype="<u8", field="uint64_contents"),
        Datatype(name="FP32", dtype="<f4", field="fp32_contents"),
        Datatype(name="FP64", dtype="<f8", field="fp64_contents"),
        Datatype(name="BYTES", dtype=None, field="bytes_contents"),
    )
}


def read_typed(name: str, datatype: Datatype, contents: pb.InferTensorContents, n_values: int) -> Any:
    """The values of a typed input [n_values]: numpy, or a list of bytes for BYTES."""
    values = getattr(contents, datatype.field)
    if len(values) != n_values:
        raise RowsError(
            f"input {name!r} must hold {n_values} values in {datatype.field} for its shape, got {len(values)}"
        )
    return list(values) if datatype.dtype is None else np.asarray(values)


def read_raw(name: str, datatype: Datatype, raw: bytes, n_values: int) -> Any:
    """The values of a raw input [n_values]: numpy, or a list of bytes for BYTES."""
    if datatype.dtype is None:
        return _raw_elements(name, raw, n_values)
    n_bytes = n_values * np.dtype(datatype.dtype).itemsize
    if len(raw) != n_bytes:
        raise RowsError(f"input {name!r} must hold {n_bytes} raw bytes for its shape, got {len(raw)}")
    if datatype.name == "BOOL":
        return np.frombuffer(raw, dtype=np.uint8) != 0  # a byte of 2 viewed as bool is neither True nor False
    return np.frombuffer(raw, dtype=np.dtype(datatype.dtype))


def _raw_elements(name: str, raw: bytes, n_values: int) -> list[bytes]:
    """Elements after their length as little-endian uint32."""
    values: list[bytes] = []
    start = 0
    while start < len(raw):
        end = start + 4
        if end <= len(raw):
            end += struct.unpack_from("<I", raw, start)[0]
        if end > len(raw):
            raise RowsError(f"raw BYTES of input {name!r} end inside element {len(values)}")
        values.append(raw[start + 4 : end])
        start = end
    if len(values) != n_values:
        raise RowsError(
            f"input {name!r} must hold {n_values} BYTES elements for its shape, got {len(values)}"
        )
    return values
