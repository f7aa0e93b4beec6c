"""The numbers of one service process, and the page from which Prometheus reads them.

Every label has few values: known methods, status codes, models and versions in memory, never a client's text.
On Ray Serve each replica is a process with a page of its own; Prometheus sums over them.
"""

from __future__ import annotations

from typing import Literal

import grpc
import numpy as np
import numpy.typing as npt
from grpc_health.v1 import health_pb2
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
    start_http_server,
)

from automl_ad.errors import ConfigError
from automl_ad.results import AnomalyScores
from automl_ad.rpc import failures
from automl_ad.rpc.oip import open_inference_grpc_pb2
from automl_ad.rpc.telemetry.score_metrics import ScoreMetrics
from automl_ad.rpc.v1 import scoring_pb2

OTHER = "other"
"""Label of whatever is not on the list."""
REASONS = frozenset(reason.lower() for reason in failures.REASONS)
"""Why a call is refused: the words of google.rpc.ErrorInfo in small letters."""
LATENCY_EDGES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1_024, 4_096, 16_384, 65_536)
REQUESTS_EDGES = (1, 2, 4, 8, 16, 32, 64, 128)
LOAD_EDGES_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

_CODES = frozenset(code.name for code in grpc.StatusCode)
_METHODS = {
    name: method.name
    for file in (scoring_pb2, open_inference_grpc_pb2, health_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    for name in (f"/{service.full_name}/{method.name}", method.name)
}
"""Path or bare name -> label. No two services share a name."""


class Metrics:
    """Counts what happens. Every method takes microseconds, may be called by any thread, and never raises."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._scores = ScoreMetrics()
        self._models: set[str] = set()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.registry.register(self._scores)
        self._make_calls()
        self._make_batches()
        self._make_models()

    def call_began(self, method: str) -> None:
        """A call of `/package.Service/Method` came in."""
        self._in_progress.labels(_METHODS.get(method, OTHER)).inc()

    def call_ended(self, method: str, code: str, model: str, version: str, seconds: float) -> None:
        """It ended with the status code of that name; `model` is empty where none was found."""
        del version  # times two labels already: the versions of a model share its traffic
        label, served = _METHODS.get(method, OTHER), model if model in self._models else ""
        self._in_progress.labels(label).dec()
        self._requests.labels(label, code if code in _CODES else OTHER, served).inc()
        self._latency.labels(label, served).observe(seconds)

    def refused(self, reason: str) -> None:
        """A call was refused, for one of REASONS in any letters."""
        known = reason.lower()
        self._refused.labels(known if known in REASONS else OTHER).inc()

    def scored(self, scores: AnomalyScores) -> None:
        """Rows were scored."""
        self._models.add(scores.model)
        self._scores.add(scores)

    def batch(self, n_requests: int, n_rows: int, seconds: float) -> None:
        """Requests were scored together."""
        self._batch_requests.observe(n_requests)
        self._batch_rows.observe(n_rows)
        self._batch_seconds.observe(seconds)

    def queue(self, n_requests: int, n_rows: int) -> None:
        """So many requests and rows began to wait, or, below zero, wait no more."""
        self._queue_requests.inc(n_requests)
        self._queue_rows.inc(n_rows)

    def model_loaded(
        self,
        model: str,
        version: str,
        seconds: float,
        panel_percentiles: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """A version is in memory. Its PSI is against `panel_percentiles` [N]; None: against even deciles."""
        self._models.add(model)
        self._scores.loaded((model, version), panel_percentiles)
        self._info.labels(model, version).set(1)
        for outcome in ("swapped", "rejected"):
            self._swaps.labels(model, outcome)
        self._load_seconds.observe(seconds)

    def model_evicted(self, model: str, version: str) -> None:
        """It is there no more, and neither are its series. Those of the model stay: there are few models."""
        self._scores.evicted((model, version))
        self._info.remove_by_labels({"model": model, "version": version})

    def swap(self, model: str, version: str, outcome: Literal["swapped", "rejected"]) -> None:
        """A new champion took over, or was rejected and the old one stays."""
        del version  # a counter of one event for each version would live for ever
        self._models.add(model)
        self._swaps.labels(model, outcome).inc()

    def page(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)

    def _make_calls(self) -> None:
        registry = self.registry
        self._requests = Counter(
            "automl_ad_requests", "Calls that ended.", ("method", "code", "model"), registry=registry
        )
        self._latency = Histogram(
            "automl_ad_request_seconds",
            "Time from a call's arrival to its answer.",
            ("method", "model"),
            buckets=LATENCY_EDGES_S,
            registry=registry,
        )
        self._in_progress = Gauge(
            "automl_ad_requests_in_progress", "Calls that have not ended.", ("method",), registry=registry
        )
        self._refused = Counter(
            "automl_ad_refused", "Calls refused, by reason.", ("reason",), registry=registry
        )
        for reason in sorted(REASONS):
            self._refused.labels(reason)  # a rate needs a zero to rise from

    def _make_batches(self) -> None:
        registry = self.registry
        self._batch_requests = Histogram(
            "automl_ad_batch_requests", "Requests of a batch.", buckets=REQUESTS_EDGES, registry=registry
        )
        self._batch_rows = Histogram(
            "automl_ad_batch_rows", "Rows of a batch.", buckets=ROWS_EDGES, registry=registry
        )
        self._batch_seconds = Histogram(
            "automl_ad_batch_seconds", "Time to score a batch.", buckets=LATENCY_EDGES_S, registry=registry
        )
        self._queue_requests = Gauge("automl_ad_queue_requests", "Requests that wait.", registry=registry)
        self._queue_rows = Gauge("automl_ad_queue_rows", "Rows that wait.", registry=registry)

    def _make_models(self) -> None:
        registry = self.registry
        self._info = Gauge(
            "automl_ad_model_info", "1 for a version in memory.", ("model", "version"), registry=registry
        )
        self._load_seconds = Histogram(
            "automl_ad_model_load_seconds", "Time to load and check.", buckets=LOAD_EDGES_S, registry=registry
        )
        self._swaps = Counter(
            "automl_ad_model_swaps", "New champions, by outcome.", ("model", "outcome"), registry=registry
        )


class Page:
    """A running HTTP server of one page, /metrics. It has no /healthz: a page that answers scores nothing.

    Probes ask grpc.health.v1 on the service's own port.
    """

    def __init__(self, metrics: Metrics, host: str, port: int) -> None:
        self._server, self._thread = start_http_server(port, addr=host, registry=metrics.registry)
        self.port: int = self._server.server_port

    def close(self) -> None:
        """Stop listening, and wait for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_page(metrics: Metrics, host: str, port: int) -> Page:
    """The page on a thread of its own; port 0 takes a free one. Raises ConfigError: it cannot be bound."""
    try:
        return Page(metrics, host, port)
    except OSError as error:
        raise ConfigError(
            f"the metrics page needs a free port on an address of this machine, got {host}:{port}: {error}",
            "--metrics-port 0 takes a free port; `ss -ltnp` shows who listens",
        ) from None
