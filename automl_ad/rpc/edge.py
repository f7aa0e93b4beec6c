"""Where calls enter and leave, whichever host they come through.

Every method of our services runs through an `Edge`, on grpc.aio and on Ray Serve alike: token, request id,
span, metrics, one line of log, failures as statuses. Methods are handed a `Call` in place of gRPC's context.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import uuid4

import grpc

from automl_ad.rpc.call import Call
from automl_ad.rpc.errors import Unauthenticated
from automl_ad.rpc.failures import CallFailed, failure_of
from automl_ad.rpc.metadata import REQUEST_ID
from automl_ad.rpc.security.keys import ANYONE, Caller, Keys
from automl_ad.rpc.telemetry import logs, tracing

if TYPE_CHECKING:
    from automl_ad.rpc.telemetry.metrics import Metrics

Response = TypeVar("Response")

OPEN_METHODS = frozenset(
    {
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.health.v1.Health/List",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
    }
)
"""What a probe asks: needs no token."""
_SAFE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_OK = grpc.StatusCode.OK.name


class Context(Protocol):
    """What the contexts of both hosts can do."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """What the client sent beside the request."""

    def peer(self) -> str:
        """Where the client is."""

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """What is sent after the answer."""


class Edge:
    """Where calls enter and leave: the same for every host."""

    def __init__(self, metrics: Metrics, keys: Keys | None = None) -> None:
        self._metrics = metrics
        self._keys = keys

    async def answer(
        self,
        method: str,
        handler: Callable[[Any, Call], Awaitable[Response]],
        request: Any,
        context: Context,
    ) -> Response:
        """The handler's answer. Raises CallFailed."""
        with self._entered(method, context) as call:
            return await handler(request, call)

    async def answers(
        self,
        method: str,
        handler: Callable[[Any, Call], AsyncIterator[Response]],
        requests: Any,
        context: Context,
    ) -> AsyncIterator[Response]:
        """The handler's answers, one by one. Raises CallFailed."""
        with self._entered(method, context) as call:
            async for response in handler(requests, call):
                yield response

    def knows_token(self, method: str, metadata: dict[str, str | bytes]) -> bool:
        """Whether the call would get past its token: asked before its message is read."""
        try:
            self._caller(method, metadata)
        except Unauthenticated:
            return False
        return True

    def _caller(self, method: str, metadata: dict[str, str | bytes]) -> Caller:
        """Who calls. Raises Unauthenticated."""
        if self._keys is None or method in OPEN_METHODS:
            return ANYONE
        authorization = metadata.get("authorization")
        return self._keys.caller_of(authorization if isinstance(authorization, str) else None)

    @contextmanager
    def _entered(self, method: str, context: Context) -> Iterator[Call]:
        metadata = dict(context.invocation_metadata() or ())
        call = Call(method=method, request_id=_request_id(metadata), peer=context.peer())
        context.set_trailing_metadata(((REQUEST_ID, call.request_id),))
        self._metrics.call_began(method)
        started, code = time.perf_counter(), _OK
        with logs.request_context(call.request_id), tracing.call_span(method, metadata) as span:
            try:
                call.caller = self._caller(method, metadata)
                yield call
            except (asyncio.CancelledError, GeneratorExit):
                code = grpc.StatusCode.CANCELLED.name  # the client left, or its deadline passed
                raise
            except Exception as error:  # noqa: BLE001  the RPC edge
                failure = failure_of(error, call.request_id)
                code = failure.code.name
                self._metrics.refused(failure.reason)
                raise CallFailed(failure) from None
            finally:
                self._ended(call, code, time.perf_counter() - started)
                tracing.describe(span, call, code)

    def _ended(self, call: Call, code: str, seconds: float) -> None:
        self._metrics.call_ended(call.method, code, call.model, call.version, seconds)
        logs.log_call(call, code, seconds)


def _request_id(metadata: dict[str, str | bytes]) -> str:
    """The client's own, if it is harmless in a log; else a new one."""
    given = metadata.get(REQUEST_ID)
    return given if isinstance(given, str) and _SAFE_ID.fullmatch(given) else uuid4().hex
