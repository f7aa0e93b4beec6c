"""What an orchestrator asks: grpc.health.v1 Check, with the exit codes of grpc_health_probe.

    python tests/integration/health_probe.py HOST:PORT [SERVICE] [--ca FILE]

0 serving, 1 wrong usage, 2 no connection, 3 the call failed, 4 not serving. No token: probes have none.
(https://github.com/grpc-ecosystem/grpc-health-probe#other-available-flags)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

USAGE, NO_CONNECTION, CALL_FAILED, NOT_SERVING = 1, 2, 3, 4
TIMEOUT_S = 1.0


class Parser(argparse.ArgumentParser):
    """argparse exits with 2, which here means something else."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.format_usage()}{message}\n")


def main() -> int:
    parser = Parser(description="Ask a gRPC server whether it serves.")
    parser.add_argument("target", help="HOST:PORT")
    parser.add_argument("service", nargs="?", default="", help="empty: the server as a whole")
    parser.add_argument("--ca", type=Path, help="PEM file of the authority: use TLS")
    given = parser.parse_args()
    with open_channel(given.target, given.ca) as channel:
        code, line = probe(channel, given.service)
    print(line)  # noqa: T201
    return code


def open_channel(target: str, ca: Path | None) -> grpc.Channel:
    if ca is None:
        return grpc.insecure_channel(target)
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(ca.read_bytes()))


def probe(channel: grpc.Channel, service: str) -> tuple[int, str]:
    """Exit code, and the line that says why."""
    try:
        grpc.channel_ready_future(channel).result(timeout=TIMEOUT_S)
    except grpc.FutureTimeoutError:
        return NO_CONNECTION, f"no connection within {TIMEOUT_S:g} s"
    try:
        answer = HealthStub(channel).Check(HealthCheckRequest(service=service), timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        return CALL_FAILED, f"{error.code().name}: {error.details()}"
    status = HealthCheckResponse.ServingStatus.Name(answer.status)
    return (0 if answer.status == HealthCheckResponse.SERVING else NOT_SERVING), f"status: {status}"


if __name__ == "__main__":
    sys.exit(main())
