"""What every replica does first, whichever door it stands behind: logs, traces, models, a metrics page."""

from __future__ import annotations

from collections.abc import Callable

from automl_ad.errors import ConfigError
from automl_ad.rpc.models import Models
from automl_ad.rpc.models.model_source import open_models, score_on_few_threads
from automl_ad.rpc.options import HostOptions
from automl_ad.rpc.service_options import ServiceOptions
from automl_ad.rpc.telemetry.logs import configure_logs
from automl_ad.rpc.telemetry.metrics import Metrics, Page, serve_page
from automl_ad.rpc.telemetry.tracing import configure_tracing

_MAX_PAGES = 64


def prepared(service: ServiceOptions) -> tuple[Models, Metrics, Callable[[], None]]:
    """The models, not yet started; what counts their calls; and what sends the last spans at the end.

    Raises ConfigError and ArtifactError.
    """
    configure_logs(service.logs.format)
    send_last_spans = configure_tracing(service.logs.trace)
    score_on_few_threads()
    metrics = Metrics()
    return open_models(service.models, metrics), metrics, send_last_spans


def metrics_page(metrics: Metrics, options: HostOptions) -> Page | None:
    """The page on the first free port from `metrics_port` upwards: replicas of one node cannot share it."""
    if options.metrics_port is None:
        return None
    for port in range(options.metrics_port, options.metrics_port + _MAX_PAGES):
        try:
            return serve_page(metrics, options.host, port)
        except ConfigError:
            continue
    raise ConfigError(
        f"a metrics page needs a free port in {options.metrics_port}..{options.metrics_port + _MAX_PAGES - 1}"
        f" of {options.host!r}, got none",
        "name another --metrics-port",
    )
