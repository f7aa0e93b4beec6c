"""Spans of calls: the caller's trace is continued, nothing in a header can hurt, no SDK means no work."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from automl_ad.errors import ConfigError, RowsError
from automl_ad.rpc.telemetry import tracing

SCORE = "/automl_ad.rpc.v1.ScoringService/Score"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
CALL = SimpleNamespace(request_id="r1", model="fraud", version="v1", n_rows=3)
HEADERS = st.dictionaries(
    st.sampled_from(["traceparent", "tracestate", "baggage"]),
    st.one_of(
        st.text(),
        st.binary(),
        st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"),
        st.lists(st.text("abc@=,*/- \t", max_size=8), max_size=40).map(",".join),
    ),
)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[ReadableSpan]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    def taken() -> list[ReadableSpan]:
        finished = list(exporter.get_finished_spans())
        exporter.clear()
        return finished

    return taken


def test_a_call_is_a_server_span_by_the_conventions(spans: Callable[[], list[ReadableSpan]]) -> None:
    with tracing.call_span(SCORE, {}) as span:
        tracing.describe(span, CALL, "OK")
    (span,) = spans()
    assert span.name == "automl_ad.rpc.v1.ScoringService/Score"
    assert span.kind is SpanKind.SERVER
    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes) == {
        "rpc.system": "grpc",
        "rpc.service": "automl_ad.rpc.v1.ScoringService",
        "rpc.method": "Score",
        "rpc.grpc.status_code": 0,
        "automl_ad.request_id": "r1",
        "automl_ad.model": "fraud",
        "automl_ad.version": "v1",
        "automl_ad.rows": 3,
    }


def test_the_trace_of_the_caller_goes_on(spans: Callable[[], list[ReadableSpan]]) -> None:
    metadata = {"traceparent": TRACEPARENT, "tracestate": "shop=1"}
    with tracing.call_span(SCORE, metadata), tracing.child_span("score", rows=3):
        assert tracing.trace_id() == TRACE
    child, call = spans()
    assert f"{call.context.trace_id:032x}" == TRACE
    assert f"{call.parent.span_id:016x}" == SPAN
    assert call.context.trace_state.get("shop") == "1"
    assert (child.name, child.parent.span_id) == ("score", call.context.span_id)
    assert dict(child.attributes) == {"automl_ad.rows": 3}


def test_what_is_current_on_the_server_is_not_the_parent(spans: Callable[[], list[ReadableSpan]]) -> None:
    with tracing.call_span(SCORE, {}), tracing.call_span(SCORE, {}):
        pass
    assert [span.parent for span in spans()] == [None, None]


@pytest.mark.parametrize(
    ("code", "status"),
    [("INTERNAL", StatusCode.ERROR), ("INVALID_ARGUMENT", StatusCode.UNSET), ("CANCELLED", StatusCode.UNSET)],
)
def test_a_client_s_mistake_is_no_error_of_the_server(
    spans: Callable[[], list[ReadableSpan]], code: str, status: StatusCode
) -> None:
    with pytest.raises(RowsError), tracing.call_span(SCORE, {}) as span:  # noqa: PT012
        tracing.describe(span, CALL, code)
        raise RowsError("column 'a' must be finite, got secret")
    (span,) = spans()
    assert span.status.status_code is status
    assert "secret" not in span.to_json()


def test_a_step_that_fails_names_the_kind_of_error_only(spans: Callable[[], list[ReadableSpan]]) -> None:
    with pytest.raises(RowsError), tracing.call_span(SCORE, {}), tracing.child_span("score"):
        raise RowsError("column 'a' must be finite, got secret")
    step, _ = spans()
    assert (step.status.status_code, step.status.description) == (StatusCode.ERROR, "RowsError")
    assert "secret" not in step.to_json()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=HEADERS)
def test_no_header_can_break_a_call(
    spans: Callable[[], list[ReadableSpan]], metadata: dict[str, str | bytes]
) -> None:
    with tracing.call_span(SCORE, metadata) as span:
        tracing.describe(span, CALL, "OK")
        assert span.get_span_context().is_valid
    is_sampled = span.get_span_context().trace_flags.sampled
    assert [each.name for each in spans()] == [SCORE.strip("/")] * is_sampled


def test_a_caller_that_does_not_sample_keeps_us_from_recording(
    spans: Callable[[], list[ReadableSpan]],
) -> None:
    with tracing.call_span(SCORE, {"traceparent": f"00-{TRACE}-{SPAN}-00"}), tracing.child_span("score"):
        assert tracing.trace_id() == TRACE
    assert spans() == []


def test_a_header_beyond_all_measure_is_not_read(spans: Callable[[], list[ReadableSpan]]) -> None:
    with tracing.call_span(SCORE, {"traceparent": TRACEPARENT, "tracestate": "a=" + "b" * 100_000}):
        pass
    (span,) = spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert not span.context.trace_state


def test_a_stream_may_be_closed_in_another_context(
    spans: Callable[[], list[ReadableSpan]], caplog: pytest.LogCaptureFixture
) -> None:
    async def stream():
        with tracing.call_span(SCORE, {}):
            yield 1

    async def left() -> None:
        answers = stream()
        await asyncio.create_task(anext(answers))
        await asyncio.create_task(answers.aclose())

    with caplog.at_level(logging.DEBUG):
        asyncio.run(left())
    assert len(spans()) == 1
    assert "detach" not in caplog.text


def test_without_an_sdk_nothing_is_recorded_but_the_caller_s_trace_is_known() -> None:
    with tracing.call_span(SCORE, {}) as span, tracing.child_span("score") as step:
        tracing.describe(span, CALL, "OK")
        assert not span.is_recording()
        assert not step.is_recording()
        assert tracing.trace_id() == ""
    with tracing.call_span(SCORE, {"traceparent": TRACEPARENT}) as span:
        assert not span.is_recording()
        assert tracing.trace_id() == TRACE


def test_console_writes_the_spans_at_the_latest_when_it_is_shut_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    providers: list[TracerProvider] = []
    monkeypatch.setattr(trace, "set_tracer_provider", providers.append)
    shutdown = tracing.configure_tracing("console")
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: providers[0])
    with tracing.call_span(SCORE, {}) as span:
        tracing.describe(span, CALL, "OK")
    shutdown()
    written = capsys.readouterr().err
    assert '"rpc.method": "Score"' in written
    assert '"service.name": "automl-ad"' in written


def test_otlp_names_the_extra_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    with pytest.raises(ConfigError, match="otlp") as caught:
        tracing.configure_tracing("otlp")
    assert "automl-ad[otlp]" in caught.value.hint


def test_no_exporter_leaves_everything_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "set_tracer_provider", pytest.fail)
    tracing.configure_tracing("none")()
