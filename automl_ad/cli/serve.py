"""`automl-ad serve`: answer gRPC with artifacts or a registry, in this process or on Ray Serve."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from automl_ad.cli import serve_flags as flags
from automl_ad.cli.search import parse_duration

if TYPE_CHECKING:
    from automl_ad.rpc.options import HostOptions
    from automl_ad.rpc.service_options import ServiceOptions


def serve(
    artifact: flags.Artifacts = None,
    registry: flags.Registry = None,
    model: flags.Names = None,
    config: flags.Config = None,
    device: flags.Device = None,
    max_models: flags.MaxModels = None,
    poll: flags.Poll = None,
    host: flags.Host = None,
    port: flags.Port = None,
    tls_cert: flags.TLSCert = None,
    tls_key: flags.TLSKey = None,
    tls_client_ca: flags.TLSClientCA = None,
    keys: flags.Keys = None,
    insecure: flags.Insecure = None,
    reflection: flags.Reflection = None,
    max_message_mb: flags.MaxMessageMB = None,
    max_rows: flags.MaxRows = None,
    metrics_port: flags.MetricsPort = None,
    log_format: flags.LogFormat = None,
    trace: flags.Trace = None,
    ray: flags.Ray = False,
    address: flags.Address = None,
    door: flags.Door = None,
    replicas: flags.Replicas = None,
    max_replicas: flags.MaxReplicas = None,
    gpus_per_replica: flags.GPUsPerReplica = None,
) -> None:
    """Serve models over gRPC until SIGTERM or Ctrl-C, then finish running calls and exit with 0."""
    from automl_ad.rpc.config_file import read_service

    given: dict[str, dict[str, Any]] = {
        "models": {
            "artifacts": artifact or None,
            "registry": registry,
            "names": model or None,
            "max_loaded": max_models,
            "poll_s": None if poll is None else parse_duration(poll),
            "device": device,
        },
        "listen": {"host": host, "port": port, "insecure": insecure or None, "reflection": reflection},
        "tls": {"certificate": tls_cert, "key": tls_key, "client_ca": tls_client_ca},
        "keys": {"file": keys},
        "limits": {"max_message_mb": max_message_mb, "max_rows": max_rows},
        "metrics": {"port": metrics_port},
        "logs": {"format": log_format, "trace": trace},
        "ray": {
            "address": address,
            "door": door,
            "replicas": replicas,
            "max_replicas": max_replicas,
            "gpus_per_replica": gpus_per_replica,
        },
    }
    _run(read_service(config, given, on_ray=ray))


def _run(service: ServiceOptions) -> None:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its C core would log what we report in a sentence
    from automl_ad.rpc import logs, tracing

    logs.configure(service.logs.format)
    tracing.configure(service.logs.trace)
    if service.ray is None:
        _serve_here(service)
    else:
        _serve_on_ray(service)


def _serve_here(service: ServiceOptions) -> None:
    from automl_ad.rpc import host

    _warn_of_open_door(service.host)
    host.serve(service.models, service.host, _print_address)


def _serve_on_ray(service: ServiceOptions) -> None:
    from automl_ad_serve.run import run

    assert service.ray is not None
    if service.ray.door == "ingress":
        _warn_of_ingress()
    else:
        _warn_of_open_door(service.host)
    run(service, _print_address)


def _warn_of_open_door(options: HostOptions) -> None:
    """Only an explicit override comes this far; without it the host refuses to listen."""
    from automl_ad.rpc.binding import is_loopback

    if options.tls is None and not is_loopback(options.host):
        _warn(
            f"listening on {options.host} without TLS: whoever reaches this machine reads what is sent"
            f"{'' if options.keys else ' and may call the models'}. Allow only trusted networks."
        )


def _warn_of_ingress() -> None:
    _warn(
        "Ray Serve's proxy listens on all interfaces, without TLS, whatever --host says. Put the TLS "
        "terminator of deploy/nginx before it, and a network policy that lets only the terminator in."
    )


def _warn(text: str) -> None:
    print(f"WARNING: {text}", file=sys.stderr)


def _print_address(address: str) -> None:
    print(f"listening on {address}", flush=True)
