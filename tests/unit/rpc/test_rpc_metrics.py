"""What the page says after calls, rows, batches and swaps, and that board and alerts ask for nothing else."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from automl_ad.errors import ConfigError
from automl_ad.results import AnomalyScores
from automl_ad.rpc.telemetry.metrics import Metrics, Page, serve_page

SCORE = "/automl_ad.rpc.v1.ScoringService/Score"
DEPLOY = Path(__file__).parents[3] / "deploy"


def scores_of(percentiles: object, *, model: str = "fraud", version: str = "v1") -> AnomalyScores:
    percentile = np.asarray(percentiles, dtype=np.float64)
    return AnomalyScores(
        anomaly_score=percentile,
        percentile=percentile,
        is_anomaly=percentile > 95,
        threshold=95.0,
        model=model,
        version=version,
    )


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def samples(metrics: Metrics) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(metrics.page().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.model_loaded("fraud", "v1", 0.3)
    return metrics


def test_a_call_is_in_progress_until_it_ends(metrics: Metrics) -> None:
    metrics.call_began(SCORE)
    assert value(metrics, "automl_ad_requests_in_progress", method="Score") == 1
    metrics.call_ended(SCORE, "OK", "fraud", "v1", 0.003)
    assert value(metrics, "automl_ad_requests_in_progress", method="Score") == 0
    assert value(metrics, "automl_ad_requests_total", method="Score", code="OK", model="fraud") == 1
    bucket = "automl_ad_request_seconds_bucket"
    assert value(metrics, bucket, method="Score", model="fraud", le="0.0025") == 0
    assert value(metrics, bucket, method="Score", model="fraud", le="0.005") == 1


@given(method=st.text(), code=st.text(), model=st.text(), reason=st.text())
def test_no_text_of_a_client_becomes_a_label(method: str, code: str, model: str, reason: str) -> None:
    metrics = Metrics()
    metrics.call_began(f"/{method}")
    metrics.call_ended(f"/{method}", f"?{code}", model, "", 0.1)
    metrics.refused(f"?{reason}")
    assert value(metrics, "automl_ad_requests_total", method="other", code="other", model="") == 1
    assert value(metrics, "automl_ad_refused_total", reason="other") == 1
    assert metrics.page()


def test_rows_are_counted_by_version_and_percentile(metrics: Metrics) -> None:
    metrics.scored(scores_of([0, 10, 10.5, 97, 99.95, 100]))
    metrics.scored(scores_of([]))
    labels = {"model": "fraud", "version": "v1"}
    assert value(metrics, "automl_ad_rows_total", **labels) == 6
    assert value(metrics, "automl_ad_anomalies_total", **labels) == 3
    below = {
        edge: value(metrics, "automl_ad_score_percentile_bucket", le=edge, **labels)
        for edge in ("10.0", "20.0", "95.0", "99.0", "99.9", "100.0", "+Inf")
    }
    assert list(below.values()) == [2, 3, 3, 4, 4, 6, 6]
    assert value(metrics, "automl_ad_score_percentile_sum", **labels) == pytest.approx(317.45)


def test_psi_is_absent_then_small_then_large(metrics: Metrics) -> None:
    labels = {"model": "fraud", "version": "v1"}
    metrics.scored(scores_of(np.linspace(0.1, 100, 400)))
    assert value(metrics, "automl_ad_score_psi", **labels) is None
    metrics.scored(scores_of(np.linspace(0.1, 100, 400)))
    assert value(metrics, "automl_ad_score_psi", **labels) < 0.01
    metrics.scored(scores_of(np.full(800, 99.0)))
    assert value(metrics, "automl_ad_score_psi", **labels) > 0.25


def test_psi_is_against_the_panel_that_was_given() -> None:
    metrics, percentiles = Metrics(), np.repeat([30.0, 100.0], [300, 700])
    metrics.model_loaded("fraud", "v1", 0.3, percentiles)
    metrics.scored(scores_of(percentiles))
    assert value(metrics, "automl_ad_score_psi", model="fraud", version="v1") < 0.01


def test_an_evicted_version_leaves_the_page(metrics: Metrics) -> None:
    metrics.scored(scores_of([50]))
    metrics.model_evicted("fraud", "v1")
    metrics.model_evicted("fraud", "never seen")
    metrics.scored(scores_of([50, 60]))  # it was being scored while it left
    versions = {
        labels["version"]
        for found in samples(metrics).values()
        for labels in found
        if "model" in labels and "version" in labels
    }
    assert versions == {"evicted"}
    assert value(metrics, "automl_ad_rows_total", model="fraud", version="evicted") == 2


def test_a_version_that_comes_back_is_counted_again(metrics: Metrics) -> None:
    metrics.model_evicted("fraud", "v1")
    metrics.model_loaded("fraud", "v1", 0.1)
    metrics.scored(scores_of([50]))
    assert value(metrics, "automl_ad_rows_total", model="fraud", version="v1") == 1
    assert value(metrics, "automl_ad_model_info", model="fraud", version="v1") == 1


def test_batches_queue_refusals_and_swaps(metrics: Metrics) -> None:
    metrics.queue(3, 40)
    metrics.queue(-2, -30)
    metrics.batch(2, 30, 0.004)
    metrics.refused("OVERLOADED")
    metrics.swap("fraud", "v2", "rejected")
    assert value(metrics, "automl_ad_queue_requests") == 1
    assert value(metrics, "automl_ad_queue_rows") == 10
    assert value(metrics, "automl_ad_batch_rows_bucket", le="16.0") == 0
    assert value(metrics, "automl_ad_batch_rows_bucket", le="32.0") == 1
    assert value(metrics, "automl_ad_batch_requests_sum") == 2
    assert value(metrics, "automl_ad_batch_seconds_sum") == pytest.approx(0.004)
    assert value(metrics, "automl_ad_refused_total", reason="overloaded") == 1
    assert value(metrics, "automl_ad_refused_total", reason="token_refused") == 0
    assert value(metrics, "automl_ad_model_swaps_total", model="fraud", outcome="rejected") == 1
    assert value(metrics, "automl_ad_model_load_seconds_count") == 1


def test_threads_lose_nothing(metrics: Metrics) -> None:
    def work() -> None:
        for _ in range(200):
            metrics.call_began(SCORE)
            metrics.scored(scores_of([20, 99]))
            metrics.call_ended(SCORE, "OK", "fraud", "v1", 0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value(metrics, "automl_ad_rows_total", model="fraud", version="v1") == 1_600
    assert value(metrics, "automl_ad_requests_total", method="Score", code="OK", model="fraud") == 800


@pytest.fixture
def page(metrics: Metrics) -> Iterator[Page]:
    page = serve_page(metrics, "127.0.0.1", 0)
    yield page
    page.close()


def test_the_page_is_served(page: Page) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{page.port}/metrics", timeout=10) as answer:
        assert b'automl_ad_model_info{model="fraud",version="v1"} 1.0' in answer.read()


def test_a_port_in_use_is_an_error_of_the_configuration(metrics: Metrics, page: Page) -> None:
    with pytest.raises(ConfigError, match=f"got 127.0.0.1:{page.port}"):
        serve_page(metrics, "127.0.0.1", page.port)


def test_a_closed_page_gives_its_port_back(metrics: Metrics) -> None:
    first = serve_page(metrics, "127.0.0.1", 0)
    first.close()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{first.port}/metrics", timeout=10)
    serve_page(metrics, "127.0.0.1", first.port).close()


def board() -> dict[str, object]:
    return json.loads((DEPLOY / "grafana" / "automl-ad.json").read_text())


def board_queries() -> str:
    return "\n".join(target["expr"] for panel in board()["panels"] for target in panel.get("targets", []))


def rules_text() -> str:
    return (DEPLOY / "prometheus" / "alerts.yml").read_text()


@pytest.mark.parametrize("asked", [board_queries, rules_text], ids=["board", "alerts"])
def test_board_and_alerts_ask_for_what_there_is(metrics: Metrics, asked: Callable[[], str]) -> None:
    metrics.call_began(SCORE)
    metrics.call_ended(SCORE, "OK", "fraud", "v1", 0.003)
    metrics.scored(scores_of(np.linspace(0.1, 100, 600)))
    metrics.swap("fraud", "v1", "swapped")
    wanted = set(re.findall(r"\b(?:automl_ad|process|python)_[a-z_]+", asked()))
    assert wanted
    assert wanted <= set(samples(metrics))


def test_grafana_finds_what_it_needs_in_the_board() -> None:
    content = board()
    assert content["id"] is None
    assert content["schemaVersion"] >= 39
    assert {"uid", "title", "time", "templating", "panels"} <= set(content)
    variables = {variable["name"] for variable in content["templating"]["list"]}
    panels = content["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert {"type", "title", "gridPos"} <= set(panel)
        for target in panel.get("targets", []):
            assert target["refId"]
            assert set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"} <= variables
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_panels_of_the_board_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells
