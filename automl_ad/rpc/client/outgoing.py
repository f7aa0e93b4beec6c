"""What a client sends: requests that are not too large, and beside them token, request id and trace."""

from __future__ import annotations

import sys
from uuid import uuid4

from automl_ad.errors import RowsError
from automl_ad.rpc.client.connection import Connection, read_token
from automl_ad.rpc.client.packing import ClientRows, score_request
from automl_ad.rpc.metadata import REQUEST_ID
from automl_ad.rpc.options import MIB
from automl_ad.rpc.v1 import scoring_pb2 as pb

CHUNK_ROWS = 8192
"""2 MiB of 30 doubles: large enough to forget the cost of a message, far below the limit of one."""


class Outgoing:
    """Makes what the calls over one connection carry."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def metadata(self, *, has_token: bool = True) -> tuple[tuple[str, str], ...]:
        """The metadata of one call, retries included. Raises ConfigError for a token that cannot be read."""
        metadata = {REQUEST_ID: uuid4().hex, **_trace_context()}
        if has_token and self._connection.token is not None:
            metadata["authorization"] = f"Bearer {read_token(self._connection.token)}"
        return tuple(metadata.items())

    def score_request(self, rows: ClientRows, *, model: str, version: str) -> pb.ScoreRequest:
        """The request for the rows. Raises RowsError where it is larger than a message may be."""
        request = score_request(rows, model=model, version=version)
        size, limit = request.ByteSize(), self._connection.max_message_bytes
        if size > limit:
            raise RowsError(
                f"a request may have at most {limit / MIB:.4g} MiB, got {size / MIB:.4g} MiB",
                "send the rows in chunks: score_table makes them, score_stream takes yours",
            )
        return request


def _trace_context() -> dict[str, str]:
    """`traceparent` of the active span. A program that never imported OpenTelemetry has none."""
    carrier: dict[str, str] = {}
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(carrier)
    return carrier
