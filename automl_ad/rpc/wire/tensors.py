"""Open Inference tensors -> rows, scores -> Open Inference tensors, typed and raw.

All-numeric models take one tensor `rows` [M, F] in schema order; every model takes one tensor [M] or [M, 1]
for every column. Timestamps travel as INT64 microseconds since 1970 UTC, images as the BYTES of their file. A
missing number or boolean is NaN as a float; the protocol has no form for other missing values. The column of
groups, where these have thresholds, may be there as BYTES; metadata does not ask for it. Parameters of the
request and of its tensors are ignored: none has a meaning here.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.errors import RowsError, did_you_mean
from automl_ad.rpc.oip import open_inference_grpc_pb2 as pb
from automl_ad.rpc.options import Limits
from automl_ad.rpc.wire.datatypes import DATATYPES, read_raw, read_typed
from automl_ad.rpc.wire.rows import GROUP, Rows, RowShape

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.data import Schema
    from automl_ad.results import AnomalyScores

ROWS = "rows"
_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_NUMBERS = ("FP64", "FP32", "FP16", *_INTEGERS)
_TAKES = {
    "numeric": _NUMBERS,
    "boolean": ("BOOL", *_NUMBERS),
    "categorical": ("BYTES",),
    "timestamp": ("INT64",),
    "image": ("BYTES",),
    GROUP: ("BYTES",),
}
"""Kind of a feature -> datatypes of its tensor; the first is the one that metadata names."""
_OUTPUTS = {"anomaly_score": "FP64", "percentile": "FP64", "is_anomaly": "BOOL"}

Tensor = pb.ModelInferRequest.InferInputTensor
Metadata = pb.ModelMetadataResponse.TensorMetadata


def input_metadata(schema: Schema) -> list[Metadata]:
    """The tensors a request should carry: the matrix where the schema allows it, else the columns."""
    if schema.is_all_numeric:
        return [Metadata(name=ROWS, datatype="FP64", shape=[-1, len(schema.features)])]
    return [Metadata(name=f.name, datatype=_TAKES[f.kind][0], shape=[-1]) for f in schema.features]


def output_metadata() -> list[Metadata]:
    """The tensors an answer carries."""
    return [Metadata(name=name, datatype=datatype, shape=[-1]) for name, datatype in _OUTPUTS.items()]


def rows_of(request: pb.ModelInferRequest, scorer: Scorer, limits: Limits) -> Rows:
    """The rows of a request, as `Scorer.score` takes them. RowsError: they do not fit the model."""
    shape = RowShape.of(scorer)
    _check_contents(request)
    names = [tensor.name for tensor in request.inputs]
    if names == [ROWS] and (ROWS not in shape.kinds or len(request.inputs[0].shape) == 2):
        return _matrix(request, shape, limits)
    shape.check_names(names, limits)
    kinds = shape.kinds
    columns = {name: _column(request, index, kinds[name], shape, limits) for index, name in enumerate(names)}
    _check_equal_lengths(columns)
    return pa.table({name: columns[name] for name in kinds if name in columns})


def wanted_outputs(request: pb.ModelInferRequest) -> list[str]:
    """Names of the outputs to answer with, in the order asked for; all when none is named."""
    names = [output.name for output in request.outputs]
    for name in names[: len(_OUTPUTS) + 1]:
        if name not in _OUTPUTS:
            raise RowsError(f"the model has no output {name[:100]!r}", did_you_mean(name, _OUTPUTS))
    if len(set(names)) < len(names):  # each would be a copy of all scores
        raise RowsError(
            f"an output may be asked for once, got {len(names)} wishes for {len(_OUTPUTS)} outputs"
        )
    return names or list(_OUTPUTS)


def infer_response(
    scores: AnomalyScores, request: pb.ModelInferRequest, outputs: Sequence[str]
) -> pb.ModelInferResponse:
    """The named outputs; raw when the request was raw."""
    response = pb.ModelInferResponse(model_name=scores.model, model_version=scores.version, id=request.id)
    for name in outputs:
        values = getattr(scores, name)
        output = response.outputs.add(name=name, datatype=_OUTPUTS[name], shape=[len(values)])
        if request.raw_input_contents:
            response.raw_output_contents.append(values.astype(DATATYPES[output.datatype].dtype).tobytes())
        else:
            getattr(output.contents, DATATYPES[output.datatype].field).extend(values.tolist())
    return response


def _check_contents(request: pb.ModelInferRequest) -> None:
    n_raw, n_inputs = len(request.raw_input_contents), len(request.inputs)
    if not n_raw:
        return
    if n_raw != n_inputs:
        raise RowsError(f"raw_input_contents must have one entry for each of {n_inputs} inputs, got {n_raw}")
    for tensor in request.inputs:
        if tensor.HasField("contents"):
            raise RowsError(f"values must be either raw or typed, got both for input {tensor.name!r}")


def _matrix(request: pb.ModelInferRequest, shape: RowShape, limits: Limits) -> npt.NDArray[np.floating]:
    tensor = request.inputs[0]
    _check_datatype(tensor, _NUMBERS)
    if len(tensor.shape) != 2:
        n_features = len(shape.schema.features)
        raise RowsError(f"input {ROWS!r} must have shape [M, {n_features}], got {_shown(tensor)}")
    shape.check_count(tensor.shape[0], limits)
    shape.check_width(tensor.shape[1])
    values = np.asarray(_values(request, 0)).reshape(tensor.shape)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _column(
    request: pb.ModelInferRequest, index: int, kind: str, shape: RowShape, limits: Limits
) -> pa.Array:
    tensor = request.inputs[index]
    _check_datatype(tensor, _TAKES[kind])
    if len(tensor.shape) not in (1, 2) or list(tensor.shape[1:]) not in ([], [1]):
        raise RowsError(f"input {tensor.name!r} must have shape [M] or [M, 1], got {_shown(tensor)}")
    shape.check_count(tensor.shape[0], limits)
    values = _values(request, index)
    if kind in ("categorical", GROUP):
        return pa.array(_texts(tensor.name, values), pa.string())
    array = pa.array(values)
    return array.cast(pa.timestamp("us", tz="UTC")) if kind == "timestamp" else array


def _shown(tensor: Tensor) -> list[int]:
    """The shape as an error shows it: a stranger's may be of any length."""
    return list(tensor.shape[:8])


def _check_datatype(tensor: Tensor, accepted: Sequence[str]) -> None:
    if tensor.datatype not in accepted:
        raise RowsError(
            f"input {tensor.name!r} must have datatype {' or '.join(accepted)}, got {tensor.datatype!r}"
        )


def _values(request: pb.ModelInferRequest, index: int) -> Any:
    tensor = request.inputs[index]
    n_values = prod(tensor.shape)
    if request.raw_input_contents:
        return read_raw(tensor.name, DATATYPES[tensor.datatype], request.raw_input_contents[index], n_values)
    return read_typed(tensor.name, DATATYPES[tensor.datatype], tensor.contents, n_values)


def _texts(name: str, values: Sequence[bytes]) -> list[str]:
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError:
        raise RowsError(f"BYTES of input {name!r} must be UTF-8", "encode the strings as UTF-8") from None


def _check_equal_lengths(columns: dict[str, pa.Array]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    first = next(iter(lengths.values()))
    for name, length in lengths.items():
        if length != first:
            raise RowsError(f"all inputs must have {first} values like the first, got {length} in {name!r}")
