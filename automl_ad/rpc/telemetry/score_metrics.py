"""What was scored, model by model and version by version, as Prometheus reads it.

A request of thousands of rows is one update of an array, where `Histogram.observe` would be called for each
row; what costs more, the PSI, waits until somebody reads the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import numpy as np
import numpy.typing as npt
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from automl_ad.results import AnomalyScores
from automl_ad.rpc.telemetry.drift import N_BINS, ScoreWindow, decile_counts

PERCENTILE_EDGES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.9, 100)
"""Upper edges of the histogram: deciles, and the tail in which anomalies are."""
EVICTED = "evicted"
"""The version under which rows count whose model left memory while they were scored."""
_LABELS = ("model", "version")
_EDGES = np.asarray(PERCENTILE_EDGES[:-1], dtype=np.float64)
_DECILE_STARTS = np.arange(N_BINS)
"""The first nine buckets are deciles; the others make up the tenth."""

Key = tuple[str, str]


class ScoreMetrics(Collector):
    """Rows, anomalies, percentiles and PSI of each version that is loaded. Threads may share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._scored: dict[Key, _Scored] = {}
        self._evicted: set[Key] = set()

    def loaded(self, key: Key, panel_percentiles: npt.NDArray[np.float64] | None) -> None:
        """Begin a version. `panel_percentiles` [N] are those of the panel; None takes them as even."""
        with self._lock:
            self._evicted.discard(key)
            self._scored[key] = _Scored(panel_percentiles)

    def evicted(self, key: Key) -> None:
        """Show the version no more."""
        with self._lock:
            self._evicted.add(key)
            self._scored.pop(key, None)

    def add(self, scores: AnomalyScores) -> None:
        """Count rows."""
        if not len(scores.percentile):
            return
        buckets = np.bincount(
            np.searchsorted(_EDGES, scores.percentile, side="left"), minlength=len(PERCENTILE_EDGES)
        )
        total, n_anomalies = float(scores.percentile.sum()), int(np.count_nonzero(scores.is_anomaly))
        with self._lock:
            self._of((scores.model, scores.version)).add(buckets, total, n_anomalies)

    def collect(self) -> Iterator[Metric]:
        """The families, as of now."""
        with self._lock:
            seen = [(key, scored.snapshot()) for key, scored in self._scored.items()]
        return iter(_families(seen))

    def _of(self, key: Key) -> _Scored:
        if key in self._evicted:
            key = (key[0], EVICTED)
        if key not in self._scored:
            self._scored[key] = _Scored(None)
        return self._scored[key]


class _Scored:
    """Sums over the rows of one version."""

    def __init__(self, panel_percentiles: npt.NDArray[np.float64] | None) -> None:
        self._buckets = np.zeros(len(PERCENTILE_EDGES), dtype=np.int64)
        self._total = 0.0
        self._n_anomalies = 0
        self._window = ScoreWindow(None if panel_percentiles is None else decile_counts(panel_percentiles))

    def add(self, buckets: npt.NDArray[np.int64], total: float, n_anomalies: int) -> None:
        self._buckets += buckets
        self._total += total
        self._n_anomalies += n_anomalies
        self._window.add(np.add.reduceat(buckets, _DECILE_STARTS), int(buckets.sum()))

    def snapshot(self) -> tuple[list[int], float, int, float | None]:
        return np.cumsum(self._buckets).tolist(), self._total, self._n_anomalies, self._window.psi()


def _families(seen: list[tuple[Key, tuple[list[int], float, int, float | None]]]) -> list[Metric]:
    rows = CounterMetricFamily("automl_ad_rows", "Rows that were scored.", labels=_LABELS)
    anomalies = CounterMetricFamily("automl_ad_anomalies", "Rows above the threshold.", labels=_LABELS)
    percentiles = HistogramMetricFamily(
        "automl_ad_score_percentile",
        "Percentiles of the scores among the training panel, of which each decile holds a tenth.",
        labels=_LABELS,
    )
    psi = GaugeMetricFamily(
        "automl_ad_score_psi",
        "Population stability index of the last 10,000 scores against the training panel: "
        "above .1 look into it, above .25 the rows are others. Absent below 500 rows.",
        labels=_LABELS,
    )
    for key, (below, total, n_anomalies, index) in seen:
        rows.add_metric(key, below[-1])
        anomalies.add_metric(key, n_anomalies)
        edges = [*(str(float(edge)) for edge in PERCENTILE_EDGES), "+Inf"]
        percentiles.add_metric(key, list(zip(edges, [*below, below[-1]], strict=True)), total)
        if index is not None and key[1] != EVICTED:  # it would stand there for ever
            psi.add_metric(key, index)
    return [rows, anomalies, percentiles, psi]
