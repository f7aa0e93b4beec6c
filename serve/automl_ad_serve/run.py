"""Serve artifacts on Ray until told to stop: start, deploy one application, say where, wait, shut down."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ray import serve

from automl_ad.errors import ClusterError, ConfigError
from automl_ad.rpc.host import HostOptions
from automl_ad_serve.cluster import connected
from automl_ad_serve.direct import DirectHost
from automl_ad_serve.ingress import SERVICER_FUNCTIONS, Ingress

Door = Literal["direct", "ingress"]
APPLICATION = "automl-ad"
_QUIET = {"log_level": logging.WARNING, "enable_access_log": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeOptions:
    """How to serve on Ray. Of the host's settings the ingress door takes port, limits and reflection only."""

    door: Door = "direct"
    n_replicas: int = 1
    address: str | None = None
    """None starts a private Ray; `auto` or HOST:PORT joins a cluster, whose nodes need the artifacts too."""
    host: HostOptions = field(default_factory=HostOptions)

    def __post_init__(self) -> None:
        if self.n_replicas < 1:
            raise ConfigError(f"--replicas must be at least 1, got {self.n_replicas}")
        if self.host.port == 0:
            raise ConfigError("--ray needs a port that all replicas share, got 0", "name a free --port")


def run(artifacts: Sequence[Path], options: ServeOptions, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return. `on_listening` is told the address."""
    _require_free_port(options)
    stopped = threading.Event()
    with connected(options.address, _environment(options.host)):
        for number in (signal.SIGTERM, signal.SIGINT):  # after ray.init, which installs its own
            signal.signal(number, lambda *_: stopped.set())
        try:
            on_listening(deploy(artifacts, options))
            stopped.wait()
        finally:
            serve.delete(APPLICATION)


def deploy(artifacts: Sequence[Path], options: ServeOptions) -> str:
    """The address that answers once this returns. Ray must be connected."""
    paths = [path.resolve() for path in artifacts]
    host = options.host
    if options.door == "direct":
        serve.start(proxy_location="Disabled", logging_config=_QUIET)
        application = _deployment(options)(DirectHost).bind(paths, replace(host, shares_port=True))
        address = f"{host.host}:{host.port}"
    else:
        serve.start(
            http_options={"host": "127.0.0.1", "port": _free_port()},
            grpc_options=_proxy_options(host),
            logging_config=_QUIET,
        )
        application = _deployment(options)(Ingress).bind(paths, host.limits)
        address = f"0.0.0.0:{host.port}"
    try:
        serve.run(application, name=APPLICATION, route_prefix="/", logging_config=_QUIET)
    except RuntimeError as error:
        raise ClusterError(
            f"Ray Serve could not start the {options.door} door: {_reason() or error}",
            "the logs of the replicas are in /tmp/ray/session_latest/logs/serve",
        ) from error
    return address


def _reason() -> str:
    """The last error in what a replica said when it could not start."""
    deployments = serve.status().applications[APPLICATION].deployments.values()
    lines = [line for deployment in deployments for line in deployment.message.splitlines()]
    return next((line.strip() for line in reversed(lines) if "Error: " in line), "")


def _deployment(options: ServeOptions) -> Any:
    return serve.deployment(
        name=options.door,
        num_replicas=options.n_replicas,
        ray_actor_options={"num_cpus": 0.1},
        max_ongoing_requests=64,
        graceful_shutdown_timeout_s=options.host.drain_s + 5,
    )


def _proxy_options(host: HostOptions) -> dict[str, Any]:
    return {
        "port": host.port,
        "grpc_servicer_functions": SERVICER_FUNCTIONS,
        "enable_reflection": host.has_reflection,
    }


def _environment(host: HostOptions) -> dict[str, str]:
    """Limits of the proxy (2 GiB otherwise) and between proxy and replica (4 MiB otherwise)."""
    n_bytes = str(host.limits.max_message_bytes)
    return {
        "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": n_bytes,
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": n_bytes,
    }


def _require_free_port(options: ServeOptions) -> None:
    """Told here in a second; a replica would be restarted three times before Serve gives up."""
    if options.address is not None:
        return  # the port is that of other machines
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("" if options.door == "ingress" else options.host.host, options.host.port))
        except OSError as error:
            raise ConfigError(
                f"{options.host.host}:{options.host.port} cannot be bound: {error.strerror}",
                "name another --port; `ss -ltnp` shows who listens",
            ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
