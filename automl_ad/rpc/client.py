"""A small typed client: rows in, anomaly scores out. It imports neither torch nor Open Inference stubs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.errors import AutomlADError, RowsError
from automl_ad.results import AnomalyScores
from automl_ad.rpc.models import Limits, UnknownModel
from automl_ad.rpc.packing import score_request
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc


class ServerError(AutomlADError, ConnectionError):
    """The server cannot be reached, was too slow, or failed. `code` is the gRPC status code's name."""

    def __init__(self, message: str, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint)
        self.code = code


class ScoringClient:
    """A connection to one server, kept open; one client may be used by many threads. Nothing is retried."""

    def __init__(self, target: str, *, timeout_s: float = 30.0) -> None:
        """`target` is HOST:PORT; `timeout_s` is the deadline of every call."""
        n_bytes = Limits().max_message_bytes
        self._target = target
        self._timeout_s = timeout_s
        self._channel = grpc.insecure_channel(
            target,
            options=[("grpc.max_send_message_length", n_bytes), ("grpc.max_receive_message_length", n_bytes)],
        )
        self._stub = scoring_pb2_grpc.ScoringServiceStub(self._channel)

    def score(
        self,
        rows: npt.ArrayLike | pa.Table | pa.RecordBatch | Mapping[str, Sequence[Any]],
        *,
        model: str = "",
        version: str = "",
    ) -> AnomalyScores:
        """Scores of a matrix [M, F] in schema order, of an arrow table, or of column name -> values.

        Raises RowsError when the rows do not fit the model, UnknownModel, and ServerError for the rest.
        """
        response = self._call(self._stub.Score, score_request(rows, model=model, version=version))
        return AnomalyScores(
            anomaly_score=np.array(response.anomaly_score, dtype=np.float64),
            percentile=np.array(response.percentile, dtype=np.float64),
            is_anomaly=np.array(response.is_anomaly, dtype=bool),
            threshold=response.threshold,
            model=response.model,
            version=response.model_version,
        )

    def list_models(self) -> list[pb.Model]:
        """The models of the server, with their features in the order of a matrix row."""
        return list(self._call(self._stub.ListModels, pb.ListModelsRequest()).models)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout_s)
        except grpc.RpcError as error:
            raise _error_of(error, self._target) from None


def _error_of(error: Any, target: str) -> AutomlADError:
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return RowsError(details)
    if code is grpc.StatusCode.NOT_FOUND:
        return UnknownModel(details)
    return ServerError(f"{target} answered {code.name}: {details}", code=code.name)
