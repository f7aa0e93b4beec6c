"""A benchmark as one JSON document: what was measured, and everything that is said of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from automl_ad.evaluation.bench.bars import Bar
from automl_ad.evaluation.bench.records import BenchReport, report_to_json
from automl_ad.evaluation.bench.statistics import RegimeStatistics, bench_statistics


def bench_document(report: BenchReport, statistics: Sequence[RegimeStatistics] | None = None) -> str:
    """Valid JSON: `statistics` per regime, and the `report` itself, which `report_from_json` reads back.

    A figure is `{"value": number or null, "reason": why it is null}`.
    """
    found = bench_statistics(report) if statistics is None else statistics
    document = {
        "statistics": [_regime(regime) for regime in found],
        "report": json.loads(report_to_json(report)),
    }
    return json.dumps(document, indent=2, allow_nan=False)


def _regime(statistics: RegimeStatistics) -> dict[str, Any]:
    return {**asdict(statistics), "bars": [_bar(bar) for bar in statistics.bars]}


def _bar(bar: Bar) -> dict[str, Any]:
    return {**asdict(bar), "is_met": bar.is_met}
