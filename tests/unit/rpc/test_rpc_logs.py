"""Lines of the log: their fields, what can never be in them, and what a client cannot do to them."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_ad.rpc.telemetry import logs, tracing

SCORE = "/automl_ad.rpc.v1.ScoringService/Score"
CHECK = "/grpc.health.v1.Health/Check"
TRACE = "0af7651916cd43dd8448eb211c80319c"
LINE = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z (debug|info|warning|error|critical) +\S")

Configure = Callable[..., io.StringIO]


def call_of(**changed: object) -> SimpleNamespace:
    fields = {
        "request_id": "r-1",
        "method": SCORE,
        "model": "fraud",
        "version": "9f2c41d07b1a6e55",
        "n_rows": 256,
        "peer": "ipv4:10.0.3.7:51514",
        "caller": SimpleNamespace(name="shop"),
    }
    return SimpleNamespace(**{**fields, **changed})


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Configures the logs onto a text of their own, and puts everything back."""
    touched = [logging.getLogger(name) for name in (None, "ray", "grpc", "opentelemetry.trace")]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in touched]
    for logger in touched:
        logger.setLevel(logging.NOTSET)  # whatever ran before: `ray.init` leaves Ray's at ERROR

    def configured(format: logs.LogFormat, **options: int) -> io.StringIO:
        stream = io.StringIO()
        logs.configure_logs(format, stream=stream, **options)
        return stream

    yield configured
    for logger, handlers, level, propagate in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate


def test_json_is_one_object_a_line(configure: Configure) -> None:
    stream = configure("json")
    logs.log_call(call_of(), "OK", 0.00213)
    logs.log_call(call_of(), "NOT_FOUND", 0.1)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    moment = datetime.fromisoformat(first.pop("timestamp"))
    assert moment.utcoffset() == timedelta(0)
    assert first == {
        "level": "info",
        "event": "call",
        "request_id": "r-1",
        "method": SCORE,
        "code": "OK",
        "model": "fraud",
        "version": "9f2c41d07b1a6e55",
        "n_rows": 256,
        "ms": 2.13,
        "peer": "ipv4:10.0.3.7:51514",
        "caller": "shop",
        "logger": "automl_ad.rpc.edge",
    }
    assert second["code"] == "NOT_FOUND"


