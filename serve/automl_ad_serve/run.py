"""Serve models on Ray until told to stop: start, deploy one application, say where, wait, shut down."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ray import serve

from automl_ad.errors import ClusterError, ConfigError
from automl_ad.rpc.models.model_source import open_models
from automl_ad.rpc.options import HostOptions
from automl_ad.rpc.security.binding import check_binding, wants_reflection
from automl_ad.rpc.service_options import RayOptions, ServiceOptions
from automl_ad.rpc.telemetry.metrics import Metrics
from automl_ad_serve.cluster import connected
from automl_ad_serve.deployment import deployment_of
from automl_ad_serve.ingress import SERVICER_FUNCTIONS
from automl_ad_serve.paths import with_absolute_paths

APPLICATION = "automl-ad"
_QUIET = {"log_level": logging.WARNING, "enable_access_log": False}


def run(service: ServiceOptions, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return. `on_listening` is told the address.

    Raises ConfigError where the options would expose the models, ArtifactError where replicas of this machine
    could not load them, and ClusterError when no replica starts.
    """
    ray = check(service)
    if ray.address is None:  # a cluster's nodes have the models, this machine perhaps none
        open_models(service.models, Metrics())
    stopped = threading.Event()
    with connected(ray, _environment(service.host)):
        for number in (signal.SIGTERM, signal.SIGINT):  # after ray.init, which installs its own
            signal.signal(number, _exit)  # while replicas are waited for, perhaps for ever
        try:
            address = deploy(service)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stopped.set())
            on_listening(address)
            stopped.wait()
        finally:
            serve.delete(APPLICATION)


def _exit(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def check(service: ServiceOptions) -> RayOptions:
    """The service's part for Ray. Raises ConfigError for what replicas could not do."""
    ray, host = service.ray or RayOptions(), service.host
    if host.port == 0:
        raise ConfigError("--ray needs a port that all replicas share, got 0", "name a free --port")
    if ray.door == "ingress" and host.tls is not None:
        raise ConfigError(
            "the ingress door has no TLS, got a certificate for it",
            "take --door direct, or the TLS terminator of deploy/nginx with --insecure",
        )
    if ray.door == "ingress" and not host.is_insecure:
        raise ConfigError(
            f"the ingress door listens on all interfaces without TLS, got host {host.host!r} and no override",
            "take --door direct; or put the terminator of deploy/nginx and a network policy before it, and "
            "say --insecure",
        )
    check_binding(exposed(service))
    if ray.address is None:  # else the port is that of other machines
        _require_free_port(exposed(service))
    return ray


def exposed(service: ServiceOptions) -> HostOptions:
    """The host's options with the address that is really listened on: Serve's proxy takes all interfaces."""
    if service.ray is not None and service.ray.door == "ingress":
        return replace(service.host, host="0.0.0.0")
    return service.host


def deploy(service: ServiceOptions) -> str:
    """The address that answers once this returns. Ray must be connected."""
    host, ray = exposed(service), service.ray or RayOptions()
    if ray.door == "direct":
        serve.start(proxy_location="Disabled", logging_config=_QUIET)
    else:
        serve.start(
            http_options={"host": "127.0.0.1", "port": _free_port()},
            grpc_options=_proxy_options(host, ray),
            logging_config=_QUIET,
        )
    try:
        serve.run(
            deployment_of(with_absolute_paths(service)),
            name=APPLICATION,
            route_prefix="/",
            logging_config=_QUIET,
        )
    except RuntimeError as error:
        raise ClusterError(
            f"Ray Serve could not start the {ray.door} door: {_reason() or error}",
            "the logs of the replicas are in /tmp/ray/session_latest/logs/serve",
        ) from error
    return f"{host.host}:{host.port}"


def _reason() -> str:
    """The last error in what a replica said when it could not start."""
    application = serve.status().applications.get(APPLICATION)
    deployments = () if application is None else application.deployments.values()
    lines = [line for deployment in deployments for line in deployment.message.splitlines()]
    return next((line.strip() for line in reversed(lines) if "Error: " in line), "")


def _proxy_options(host: HostOptions, ray: RayOptions) -> dict[str, Any]:
    return {
        "port": host.port,
        "grpc_servicer_functions": SERVICER_FUNCTIONS,
        "enable_reflection": wants_reflection(host),
        "request_timeout_s": ray.call_timeout_s,
    }


def _environment(host: HostOptions) -> dict[str, str]:
    """Limits of the proxy (2 GiB otherwise) and between proxy and replica (4 MiB otherwise)."""
    n_bytes = str(host.limits.max_message_bytes)
    return {
        "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": n_bytes,
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": n_bytes,
    }


def _require_free_port(host: HostOptions) -> None:
    """Told here in a second; a replica would be restarted three times before Serve gives up."""
    family = socket.AF_INET6 if ":" in host.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.host, host.port))
        except OSError as error:
            raise ConfigError(
                f"{host.host}:{host.port} cannot be bound: {error.strerror}",
                "name another --port; `ss -ltnp` shows who listens",
            ) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
