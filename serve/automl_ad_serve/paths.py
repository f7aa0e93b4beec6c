"""Paths as replicas must be given them: their working directory is not that of the command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from automl_ad.rpc.options import HostOptions, ModelSource, TLSFiles
from automl_ad.rpc.service_options import ServiceOptions


def with_absolute_paths(service: ServiceOptions) -> ServiceOptions:
    """The same service, every path absolute; on a cluster they must exist on its nodes."""
    return replace(service, models=_models(service.models), host=_host(service.host))


def _models(models: ModelSource) -> ModelSource:
    registry = models.registry
    if registry is not None and "://" not in registry:
        registry = str(Path(registry).resolve())
    return replace(models, artifacts=tuple(path.resolve() for path in models.artifacts), registry=registry)


def _host(host: HostOptions) -> HostOptions:
    return replace(
        host,
        keys=None if host.keys is None else host.keys.absolute(),  # a mounted secret is a link that moves
        tls=None if host.tls is None else _tls(host.tls),
    )


def _tls(files: TLSFiles) -> TLSFiles:
    return TLSFiles(
        certificate=files.certificate.absolute(),
        key=files.key.absolute(),
        client_ca=None if files.client_ca is None else files.client_ca.absolute(),
    )
