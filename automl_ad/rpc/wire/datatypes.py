"""The data types of the Open Inference Protocol: numpy type, typed field, and how raw bytes are read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_ad.errors import RowsError
from automl_ad.rpc.oip import open_inference_grpc_pb2 as pb


@dataclass(frozen=True, kw_only=True, slots=True)
class Datatype:
    """`dtype` is little-endian numpy, None for BYTES; `field` of InferTensorContents, or none."""

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
        Datatype(name="FP16", dtype="<f2", field=""),
        Datatype(name="FP32", dtype="<f4", field="fp32_contents"),
        Datatype(name="FP64", dtype="<f8", field="fp64_contents"),
        Datatype(name="BYTES", dtype=None, field="bytes_contents"),
    )
}


def read_typed(name: str, datatype: Datatype, contents: pb.InferTensorContents, n_values: int) -> Any:
    """The values of a typed input [n_values]: numpy, or a list of bytes for BYTES."""
    if not datatype.field:
        raise RowsError(
            f"input {name!r} of {datatype.name} must be raw, got typed contents", "use raw_input_contents"
        )
    values = getattr(contents, datatype.field)
    if len(values) != n_values:
        raise RowsError(
            f"input {name!r} must hold {n_values} values in {datatype.field} for its shape, got {len(values)}"
        )
    if datatype.dtype is None:
        return list(values)
    array = np.asarray(values)
    _check_range(name, datatype, array)
    return array


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


def _check_range(name: str, datatype: Datatype, values: npt.NDArray[np.generic]) -> None:
    """Typed contents of small integers are wider than the datatype."""
    kind = np.dtype(datatype.dtype)
    if kind.kind not in "iu" or not len(values):
        return
    bounds = np.iinfo(kind)
    if int(values.min()) < bounds.min or int(values.max()) > bounds.max:
        raise RowsError(
            f"values of input {name!r} must fit {datatype.name}, got [{values.min()}, {values.max()}]"
        )


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
        if len(values) > n_values:
            break
    if len(values) != n_values:
        raise RowsError(
            f"input {name!r} must hold {n_values} BYTES elements for its shape, "
            f"got {len(values) if start == len(raw) else 'more'}"
        )
    return values
