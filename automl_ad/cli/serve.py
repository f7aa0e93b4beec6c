"""`automl-ad serve`: answer gRPC with artifacts or a registry, in this process or on Ray Serve."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from automl_ad.cli import serve_flags as flags
from automl_ad.cli.search import parse_duration

if TYPE_CHECKING:
    from automl_ad.rpc.host import Host
    from automl_ad.rpc.options import HostOptions
    from automl_ad.rpc.service_options import ServiceOptions

_INGRESS = (
    "Ray Serve's proxy listens on all interfaces and has no TLS, whatever --host says: put the terminator of "
    "deploy/nginx before it, and a network policy or firewall that lets nothing else reach the port"
)


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
    from automl_ad.rpc.telemetry.logs import configure_logs
    from automl_ad.rpc.telemetry.tracing import configure_tracing

    configure_logs(service.logs.format)
    send_last_spans = configure_tracing(service.logs.trace)
    try:
        if service.ray is None:
            _serve_here(service)
        else:
            _serve_on_ray(service)
    finally:
        send_last_spans()


def _serve_here(service: ServiceOptions) -> None:
    from automl_ad.rpc import host
    from automl_ad.rpc.models.model_source import open_models, score_on_few_threads
    from automl_ad.rpc.security.binding import check_binding
    from automl_ad.rpc.telemetry.metrics import Metrics

    check_binding(service.host)  # before models are loaded, which takes seconds
    score_on_few_threads()
    metrics = Metrics()
    models = open_models(service.models, metrics)
    host.serve(models, service.host, metrics, lambda running: _say_listening(service, running))


def _say_listening(service: ServiceOptions, host: Host) -> None:
    if host.metrics_address:
        print(f"metrics on http://{host.metrics_address}/metrics", file=sys.stderr)
    _warn(service.host)
    _print_address(host.address)


def _serve_on_ray(service: ServiceOptions) -> None:
    from automl_ad_serve.run import exposed, run

    def say_listening(address: str) -> None:
        _warn(exposed(service))
        if service.ray is not None and service.ray.door == "ingress":
            print(f"WARNING: {_INGRESS}", file=sys.stderr)
        _print_address(address)

    run(service, say_listening)


def _warn(options: HostOptions) -> None:
    from automl_ad.rpc.security.binding import binding_risks

    for risk in binding_risks(options):
        print(f"WARNING: {risk}", file=sys.stderr)


def _print_address(address: str) -> None:
    print(f"listening on {address}", flush=True)
