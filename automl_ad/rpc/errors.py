"""What goes wrong between a client and the service: raised by the server, raised again by the client."""

from __future__ import annotations

from typing import Any

from automl_ad.errors import AutomlADError, RowsError


class ServiceError(AutomlADError):
    """Root of the service's errors. The three facts are empty where the error has not travelled yet."""

    exit_code = 8

    def __init__(
        self, message: str, hint: str = "", *, code: str = "", reason: str = "", request_id: str = ""
    ) -> None:
        super().__init__(message, hint)
        self.code = code
        """Name of the gRPC status code."""
        self.reason = reason
        """The stable word of google.rpc.ErrorInfo; empty where the server sent none."""
        self.request_id = request_id
        """What the server's log calls the request."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the facts on the trip between processes."""
        return type(self), (self.message, self.hint), vars(self)


class RefusedRows(ServiceError, RowsError):
    """The server could not use the rows (gRPC: INVALID_ARGUMENT)."""

    exit_code = 3


class UnknownModel(ServiceError, LookupError):
    """No model of that name or version is served (gRPC: NOT_FOUND)."""


class Unauthenticated(ServiceError, PermissionError):
    """The token or the client's certificate is missing, or not known (gRPC: UNAUTHENTICATED)."""


class Forbidden(ServiceError, PermissionError):
    """The token may not use the model (gRPC: PERMISSION_DENIED)."""


class Overloaded(ServiceError, RuntimeError):
    """The server is busy (gRPC: RESOURCE_EXHAUSTED). `retry_after_s` is its advice; None: it gave none."""

    def __init__(
        self, message: str, hint: str = "", *, retry_after_s: float | None = None, **facts: str
    ) -> None:
        super().__init__(message, hint, **facts)
        self.retry_after_s = retry_after_s


class ServerError(ServiceError, ConnectionError):
    """The server cannot be reached, was too slow, or failed: `code` says which."""


class BrokenModel(ServiceError):
    """The model is known but cannot be loaded (gRPC: FAILED_PRECONDITION); the server's log says why."""
