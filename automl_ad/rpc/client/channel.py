"""The channel of a client, for grpc and grpc.aio alike: limits, retries with a budget, balancing, TLS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import grpc

from automl_ad.errors import ConfigError
from automl_ad.rpc.client.connection import PUBLIC_AUTHORITIES, Connection, is_this_machine, read_file

RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
"""No method changes anything on the server, so all may be tried again; a server's pushback goes first.
`busy_retries` does it for RESOURCE_EXHAUSTED, which is also what gRPC says of a message that is too large."""
RETRY_BUDGET = {"maxTokens": 10, "tokenRatio": 0.1}
"""A failed attempt costs 1, a call that succeeds brings 0.1, at 5 retries end: a server long in trouble gets
at most one for ten calls (gRPC proposal A6, "Throttling Retry Attempts and Hedged RPCs")."""


def channel_options(connection: Connection) -> list[tuple[str, Any]]:
    """The arguments of the channel."""
    options: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", connection.max_message_bytes),
        ("grpc.max_receive_message_length", connection.max_message_bytes),
        # A retry needs the request again; what is larger than this buffer (256 KiB by default) is sent once.
        ("grpc.per_rpc_retry_buffer_size", connection.max_message_bytes),
        ("grpc.service_config", _service_config(connection)),
        ("grpc.enable_retries", int(connection.retries)),
        # Between attempts to connect. gRPC's own second is one in which all calls of the channel fail, after
        # a replica was killed and the kernel had put the new connection into its queue
        # (tests/benchmarks/soak.py).
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 10_000),
        ("grpc.keepalive_time_ms", int(1e3 * connection.keepalive_s)),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]
    if is_this_machine(connection.target):
        options.append(("grpc.enable_http_proxy", 0))
    if connection.tls_server_name is not None:
        options.append(("grpc.ssl_target_name_override", connection.tls_server_name))
    return options


def channel_credentials(connection: Connection) -> grpc.ChannelCredentials | None:
    """The credentials of a TLS channel; None: plaintext. Raises ConfigError naming a file that is no PEM."""
    if connection.tls_ca is None:
        return None
    is_public = connection.tls_ca == PUBLIC_AUTHORITIES
    return grpc.ssl_channel_credentials(
        root_certificates=None if is_public else _pem(Path(connection.tls_ca)),
        private_key=_pem(connection.tls_key),
        certificate_chain=_pem(connection.tls_certificate),
    )


def _service_config(connection: Connection) -> str:
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if connection.retries:
        config["methodConfig"] = [{"name": [{}], "retryPolicy": RETRY_POLICY}]
        config["retryThrottling"] = RETRY_BUDGET
    return json.dumps(config)


def _pem(file: Path | None) -> bytes | None:
    if file is None:
        return None
    content = read_file(file)
    if b"-----BEGIN " not in content:
        raise ConfigError(f"{file} must be a PEM file, got no line -----BEGIN ...-----")
    return content
