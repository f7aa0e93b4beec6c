"""What a client learns of a failure: a status code and one sentence, never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio

from automl_ad.errors import AutomlADError, DataError
from automl_ad.rpc.models import UnknownModel

log = logging.getLogger(__name__)

_CODES: dict[type[AutomlADError], grpc.StatusCode] = {
    UnknownModel: grpc.StatusCode.NOT_FOUND,
    DataError: grpc.StatusCode.INVALID_ARGUMENT,
}
_MAX_DETAILS = 2_000
"""Characters of a message that are sent: gRPC puts them into the trailers, which hold 8 KiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """The status that ends a call."""

    code: grpc.StatusCode
    details: str


def failure_of(error: Exception) -> Failure:
    """The status for an error: the sentence of a user's mistake, only an id for anything else.

    What is behind the id is written to the log, so that support can find it and a client cannot.
    """
    for kind, code in _CODES.items():
        if isinstance(error, kind):
            return Failure(code=code, details=_one_line(error)[:_MAX_DETAILS])
    incident = uuid4().hex[:12]
    log.error("request failed, incident %s", incident, exc_info=error)
    return Failure(
        code=grpc.StatusCode.INTERNAL, details=f"internal error, incident {incident}: see the server's log"
    )


class FailureInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Ends a unary call that raised with the status of `failure_of`: where errors meet gRPC."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """The method's handler, wrapped."""
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(
            _guarded(handler.unary_unary),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    async def answer(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await method(request, context)
        except grpc.aio.AbortError:
            raise  # the method chose its status itself
        except Exception as error:  # noqa: BLE001  the RPC edge
            failure = failure_of(error)
            await context.abort(failure.code, failure.details)

    return answer


def _one_line(error: AutomlADError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
