"""A call that failed, as one of our errors: gRPC's status, and what google.rpc details say of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from automl_ad.rpc.client.connection import Connection
from automl_ad.rpc.errors import (
    BrokenModel,
    Forbidden,
    Overloaded,
    RefusedRows,
    ServerError,
    ServiceError,
    Unauthenticated,
    UnknownModel,
)
from automl_ad.rpc.metadata import DETAILS, PUSHBACK, REQUEST_ID

Metadata = Iterable[tuple[str, str | bytes]]

_ERRORS: dict[grpc.StatusCode, type[ServiceError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: RefusedRows,
    grpc.StatusCode.NOT_FOUND: UnknownModel,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: Forbidden,
    grpc.StatusCode.FAILED_PRECONDITION: BrokenModel,
}


def error_of(failed: Any, connection: Connection, sent: Metadata) -> ServiceError:
    """The error for what grpc or grpc.aio raised; `sent` is the metadata of the call."""
    target = connection.target
    code, said = failed.code(), failed.details() or "no reason given"
    trailing = dict(failed.trailing_metadata() or ())
    details = _read_details(trailing.get(DETAILS, b""))
    facts = {
        "code": code.name,
        "reason": details.reason,
        "request_id": details.request_id or _text(trailing.get(REQUEST_ID) or dict(sent).get(REQUEST_ID, "")),
    }
    if code in _ERRORS:
        return _ERRORS[code](said, **facts)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and not _is_too_large(said):
        wait_s = _wait_s(details, _text(trailing.get(PUSHBACK, "")))
        return Overloaded(f"{target} is busy: {said}", _wait_hint(wait_s), retry_after_s=wait_s, **facts)
    return ServerError(f"{target} answered {code.name}: {said}", _hint(code, said, facts), **facts)


def too_slow(connection: Connection, sent: Metadata) -> ServerError:
    """The error for a stream whose next answer did not come in time."""
    return ServerError(
        f"{connection.target} must answer a chunk within {connection.timeout_s:g} s, got no answer",
        "send smaller chunks, or set a larger timeout_s",
        code=grpc.StatusCode.DEADLINE_EXCEEDED.name,
        request_id=_text(dict(sent).get(REQUEST_ID, "")),
    )


@dataclass(kw_only=True, slots=True)
class _Details:
    """What of google.rpc the service sends."""

    reason: str = ""
    request_id: str = ""
    retry_after_s: float | None = None


def _read_details(encoded: str | bytes) -> _Details:
    """What can be read: proxies may have cut or written the details."""
    found = _Details()
    try:
        packed = status_pb2.Status.FromString(encoded if isinstance(encoded, bytes) else b"").details
        for detail in packed:
            _note(found, detail)
    except DecodeError:
        pass
    return found


def _note(found: _Details, detail: Any) -> None:
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    retry = error_details_pb2.RetryInfo()
    if detail.Unpack(info):
        found.reason = info.reason
    elif detail.Unpack(request):
        found.request_id = request.request_id
    elif detail.Unpack(retry):
        found.retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()


def _wait_s(details: _Details, pushback: str) -> float | None:
    """When to come back; None where the server does not say, or says never (a pushback that is no number)."""
    if pushback and not pushback.isdecimal():
        return None
    return details.retry_after_s if not pushback else int(pushback) / 1e3


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _is_too_large(said: str) -> bool:
    """A refusal by gRPC or by the terminator (deploy/nginx), with a busy server's code and no details."""
    return "larger than max" in said or "larger than the limit" in said


def _wait_hint(retry_after_s: float | None) -> str:
    return "try again later" if retry_after_s is None else f"try again in {retry_after_s:g} s"


def _hint(code: grpc.StatusCode, said: str, facts: dict[str, str]) -> str:
    if _is_too_large(said):
        return "send fewer rows at a time (`chunk_rows`, on the command line --chunk-rows)"
    if code is grpc.StatusCode.INTERNAL:
        return f"the server's log knows it as request {facts['request_id']}"
    return ""