def test_text_is_one_line_without_colours(configure: Configure) -> None:
    stream = configure("text")
    logs.log_call(call_of(model="", version=""), "UNAUTHENTICATED", 0.1)
    (line,) = stream.getvalue().splitlines()
    assert LINE.match(line)
    assert line.endswith(
        f"info     call request_id=r-1 method={SCORE} code=UNAUTHENTICATED n_rows=256 ms=100.0 "
        "peer=ipv4:10.0.3.7:51514 caller=shop"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(evil=st.text(st.characters(exclude_categories=[]), min_size=1, max_size=300))
def test_text_from_outside_stays_in_its_field(configure: Configure, evil: str) -> None:
    stream = configure("json")
    logs.log_call(call_of(request_id=evil, model=evil, peer=evil), "OK", 0.1)
    logging.getLogger("automl_ad.x").warning("no model is called %r", evil)
    call, warning = (json.loads(line) for line in stream.getvalue().split("\n")[:-1])
    assert call["code"] == "OK"
    assert call["peer"][: logs.MAX_FIELD_CHARS] == evil[: logs.MAX_FIELD_CHARS]
    assert warning["event"] == f"no model is called {evil!r}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(evil=st.text(st.characters(exclude_categories=[]), max_size=300))
def test_text_from_outside_begins_no_line(configure: Configure, evil: str) -> None:
    stream = configure("text")
    logs.log_call(call_of(request_id=evil, model=evil, peer=evil), "OK", 0.1)
    logging.getLogger("automl_ad.x").warning("no model is called %s", evil)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all(LINE.match(line) and line.isprintable() for line in lines)


def test_text_from_outside_poses_as_no_field(configure: Configure) -> None:
    stream = configure("text")
    logs.log_call(call_of(peer='x" code=OK caller=root'), "NOT_FOUND", 0.1)
    logging.getLogger("automl_ad.x").warning("no model is called %s", "x code=OK")
    call, warning = stream.getvalue().splitlines()
    outside_quotes = re.sub(r'"(?:\\.|[^"\\])*"', "", f"{call} {warning}")
    assert re.findall(r"code=(\w+)", outside_quotes) == ["NOT_FOUND"]
    assert re.findall(r"caller=(\w+)", outside_quotes) == ["shop"]


def test_an_exception_is_one_field(configure: Configure) -> None:
    stream = configure("json")
    logging.getLogger("automl_ad.x").error("incident %s", "ab12", exc_info=ZeroDivisionError("a\nb"))
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["exception"] == "ZeroDivisionError: a\nb"


def test_an_exception_in_text_stands_below_its_line(configure: Configure) -> None:
    stream = configure("text")
    forged = "x\n2026-11-26T00:00:00Z info call code=OK\x1b[2K"
    logging.getLogger("automl_ad.x").error("incident %s", "ab12", exc_info=ZeroDivisionError(forged))
    first, *below = stream.getvalue().splitlines()
    assert LINE.match(first)
    assert below == ["    | ZeroDivisionError: x", "    | 2026-11-26T00:00:00Z info call code=OK\\x1b[2K"]


@pytest.mark.parametrize("name", ["grpc", "ray", "automl_ad.rpc.models.live_models", "somebody.else"])
def test_everybody_s_lines_look_alike(configure: Configure, name: str) -> None:
    stream = configure("json")
    logging.getLogger(name).warning("%d%% done", 50)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("50% done", "warning", name)


def test_libraries_write_to_the_terminal_no_more(configure: Configure) -> None:
    ray, terminal = logging.getLogger("ray"), io.StringIO()
    ray.handlers[:], ray.propagate = [logging.StreamHandler(terminal)], False
    stream = configure("json")
    ray.warning("from Ray")
    assert terminal.getvalue() == ""
    assert json.loads(stream.getvalue())["event"] == "from Ray"


def test_a_header_that_is_no_trace_is_not_told(configure: Configure) -> None:
    stream = configure("text")
    metadata = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "!!!,???"}
    with tracing.call_span(SCORE, metadata):
        assert tracing.trace_id() == TRACE
    assert stream.getvalue() == ""


def test_request_and_trace_are_on_every_line_of_a_call(configure: Configure) -> None:
    stream = configure("json")
    traceparent = f"00-{TRACE}-b7ad6b7169203331-01"
    with tracing.call_span(SCORE, {"traceparent": traceparent}), logs.request_context("r-9"):
        logging.getLogger("automl_ad.x").warning("inside")
    logging.getLogger("automl_ad.x").warning("outside")
    inside, outside = map(json.loads, stream.getvalue().splitlines())
    assert (inside["request_id"], inside["trace_id"]) == ("r-9", TRACE)
    assert not {"request_id", "trace_id"} & set(outside)


@pytest.mark.parametrize(
    ("method", "code", "level"),
    [
        (CHECK, "OK", "debug"),
        ("/inference.GRPCInferenceService/ServerReady", "OK", "debug"),
        ("/inference.GRPCInferenceService/ServerMetadata", "OK", "info"),
        (CHECK, "NOT_FOUND", "info"),
        (SCORE, "INVALID_ARGUMENT", "info"),
        (SCORE, "INTERNAL", "error"),
    ],
)
def test_probes_are_told_at_debug_and_faults_as_errors(
    configure: Configure, method: str, code: str, level: str
) -> None:
    stream = configure("json", level=logging.DEBUG)
    logs.log_call(call_of(method=method), code, 0.1)
    assert json.loads(stream.getvalue())["level"] == level


def test_probes_are_not_told_by_default(configure: Configure) -> None:
    stream = configure("json")
    logs.log_call(call_of(method=CHECK), "OK", 0.1)
    assert stream.getvalue() == ""


def test_neither_rows_nor_metadata_are_told(configure: Configure) -> None:
    stream = configure("json")
    logs.log_call(
        call_of(authorization="Bearer s3cret", metadata={"a": "s3cret"}, rows=["s3cret"]), "OK", 0.1
    )
    assert "s3cret" not in stream.getvalue()


def test_long_text_is_cut(configure: Configure) -> None:
    stream = configure("json")
    logs.log_call(call_of(peer="p" * 100_000), "OK", 0.1)
    assert json.loads(stream.getvalue())["peer"] == "p" * logs.MAX_FIELD_CHARS + "..."
