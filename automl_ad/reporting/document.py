"""A finished search as one JSON document: what `--json` prints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import Any

from automl_ad.reporting.arms import arms
from automl_ad.results import (
    Audit,
    BaselineFinding,
    CriterionFinding,
    RankedCandidate,
    Selection,
    TrialResult,
)

VOTED, SECOND_OPINION, SHOWN = "voted", "second opinion", "shown, does not vote"
ROLES = (VOTED, SECOND_OPINION, SHOWN)
"""What a criterion is to a selection. SHOWN: nothing proves that it is better than chance on such data."""


def outcome_document(
    selection: Selection,
    results: Sequence[TrialResult],
    audit: Audit | None,
    *,
    study: Path,
    artifact: Path,
    best_artifact: Path | None,
    registered: Mapping[str, str | None] | None = None,
) -> str:
    """Valid JSON: figures that are absent or not finite are null; `registered` is there when it is given."""
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
        **evidence_document(selection),
        "arms": asdict(arms(results)),
        "ranking": [_row(row, audit) for row in selection.ranking],
    }
    if registered is not None:
        document["registered"] = dict(registered)
    if audit is not None:
        document["audit"] = {
            **asdict(audit.output),
            "n_rows": audit.n_rows,
            "n_anomalies": audit.n_anomalies,
        }
    return json.dumps(document, indent=2, allow_nan=False)


def evidence_document(selection: Selection) -> dict[str, Any]:
    """What speaks for and against the best candidate, by criterion and by baseline row.

    Of a criterion, `role` says what may be made of it (ROLES). The criteria of the first two roles are
    telling: `n_telling_ahead` and `n_telling_behind` count no others.
    """
    telling = {f.criterion for f in selection.criteria if role_of(f) != SHOWN}
    return {
        "criteria": [
            {**asdict(finding), "role": role_of(finding), "agrees": finding.agrees}
            for finding in selection.criteria
        ],
        "against_baselines": [_baseline(row, telling) for row in selection.baselines],
    }


def role_of(finding: CriterionFinding) -> str:
    """One of ROLES: support comes from those that voted and from the second opinions, never from SHOWN."""
    if finding.has_voted:
        return VOTED
    return SECOND_OPINION if finding.is_proven else SHOWN


def _baseline(row: BaselineFinding, telling: Set[str]) -> dict[str, Any]:
    by_stand = {"ahead": row.ahead, "behind": row.behind, "level": row.level, "absent": row.absent}
    return {
        **asdict(row),
        "key": str(row.key),
        "output_gains": _finite(dict(row.output_gains)),
        **{f"n_{stand}": len(names) for stand, names in by_stand.items()},
        "n_telling_ahead": len(telling & set(row.ahead)),
        "n_telling_behind": len(telling & set(row.behind)),
    }


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
