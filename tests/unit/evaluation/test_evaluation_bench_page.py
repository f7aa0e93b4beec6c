"""What is shown of a benchmark: one page, one document, one table in the terminal."""

import json
from html.parser import HTMLParser

import pytest
from rich.console import Console

from automl_ad.evaluation.bench.document import bench_document
from automl_ad.evaluation.bench.page import bench_page
from automl_ad.evaluation.bench.records import BenchReport, report_from_json
from automl_ad.evaluation.bench.terminal import bench_table

ROWS = {"output": 0.8, "best": 0.7, "mean trial": 0.6, "oracle trial": 0.9, "knn": 0.75, "[red]": 0.5}
EVIL = "<script>alert('x')</script> & co"


class Parsed(HTMLParser):
    """Tags that are open, every tag with its attributes, and all text."""

    VOID = ("meta",)

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def report(make_outcome) -> BenchReport:
    outcomes = [
        make_outcome(
            EVIL if i == 0 else f"t{i}",
            {name: value + i / 100 * (name != "mean trial") for name, value in ROWS.items()},
            regime=regime,
            criteria={"hits": 0.5 - i / 10, "loss_stability": -0.2},
            notes={"peer: ecod": "needs <pyod>"},
        )
        for regime, n in (("natural", 6), ("clean", 1), ("injected-5", 2))
        for i in range(n)
    ]
    return BenchReport(outcomes=tuple(outcomes), config={"data": "<tables>"})


def test_the_page_is_well_formed_and_needs_nothing_else(report):
    parsed = Parsed(bench_page(report))
    assert parsed.open == []
    assert {"script", "link", "img"}.isdisjoint(tag for tag, _ in parsed.tags)
    targets = [value for _, attributes in parsed.tags for name, value in attributes.items() if name == "href"]
    assert targets == ["#clean", "#injected-5", "#natural"]


def test_names_are_text_never_markup(report):
    page = bench_page(report)
    assert EVIL not in page
    assert EVIL in Parsed(page).text
    assert "<pyod>" in Parsed(page).text
    assert "<tables>" in Parsed(page).text


def test_tables_and_drawings_can_be_read_aloud(report):
    tags = Parsed(bench_page(report)).tags
    names = [tag for tag, _ in tags]
    assert names.count("table") == names.count("caption") > 0
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in tags if tag == "th")
    drawings = [i for i, (_, attributes) in enumerate(tags) if attributes.get("role") == "img"]
    assert (
        len(drawings) == 3 + 3 + 1
    )  # criteria and ways of each regime; ranks where there are enough datasets
    assert all(names[i + 1] == "title" for i in drawings)


def test_the_page_says_what_is_met_and_why_something_is_not_there(report):
    text = Parsed(bench_page(report)).text
    assert "needs at least 5 datasets, got 1" in text
    assert "peer: ecod: needs <pyod> (6 of 6)" in text
    assert "not met" in text
    assert "No bar was set for this regime." in text


def test_an_empty_report_has_a_page():
    assert "Settings" in Parsed(bench_page(BenchReport(outcomes=()))).text


def test_the_document_holds_the_report_and_its_statistics(report):
    document = json.loads(bench_document(report))
    assert report_from_json(json.dumps(document["report"])) == report
    natural = next(found for found in document["statistics"] if found["regime"] == "natural")
    assert natural["bars"][0]["is_met"] is True
    assert natural["rows"][0]["name"] == "oracle trial"
    assert {c["other"] for c in natural["comparisons"]["output"]} == set(ROWS) - {"output", "oracle trial"}
    clean = next(found for found in document["statistics"] if found["regime"] == "clean")
    assert clean["ranks"]["critical_difference"] == {
        "value": None,
        "reason": "needs at least 5 datasets, got 1",
    }


def test_the_terminal_shows_every_row_and_bar(report):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(bench_table(report))
    text = capture.get()
    assert "natural: 6 datasets, 6 searches" in text
    assert text.count("[red]") == 3
    assert "not measured" in text
    assert "gain of 'output': 0.692" in text  # 1.35 / 1.95
