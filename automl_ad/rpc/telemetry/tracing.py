"""A span for every call, in the caller's trace (W3C `traceparent`), by OpenTelemetry's conventions for RPC.

Without an SDK a call costs one look at the metadata. Spans hold names, counts and the status, never rows, and
no text of an exception, which may quote a value. https://opentelemetry.io/docs/specs/semconv/rpc/grpc/
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import grpc
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, ProxyTracerProvider, Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from automl_ad.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

    from automl_ad.rpc.call import Call

Exporter = Literal["none", "console", "otlp"]

SERVICE_NAME = "automl-ad"
_PROPAGATOR = TraceContextTextMapPropagator()
_MAX_HEADER_BYTES = 512
"""What W3C Trace Context asks to be passed on of `tracestate`; a longer one is dropped, the trace is kept."""
_SERVER_FAULTS = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""Codes that make a server's span an error; the others are the client's doing."""


@contextmanager
def call_span(method: str, metadata: Mapping[str, str | bytes]) -> Iterator[Span]:
    """The span of a call of `/package.Service/Method`, which is current while the block runs.

    `metadata` is the client's and may hold anything; what is no trace context starts a trace of its own. A
    caller that does not sample its trace keeps ours from being recorded, as W3C has it.
    """
    if not _is_tracing() and "traceparent" not in metadata:
        yield INVALID_SPAN
        return
    service, _, name = method.strip("/").rpartition("/")
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}
    span = _tracer().start_span(
        method.strip("/"), _parent(metadata), kind=SpanKind.SERVER, attributes=attributes
    )
    with _current(span):
        yield span


@contextmanager
def child_span(name: str, **attributes: str | int) -> Iterator[Span]:
    """The span of a step of the current call, such as `queue` or `score`."""
    if not trace.get_current_span().is_recording():
        yield INVALID_SPAN
        return
    span = _tracer().start_span(
        name, attributes={f"automl_ad.{key}": value for key, value in attributes.items()}
    )
    with _current(span):
        try:
            yield span
        except Exception as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def describe(span: Span, call: Call, code: str) -> None:
    """Write down what the call was about and how it ended: `code` is the name of a gRPC status code."""
    if not span.is_recording():
        return
    span.set_attribute("rpc.grpc.status_code", grpc.StatusCode[code].value[0])
    span.set_attribute("automl_ad.request_id", call.request_id)
    if call.model:
        span.set_attributes({"automl_ad.model": call.model, "automl_ad.version": call.version})
    span.set_attribute("automl_ad.rows", call.n_rows)
    if code in _SERVER_FAULTS:
        span.set_status(StatusCode.ERROR, code)


def trace_id() -> str:
    """32 hex digits of the current trace, the caller's included; empty without one."""
    spoken = trace.get_current_span().get_span_context()
    return f"{spoken.trace_id:032x}" if spoken.is_valid else ""


def configure_tracing(exporter: Exporter) -> Callable[[], None]:
    """Send spans somewhere from now on, for the whole process. Returns what sends the last ones and stops.

    `console` writes them to standard error; `otlp` sends them where OpenTelemetry's own variables say. Raises
    ConfigError when the exporter is not installed.
    """
    if exporter == "none":
        return lambda: None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(
        resource=Resource.create({"service.name": SERVICE_NAME}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(_exporter(exporter)))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def _exporter(name: Exporter) -> SpanExporter:
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise ConfigError(
            f"tracing to otlp needs its exporter, got: {error}", 'pip install "automl-ad[otlp]"'
        ) from error
    exporter: SpanExporter = OTLPSpanExporter()
    return exporter


def _is_tracing() -> bool:
    return not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)


def _tracer() -> Tracer:
    return _tracer_of(trace.get_tracer_provider())


@lru_cache(maxsize=1)
def _tracer_of(provider: trace.TracerProvider) -> Tracer:
    return provider.get_tracer("automl_ad.rpc")


def _parent(metadata: Mapping[str, str | bytes]) -> Context:
    """The caller's trace, or an empty context: what happens to be current here is not its parent."""
    headers = {}
    for name in ("traceparent", "tracestate"):
        value = metadata.get(name)
        if isinstance(value, str) and len(value) <= _MAX_HEADER_BYTES:
            headers[name] = value
    return _PROPAGATOR.extract(headers, Context())


@contextmanager
def _current(span: Span) -> Iterator[None]:
    """Make the span current, and end it.

    A stream that its client leaves is closed by whoever finds it, in another context: nothing to undo there.
    """
    inside = trace.set_span_in_context(span)
    token = contexts.attach(inside)
    try:
        yield
    finally:
        if contexts.get_current() is inside:
            contexts.detach(token)
        span.end()
