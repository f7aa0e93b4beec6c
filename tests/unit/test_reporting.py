"""What a person and a program are shown of a finished search."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from automl_ad.reporting import leaderboard, outcome_document
from automl_ad.results import (
    Audit,
    CandidateKey,
    Metrics,
    Origin,
    RankedCandidate,
    Selection,
    TrialConfig,
    TrialResult,
    WeightedPart,
)


def key(trial: int, score_type: str = "distance") -> CandidateKey:
    return CandidateKey(trial=trial, score_type=score_type, checkpoint=0)


def row(trial: int, origin: Origin, veto: str = "", score_type: str = "distance") -> RankedCandidate:
    return RankedCandidate(
        key=key(trial, score_type),
        detector=f"detector{trial}",
        origin=origin,
        criteria={"anchor_agreement": None if veto else 0.5, "probe_auc": None},
        aggregate=None if veto else 0.25,
        veto=veto,
    )


def result(trial: int, origin: Origin, reason: str = "") -> TrialResult:
    config = TrialConfig(detector=f"detector{trial}", params={}, origin=origin)
    return TrialResult(
        trial=trial, config=config, seed=0, state="failed" if reason else "completed", reason=reason
    )


@pytest.fixture
def selection() -> Selection:
    samples = [row(100 + i, "random") for i in range(20)]
    return Selection(
        ranking=(
            row(3, "sampled"),
            row(3, "sampled", score_type="other"),
            *samples,
            row(0, "baseline"),
            row(1, "baseline", veto="its scores are constant: all"),
            row(4, "random", veto="its loss diverged: so"),
        ),
        best=key(3),
        output=(WeightedPart(key=key(3), weight=0.5), WeightedPart(key=key(0), weight=0.5)),
        output_kind="ensemble",
        is_distinguishable=True,
        verdict="Because.",
        confidence={"gain": float("nan")},
    )


@pytest.fixture
def results() -> list[TrialResult]:
    return [
        result(0, "baseline"),
        result(1, "baseline"),
        result(2, "baseline", reason="too few columns"),
        result(3, "sampled"),
        result(5, "random", reason="out of memory"),
        result(6, "random", reason="out of memory"),
    ]


@pytest.fixture
def audit(selection: Selection) -> Audit:
    candidates = {r.key: Metrics(auroc=0.75, average_precision=0.5) for r in selection.ranking if not r.veto}
    output = Metrics(auroc=0.8125, average_precision=0.625)
    return Audit(output=output, candidates=candidates, n_rows=40, n_anomalies=4)


def shown(selection: Selection, results: list[TrialResult], audit: Audit | None) -> str:
    console = Console(width=200, record=True, quiet=False, file=None)
    with console.capture() as capture:
        console.print(leaderboard(selection, results, audit))
    return capture.get()


def test_every_baseline_row_is_accounted_for(selection, results):
    text = shown(selection, results, None)
    assert "0/distance@0" in text
    assert "baseline detector1: its scores are constant: all" in text
    assert "baseline detector2: too few columns" in text


def test_a_trial_has_one_row_and_failures_are_counted(selection, results):
    text = shown(selection, results, None)
    assert "3/other@0" not in text
    assert "failed: 2 trials, out of memory" in text
    assert "vetoed: 1 candidates, its loss diverged" in text


def test_the_arms_of_the_search_have_a_line(selection, results):
    assert "objective by arm: published defaults no trial" in shown(selection, results, None)


def test_a_criterion_that_says_nothing_has_no_column(selection, results):
    assert "probe" not in shown(selection, results, None)


def test_metrics_stand_apart_as_an_audit(selection, results, audit):
    assert "AUROC" not in shown(selection, results, None)
    text = shown(selection, results, audit)
    assert "AUROC*" in text
    assert "output AUROC 0.812, AP 0.625" in text


def test_the_document_is_json_without_nan(selection, results, audit):
    paths = {"study": Path("s"), "artifact": Path("s/artifact"), "best_artifact": None}
    document = json.loads(outcome_document(selection, results, audit, **paths))
    assert document["best"] == "3/distance@0"
    assert document["confidence"] == {"gain": None}
    assert document["best_artifact"] is None
    assert document["arms"]["by_origin"]["random"] == {"n_trials": 0, "mean": None, "best": None}
    assert document["ranking"][0]["audit"]["auroc"] == 0.75
    assert document["ranking"][-1]["veto"] == "its loss diverged: so"
