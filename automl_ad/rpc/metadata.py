"""Names in the metadata of a call, which both ends must write alike."""

from __future__ import annotations

DOMAIN = "automl-ad"
"""Whose words the reasons in google.rpc.ErrorInfo are."""
REQUEST_ID = "x-request-id"
DETAILS = "grpc-status-details-bin"
PUSHBACK = "grpc-retry-pushback-ms"
"""What gRPC's own retries obey: milliseconds to wait before the next attempt."""
