"""What a client learns of a failure: a code, one sentence and google.rpc details, never a traceback."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from automl_ad.errors import AutomlADError, DataError
from automl_ad.rpc.errors import BrokenModel, Forbidden, Overloaded, Unauthenticated, UnknownModel
from automl_ad.rpc.metadata import DETAILS, DOMAIN, PUSHBACK, REQUEST_ID

log = logging.getLogger(__name__)

MAX_TEXT_BYTES = 1_000
"""Of a sentence. It is sent three times, once with three letters a byte, in trailers that hold 8 KiB."""

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """The status that ends a call."""

    code: grpc.StatusCode
    reason: str
    details: str
    trailing: Metadata


class CallFailed(Exception):
    """A call ended with this failure: raised by the edge, turned into a status by the host."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.details)
        self.failure = failure


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rule:
    code: grpc.StatusCode
    reason: str
    """A word that never changes, for programs that must tell failures apart."""
    facts: Callable[[AutomlADError, str], Iterator[Message]] = lambda _error, _text: iter(())


def _bad_rows(_error: AutomlADError, text: str) -> Iterator[Message]:
    violation = error_details_pb2.BadRequest.FieldViolation(field="rows", description=text)
    yield error_details_pb2.BadRequest(field_violations=[violation])


def _no_model(_error: AutomlADError, text: str) -> Iterator[Message]:
    yield error_details_pb2.ResourceInfo(resource_type="automl-ad/model", description=text)


def _come_back(error: AutomlADError, _text: str) -> Iterator[Message]:
    if isinstance(error, Overloaded) and error.retry_after_s is not None:
        delay = Duration()
        delay.FromTimedelta(timedelta(seconds=error.retry_after_s))
        yield error_details_pb2.RetryInfo(retry_delay=delay)


_RULES: dict[type[Exception], _Rule] = {
    Unauthenticated: _Rule(code=grpc.StatusCode.UNAUTHENTICATED, reason="TOKEN_REFUSED"),
    Forbidden: _Rule(code=grpc.StatusCode.PERMISSION_DENIED, reason="MODEL_FORBIDDEN"),
    UnknownModel: _Rule(code=grpc.StatusCode.NOT_FOUND, reason="MODEL_UNKNOWN", facts=_no_model),
    BrokenModel: _Rule(code=grpc.StatusCode.FAILED_PRECONDITION, reason="MODEL_BROKEN", facts=_no_model),
    Overloaded: _Rule(code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="OVERLOADED", facts=_come_back),
    DataError: _Rule(code=grpc.StatusCode.INVALID_ARGUMENT, reason="ROWS_REFUSED", facts=_bad_rows),
}
_BUG = _Rule(code=grpc.StatusCode.INTERNAL, reason="INTERNAL")

REASONS = frozenset(rule.reason for rule in (*_RULES.values(), _BUG))


def failure_of(error: Exception, request_id: str) -> Failure:
    """The status for an error: the sentence of a user's mistake, only an id for anything else.

    What is behind the id is written to the log, so that support can find it and a client cannot.
    """
    for kind, rule in _RULES.items():
        if isinstance(error, kind):
            assert isinstance(error, AutomlADError)
            return _failure(rule, error, _cut(_one_line(error)), request_id)
    incident = uuid4().hex[:12]
    log.error("request failed, incident %s", incident, exc_info=error)
    text = f"internal error, incident {incident}: see the server's log"
    return _failure(_BUG, AutomlADError(text), text, request_id)


def _failure(rule: _Rule, error: AutomlADError, text: str, request_id: str) -> Failure:
    status = status_pb2.Status(code=rule.code.value[0], message=text)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=rule.reason, domain=DOMAIN))
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id=request_id))
    for fact in rule.facts(error, text):
        status.details.add().Pack(fact)
    return Failure(
        code=rule.code,
        reason=rule.reason,
        details=text,
        trailing=((REQUEST_ID, request_id), (DETAILS, status.SerializeToString()), *_pushback(error)),
    )


def _pushback(error: AutomlADError) -> Metadata:
    if isinstance(error, Overloaded) and error.retry_after_s is not None:
        return ((PUSHBACK, str(math.ceil(1e3 * error.retry_after_s))),)
    return ()


def _one_line(error: AutomlADError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _cut(text: str) -> str:
    """The text in at most MAX_TEXT_BYTES of UTF-8, whole letters.

    >>> len(_cut("é" * 2_000).encode())
    1000
    """
    return text.encode(errors="replace")[:MAX_TEXT_BYTES].decode(errors="ignore")
