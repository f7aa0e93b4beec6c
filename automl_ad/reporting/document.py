"""A finished search as one JSON document: what `--json` prints."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from automl_ad.reporting.arms import arms
from automl_ad.results import Audit, RankedCandidate, Selection, TrialResult


def outcome_document(
    selection: Selection,
    results: Sequence[TrialResult],
    audit: Audit | None,
    *,
    study: Path,
    artifact: Path,
    best_artifact: Path | None,
) -> str:
    """Valid JSON: figures that are absent or not finite are null."""
    document: dict[str, Any] = {
        "study": str(study),
        "artifact": str(artifact),
        "best_artifact": None if best_artifact is None else str(best_artifact),
        "is_distinguishable": selection.is_distinguishable,
        "verdict": selection.verdict,
        "best": None if selection.best is None else str(selection.best),
        "output": {
            "kind": selection.output_kind,
            "parts": [{"candidate": str(part.key), "weight": part.weight} for part in selection.output],
        },
        "confidence": _finite(dict(selection.confidence)),
        "arms": asdict(arms(results)),
        "ranking": [_row(row, audit) for row in selection.ranking],
    }
    if audit is not None:
        document["audit"] = {
            **asdict(audit.output),
            "n_rows": audit.n_rows,
            "n_anomalies": audit.n_anomalies,
        }
    return json.dumps(document, indent=2, allow_nan=False)


def _row(row: RankedCandidate, audit: Audit | None) -> dict[str, Any]:
    document = {
        "candidate": str(row.key),
        **asdict(row.key),
        "detector": row.detector,
        "origin": row.origin,
        "criteria": _finite(dict(row.criteria)),
        "aggregate": row.aggregate,
        "veto": row.veto or None,
    }
    if audit is not None and row.key in audit.candidates:
        document["audit"] = asdict(audit.candidates[row.key])
    return document


def _finite(figures: dict[str, float | None]) -> dict[str, float | None]:
    return {name: v if v is not None and math.isfinite(v) else None for name, v in figures.items()}
