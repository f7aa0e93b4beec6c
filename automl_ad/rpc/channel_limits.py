"""What one client may take of a grpc.aio server: bytes, connections that never end, streams and pings.

How the limits act was tried against grpcio 1.85 in tests/unit/rpc/test_rpc_exhaustion.py. How many calls run at
once is not a channel's business: `Gate` counts them, and refuses with a hint when to come back.
"""

from __future__ import annotations

from automl_ad.rpc.options import Limits

SECOND = 1_000
"""gRPC counts in milliseconds."""


def channel_options(limits: Limits) -> list[tuple[str, int]]:
    """The options of the server."""
    return [*_sizes(limits), *_connections(limits), *_pings()]


def _sizes(limits: Limits) -> list[tuple[str, int]]:
    return [
        # Counted after decompression, and decompression stops there: a gzip bomb costs what the limit costs.
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        # Bounded by the request: the answer to a row is some 20 bytes. A larger one would be our bug.
        ("grpc.max_send_message_length", limits.max_message_bytes),
        # Names and values of one call. A token, ids and a trace take 1 KiB; gRPC's own default, 8 KiB soft and
        # 16 KiB hard, refuses calls at random in between, so both are the same.
        ("grpc.max_metadata_size", 8 * 1024),
        ("grpc.absolute_max_metadata_size", 8 * 1024),
    ]


def _connections(limits: Limits) -> list[tuple[str, int]]:
    return [
        # Calls of one connection; the rest wait at the client. As many as the service works on at once: a client
        # alone may use it all, and one that opens 10,000 streams cannot make the server keep them.
        ("grpc.max_concurrent_streams", limits.max_in_progress),
        # A connection that has not finished TCP, TLS and HTTP/2 settings by then is closed. gRPC's default of
        # 120 s lets anybody hold sockets by saying nothing.
        ("grpc.server_handshake_timeout_ms", 10 * SECOND),
        # Clients are told to connect again, so that they find replicas that came later. gRPC adds 10 % of chance.
        ("grpc.max_connection_age_ms", 600 * SECOND),
        # What runs then may finish; a stream that is longer is begun again by its client.
        ("grpc.max_connection_age_grace_ms", 120 * SECOND),
        # A connection without calls: a pool of clients that went away without a word.
        ("grpc.max_connection_idle_ms", 300 * SECOND),
    ]


def _pings() -> list[tuple[str, int]]:
    return [
        # Half-open connections (a client lost its network) are found after 30 + 10 s and their calls cancelled.
        ("grpc.keepalive_time_ms", 30 * SECOND),
        ("grpc.keepalive_timeout_ms", 10 * SECOND),
        ("grpc.keepalive_permit_without_calls", 1),
        # Clients may ask as often themselves; whoever pings faster is sent GOAWAY (too_many_pings) after two.
        ("grpc.http2.min_ping_interval_without_data_ms", 20 * SECOND),
        ("grpc.http2.max_ping_strikes", 2),
    ]
