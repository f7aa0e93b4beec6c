"""What `automl-ad show` tells of an artifact, of a study folder, and of an artifact of an earlier version."""

import json
from pathlib import Path

import pytest

from automl_ad.artifact.manifest import Manifest, content_version

GOLDEN = Path(__file__).parents[2] / "golden" / "artifact-format-1"
EVIDENCE = {
    "verdict": "Because [bold] it leads.",
    "criteria": [
        {
            "criterion": "tail_shape",
            "role": "voted",
            "correlation": 0.75,
            "best_beats": 1.0,
        },
        {
            "criterion": "loss_stability",
            "role": "shown, does not vote",
            "correlation": None,
            "best_beats": None,
        },
    ],
    "against_baselines": [
        {
            "detector": "knn",
            "rank": 3,
            "n_telling_ahead": 2,
            "n_telling_behind": 1,
            "n_ahead": 7,
            "n_behind": 4,
            "n_absent": 5,
            "output_gains": {"consensus_gain": 0.125},
        }
    ],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study folder whose artifact has evidence."""
    manifest = Manifest.model_validate_json((GOLDEN / "manifest.json").read_bytes())
    changed = manifest.model_copy(update={"evidence": EVIDENCE})
    changed = changed.model_copy(update={"version": content_version(changed)})
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "manifest.json").write_text(changed.model_dump_json())
    return tmp_path


def test_verdict_parts_threshold_criteria_and_baselines(automl_ad, study):
    shown = automl_ad("show", study)
    assert shown.code == 0
    rows = [line.split() for line in shown.out.splitlines()]
    assert "Because [bold] it leads." in shown.out
    assert "part gmm 1/L@0 x 0.33" in shown.out
    assert "threshold 2.83333 (alert rate 5 %: flags 4 of 80 panel rows)" in shown.out
    assert ["tail", "shape", "voted", "0.750", "1.000"] in rows
    assert ["loss", "stability", "shown,", "does", "not", "vote", "-", "-"] in rows
    assert ["knn", "3", "2", "1", "7", "4", "5", "0.125", "-"] in rows


def test_the_artifact_itself_may_be_named(automl_ad, study):
    assert automl_ad("show", study / "artifact").out == automl_ad("show", study).out


def test_json_is_the_evidence(automl_ad, study):
    assert json.loads(automl_ad("show", study, "--json").out) == EVIDENCE


def test_artifacts_without_findings_can_be_shown(automl_ad):
    shown = automl_ad("show", GOLDEN)
    assert shown.code == 0
    assert "an artifact of format 1" in shown.out
    assert "criteria: not kept" in shown.out


def test_no_artifact_is_an_error_with_a_way_out(automl_ad, tmp_path):
    shown = automl_ad("show", tmp_path)
    assert shown.code == 3
    assert "manifest.json: must exist" in shown.err
