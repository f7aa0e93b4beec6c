"""Where grpc.aio meets the edge: our methods run through it, those of others are asked for a token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio

from automl_ad.rpc.calls import Edge
from automl_ad.rpc.errors import Unauthenticated
from automl_ad.rpc.failures import CallFailed, failure_of

if TYPE_CHECKING:
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]


class EdgeInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps every handler of the server."""

    def __init__(self, edge: Edge, own_services: tuple[str, ...]) -> None:
        """Methods of `own_services` take a `Call`; those of others, such as health, gRPC's own context."""
        self._edge = edge
        self._own = tuple(f"/{service}/" for service in own_services)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The method's handler, wrapped; without one, gRPC answers UNIMPLEMENTED."""
        handler, method = await continuation(handler_call_details), handler_call_details.method
        if handler is None:
            return handler
        if not method.startswith(self._own):
            return self._guarded(handler, handler_call_details)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        return grpc.stream_stream_rpc_method_handler(
            self._stream(method, handler.stream_stream),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _unary(self, method: str, behavior: Any) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            try:
                return await self._edge.answer(method, behavior, request, context)
            except CallFailed as failed:
                await _abort(context, failed)

        return answer

    def _stream(self, method: str, behavior: Any) -> Any:
        async def answers(requests: Any, context: Any) -> AsyncIterator[Any]:
            try:
                async for response in self._edge.answers(method, behavior, requests, context):
                    yield response
            except CallFailed as failed:
                await _abort(context, failed)

        return answers

    def _guarded(self, handler: Handler, details: grpc.HandlerCallDetails) -> Handler:
        """The same handler for those who may call it, else one that says why not."""
        try:
            self._edge.check_token(details.method, dict(details.invocation_metadata or ()))
        except Unauthenticated as error:
            failed = CallFailed(failure_of(error, ""))
            return grpc.stream_stream_rpc_method_handler(_refusing(failed))
        return handler


def _refusing(failed: CallFailed) -> Any:
    async def refuse(requests: Any, context: Any) -> AsyncIterator[Any]:
        del requests
        await _abort(context, failed)
        yield  # makes it a generator

    return refuse


async def _abort(context: Any, failed: CallFailed) -> None:
    failure = failed.failure
    await context.abort(failure.code, failure.details, failure.trailing)
