"""What one client may take of a grpc.aio server: bytes, connections that never end, streams and pings.

What each of them does was tried with grpcio 1.85: tests/unit/rpc/test_rpc_exhaustion.py. How many calls run
at once is not a channel's business: `Gate` counts them, and refuses with a hint when to come back.
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
        # Counted before and after decompression, which stops there: 1 GiB of zeros in 1 MB took 3 MB.
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_send_message_length", limits.max_message_bytes),
        # Names and values of one call. A token, ids and a trace take 1 KiB. gRPC's own default is a soft
        # limit of 8 KiB, above which calls are refused by chance, and a hard one of 16: here they are one.
        ("grpc.max_metadata_size", 8 * 1024),
        ("grpc.absolute_max_metadata_size", 8 * 1024),
    ]


def _connections(limits: Limits) -> list[tuple[str, int]]:
    return [
        # Calls of one connection; clients hold back the rest, and whoever does not has them reset. As many
        # as the service works on at once, so that a client alone may use all of it.
        ("grpc.max_concurrent_streams", limits.max_in_progress),
        # TCP, TLS and the settings of HTTP/2 must be done by then. With gRPC's 120 s whoever says nothing
        # holds a socket for two minutes.
        ("grpc.server_handshake_timeout_ms", 10 * SECOND),
        # Clients are told to connect again (gRPC adds 10 % of chance): they find replicas that came later.
        ("grpc.max_connection_age_ms", 600 * SECOND),
        # What runs then may finish; a longer stream ends as UNAVAILABLE.
        ("grpc.max_connection_age_grace_ms", 120 * SECOND),
        # A connection without a call: clients that went away without a word.
        ("grpc.max_connection_idle_ms", 300 * SECOND),
    ]


def _pings() -> list[tuple[str, int]]:
    return [
        # A half-open connection (the client lost its network, or hangs) is asked after 30 s of silence and
        # closed 10 s later, its calls cancelled. The first timeout is TCP's; a client that acknowledges
        # packets but no pings is only closed by the second, which gRPC sets to 60 s.
        ("grpc.keepalive_time_ms", 30 * SECOND),
        ("grpc.keepalive_timeout_ms", 10 * SECOND),
        ("grpc.http2.ping_timeout_ms", 10 * SECOND),
        ("grpc.keepalive_permit_without_calls", 1),
        # grpc-go pings every 10 s at most. Whoever does it faster than every 5 s, three times, is sent away
        # with `too_many_pings`.
        ("grpc.http2.min_ping_interval_without_data_ms", 5 * SECOND),
        ("grpc.http2.max_ping_strikes", 2),
    ]
