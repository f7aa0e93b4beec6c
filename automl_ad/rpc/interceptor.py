"""Where grpc.aio meets the edge: our methods run through it, those of others are asked for a token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import grpc.aio

from automl_ad.errors import RowsError
from automl_ad.rpc.edge import Edge
from automl_ad.rpc.errors import Unauthenticated
from automl_ad.rpc.failures import CallFailed, failure_of
from automl_ad.rpc.unreadable import decoder, readable, require_readable

if TYPE_CHECKING:
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]


WATCH = "/grpc.health.v1.Health/Watch"
MAX_WATCHES = 32


class EdgeInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Wraps every handler of the server."""

    def __init__(self, edge: Edge, own_services: tuple[str, ...]) -> None:
        """Methods of `own_services` take a `Call`; those of others, such as health, gRPC's own context."""
        self._edge = edge
        self._n_watches = 0
        self._wrapped: dict[str, Handler] = {}
        """Method -> its handler; only methods that exist."""
        self._own = tuple(f"/{service}/" for service in own_services)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The method's handler, wrapped; without one, gRPC answers UNIMPLEMENTED."""
        method = handler_call_details.method
        if not self._edge.knows_token(method, dict(handler_call_details.invocation_metadata or ())):
            # As a stream, because a unary handler would be called after the message is read, however large.
            return grpc.stream_stream_rpc_method_handler(self._stream(method, _never))
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return handler
            wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        if method == WATCH:
            return self._few_watches(handler)
        if not method.startswith(self._own):
            return _foreign(handler)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary),
                request_deserializer=decoder(handler.request_deserializer),
                response_serializer=handler.response_serializer,
            )
        return grpc.stream_stream_rpc_method_handler(
            self._stream(method, handler.stream_stream),
            request_deserializer=decoder(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )

    def _few_watches(self, handler: Handler) -> Handler:
        """Watches need no token and never end: without a limit they could take all calls of a server."""
        behavior: Any = handler.unary_stream

        async def watch(request: Any, context: Any) -> None:
            if self._n_watches >= MAX_WATCHES:
                await context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_WATCHES} clients watch already; ask by Check"
                )
            self._n_watches += 1
            try:
                await behavior(request, context)
            finally:
                self._n_watches -= 1

        return grpc.unary_stream_rpc_method_handler(
            watch,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _unary(self, method: str, behavior: Any) -> Any:
        async def read(request: Any, call: Any) -> Any:
            return await behavior(require_readable(request), call)

        async def answer(request: Any, context: Any) -> Any:
            try:
                return await self._edge.answer(method, read, request, context)
            except CallFailed as failed:
                await _abort(context, failed)

        return answer

    def _stream(self, method: str, behavior: Any) -> Any:
        async def answers(requests: Any, context: Any) -> AsyncIterator[Any]:
            try:
                async for response in self._edge.answers(method, behavior, readable(requests), context):
                    yield response
            except CallFailed as failed:
                await _abort(context, failed)

        return answers


def _foreign(handler: Handler) -> Handler:
    """The handler of gRPC's own service; its unary methods refuse what is no message."""
    if handler.unary_unary is None:
        return handler
    behavior = handler.unary_unary

    async def answer(request: Any, context: Any) -> Any:
        try:
            require_readable(request)
        except RowsError as error:
            await _abort(context, CallFailed(failure_of(error, "")))
        return await behavior(request, context)

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=decoder(handler.request_deserializer),
        response_serializer=handler.response_serializer,
    )


def _never(requests: Any, call: Any) -> AsyncIterator[Any]:
    """The handler of a call without a token: the edge refuses first, unless the keys changed just now."""
    del requests, call
    raise Unauthenticated("the token became valid a moment ago", "send the call again")


async def _abort(context: Any, failed: CallFailed) -> None:
    failure = failed.failure
    await context.abort(failure.code, failure.details, failure.trailing)
