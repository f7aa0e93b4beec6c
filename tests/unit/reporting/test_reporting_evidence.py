"""Evidence below the table and in the document: few columns, honest roles, few lines."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from automl_ad.criteria import CRITERIA
from automl_ad.reporting import evidence_document, leaderboard, outcome_document
from automl_ad.reporting.leaderboard import BESIDE
from automl_ad.results import (
    BaselineFinding,
    CandidateKey,
    CriterionFinding,
    RankedCandidate,
    Selection,
    TrialConfig,
    TrialResult,
    WeightedPart,
)

VOTERS = ("anchor_agreement", "tail_shape")
PROVEN = ("anchor_agreement", "consensus", "hits")
NAMES = (
    *VOTERS,
    "bimodality",
    "hits",
    "consensus",
    "loss_stability",
    "gamma_balance",
    "probe_auc",
    "member_agreement",
)


def key(trial: int) -> CandidateKey:
    return CandidateKey(trial=trial, score_type="native", checkpoint=0)


def finding(name: str) -> CriterionFinding:
    return CriterionFinding(
        criterion=name,
        has_voted=name in VOTERS,
        is_proven=name in PROVEN,
        n_candidates=2,
        correlation=0.5,
        best_beats=0.75,
    )


@pytest.fixture
def selection() -> Selection:
    best, rival = key(1), key(0)
    rows = [
        RankedCandidate(
            key=each, detector=name, origin=origin, criteria=dict.fromkeys(NAMES, 0.5), aggregate=0.5
        )
        for each, name, origin in ((best, "vae", "sampled"), (rival, "knn", "baseline"))
    ]
    return Selection(
        ranking=tuple(rows),
        best=best,
        output=(WeightedPart(key=best, weight=1.0),),
        output_kind="single",
        is_distinguishable=True,
        verdict="Because.",
        criteria=tuple(map(finding, NAMES)),
        baselines=(
            BaselineFinding(
                key=rival,
                detector="knn",
                rank=2,
                ahead=("tail_shape", "loss_stability", "consensus"),
                behind=("hits", "bimodality"),
                level=("anchor_agreement",),
                absent=("gamma_balance", "member_agreement"),
                output_gains={"consensus_gain": 0.25, "consensus_gain_low": float("nan")},
            ),
        ),
    )


def lines(selection: Selection, results: list[TrialResult] | None = None) -> list[str]:
    console = Console(width=400)
    with console.capture() as capture:
        console.print(leaderboard(selection, results or [], None))
    return [line.rstrip() for line in capture.get().splitlines()]


def header(selection: Selection) -> str:
    """The words of the column heads, column by column where they stand on one line."""
    shown = lines(selection)
    return " ".join(shown[: next(i for i, line in enumerate(shown) if "native@0" in line)])


class TestColumns:
    def test_the_voters_and_four_others_have_one(self, selection):
        words = header(selection).split()
        for word in ("anchor", "tail", "consensus", "probe", "loss", "gamma"):
            assert words.count(word) == 1
        for word in ("bimodality", "hits", "member"):
            assert word not in words

    def test_without_those_what_counts_comes_first(self, selection):
        few = {name: None if name in BESIDE else 0.5 for name in NAMES}
        changed = replace(selection, ranking=tuple(replace(row, criteria=few) for row in selection.ranking))
        words = header(changed).split()
        assert words.index("hits") < words.index("bimodality") < words.index("aggregate")

    def test_preferred_criteria_exist(self):
        assert set(BESIDE) <= set(CRITERIA)


class TestLegend:
    def test_it_says_what_each_column_is_and_what_is_left_out(self, selection):
        (line,) = (line for line in lines(selection) if line.startswith("criteria "))
        assert line == (
            "criteria voted: anchor agreement, tail shape; second opinion: consensus; "
            "shown, does not vote: loss stability, gamma balance, probe auc; "
            "3 more in manifest.json and with --json"
        )

    def test_a_selection_without_findings_has_none(self, selection):
        assert not [line for line in lines(replace(selection, criteria=())) if line.startswith("criteria ")]

    def test_at_most_twelve_lines_below_the_table(self, selection):
        def failed(trial: int) -> TrialResult:
            config = TrialConfig(detector="vae", params={}, origin="random")
            return TrialResult(trial=trial, config=config, seed=0, state="failed", reason=f"reason {trial}")

        vetoed = [
            replace(selection.ranking[0], key=key(20 + i), veto=f"veto {i}: so", aggregate=None)
            for i in range(9)
        ]
        crowded = replace(selection, ranking=(*selection.ranking, *vetoed))
        shown = lines(crowded, [failed(50 + i // 2) for i in range(12)])
        below = shown[shown.index("") + 1 :]
        assert len(below) <= 12
        assert "failed: 8 trials, for 4 other reasons" in below
        assert "vetoed: 7 candidates, for 7 other reasons" in below


class TestDocument:
    @pytest.fixture(params=["--json", "manifest"])
    def document(self, selection, request):
        if request.param == "manifest":
            return evidence_document(selection)
        paths = {"study": Path("s"), "artifact": Path("s/artifact"), "best_artifact": None}
        return json.loads(outcome_document(selection, [], None, **paths))

    def test_each_criterion_is_there_once_with_its_role(self, document):
        roles = {record["criterion"]: record["role"] for record in document["criteria"]}
        assert [record["criterion"] for record in document["criteria"]] == list(NAMES)
        assert (roles["tail_shape"], roles["hits"]) == ("voted", "second opinion")
        for name in ("loss_stability", "gamma_balance", "member_agreement", "bimodality"):
            assert roles[name] == "shown, does not vote"
        assert document["criteria"][0]["agrees"] is True

    def test_counts_against_a_baseline(self, document):
        (row,) = document["against_baselines"]
        assert row["key"] == "0/native@0"
        assert [row[f"n_{stand}"] for stand in ("ahead", "behind", "level", "absent")] == [3, 2, 1, 2]
        assert (row["n_telling_ahead"], row["n_telling_behind"]) == (2, 1)
        assert row["output_gains"] == {"consensus_gain": 0.25, "consensus_gain_low": None}
