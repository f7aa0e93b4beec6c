"""The service's log: one line for every call and every event, for people (text) or for machines (JSON).

What is logged of a call is named here, field by field: no rows, no metadata, no token. Text from outside
cannot begin a line or pose as a field: JSON escapes it, and so does the text format.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter

from automl_ad.rpc.service_options import LogFormat
from automl_ad.rpc.telemetry import tracing

if TYPE_CHECKING:
    from automl_ad.rpc.call import Call

Event = MutableMapping[str, Any]

MAX_FIELD_CHARS = 256
"""Of one field that is not an exception: longer text is cut."""
_PROBES = (
    "/grpc.health.v1.Health/",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
)
"""Asked every few seconds by whoever watches: told at debug, unless they fail."""
_FAULTS = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS"})
_REDIRECTED = ("ray", "grpc")
"""Loggers of libraries that write to the terminal themselves."""
_QUOTING = "opentelemetry.trace"
"""Warns of trace headers that are none by quoting them: a line more for every call of a hostile client."""
_request_id: ContextVar[str] = ContextVar("request_id", default="")

_calls = structlog.wrap_logger(
    logging.getLogger("automl_ad.rpc.edge"),
    processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def configure_logs(
    format: LogFormat, *, level: int = logging.INFO, stream: TextIO | None = None
) -> logging.Handler:
    """Write everything that this process logs, libraries included, to `stream` (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            processors=[
                _context,
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.format_exc_info,
                ProcessorFormatter.remove_processors_meta,
                _cut,
                _json if format == "json" else _text,
            ],
        )
    )
    # Facts that no line shows, looked up for every line: a tenth of its cost.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger(_QUOTING).setLevel(logging.ERROR)
    for name in _REDIRECTED:
        _redirect(logging.getLogger(name))
    return handler


@contextmanager
def request_context(request_id: str) -> Iterator[None]:
    """While the block runs, whatever this task logs carries the request id."""
    before = _request_id.get()
    _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.set(before)  # not reset(token): a stream may be closed in another context


def log_call(call: Call, code: str, seconds: float) -> None:
    """The line of a call that ended with the status code of that name."""
    _calls.log(
        _level(call.method, code),
        "call",
        request_id=call.request_id,
        method=call.method,
        code=code,
        model=call.model,
        version=call.version,
        n_rows=call.n_rows,
        ms=round(1e3 * seconds, 3),
        peer=call.peer,
        caller=call.caller.name,
    )


def _level(method: str, code: str) -> int:
    if code in _FAULTS:
        return logging.ERROR
    return logging.DEBUG if code == "OK" and method.startswith(_PROBES) else logging.INFO


def _context(_logger: Any, _name: str, event: Event) -> Event:
    """Add where the line comes from: logger, request, trace."""
    event.setdefault("logger", event["_record"].name)
    for name, value in (("request_id", _request_id.get()), ("trace_id", tracing.trace_id())):
        if value:
            event.setdefault(name, value)
    return event


def _cut(_logger: Any, _name: str, event: Event) -> Event:
    for name, value in event.items():
        if isinstance(value, str) and len(value) > MAX_FIELD_CHARS and name not in ("event", "exception"):
            event[name] = value[:MAX_FIELD_CHARS] + "..."
    return event


def _json(_logger: Any, _name: str, event: Event) -> str:
    first = {name: event.pop(name) for name in ("timestamp", "level", "event")}
    return json.dumps({**first, **event}, default=repr)


def _text(_logger: Any, _name: str, event: Event) -> str:
    timestamp, level, said = event.pop("timestamp"), event.pop("level"), event.pop("event")
    traceback = event.pop("exception", "")
    event.pop("logger", None)
    fields = "".join(f" {name}={_value(value)}" for name, value in event.items() if value != "")
    below = "".join(f"\n    | {_visible(line)}" for line in traceback.split("\n")) if traceback else ""
    return f"{timestamp} {level:<8} {_value(said, ' ')}{fields}{below}"


def _value(value: object, allowed: str = "") -> str:
    r"""A field's value, in quotes where it could be taken for several.

    >>> _value("fraud"), _value("a b=c"), _value("one\ntwo")
    ('fraud', '"a b=c"', 'one\\ntwo')
    """
    text = _visible(str(value))
    is_plain = not any(letter in ' ="' and letter not in allowed for letter in text)
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def _visible(text: str) -> str:
    """The text with everything escaped that is not a letter: line ends, control and direction marks."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def _redirect(logger: logging.Logger) -> None:
    logger.handlers[:] = [h for h in logger.handlers if isinstance(h, logging.FileHandler)]
    logger.propagate = True
