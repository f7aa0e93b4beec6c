"""`automl-ad registry` and `search --register`: data on stdout, words on stderr, errors with a way out."""

import json
import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from automl_ad.artifact.registry import Registry
from automl_ad.errors import ArtifactError

GOLDEN = Path(__file__).parents[2] / "golden" / "artifact-format-1"
VERSION = json.loads((GOLDEN / "manifest.json").read_text())["version"]
SEARCH = ("--detector", "pca", "--preset", "fast", "--max-trials", "1", "--members", "1", "--quiet")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; the registry is where it is by default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTOML_AD_REGISTRY", raising=False)
    return tmp_path


@pytest.fixture
def data(home: Path, blob_columns) -> Path:
    pq.write_table(blob_columns(n_rows=120, n_columns=3, seed=0), home / "rows.parquet")
    return home / "rows.parquet"


def test_add_prints_the_version_and_says_what_it_is(automl_ad):
    added = automl_ad("registry", "add", "payments", GOLDEN)
    assert (added.code, added.out) == (0, f"{VERSION}\n")
    assert f"payments: version {VERSION} is champion" in added.err


def test_list_shows_models_and_their_aliases(automl_ad):
    automl_ad("registry", "add", "payments", GOLDEN)
    models = automl_ad("registry", "list").out.splitlines()
    assert [line.split() for line in models] == [
        ["model", "versions", "aliases"],
        ["payments", "1", "champion", VERSION],
    ]
    versions = automl_ad("registry", "list", "payments").out.splitlines()
    assert versions[1].split()[0] == VERSION
    assert versions[1].split()[-1] == "champion"


@pytest.mark.parametrize("as_json", [True, False])
def test_a_damaged_model_hides_no_other(automl_ad, home, as_json):
    for name in ("a", "b", "c"):
        automl_ad("registry", "add", name, GOLDEN)
    (home / "registry" / "b" / "aliases.json").write_text("{")
    listed = automl_ad("registry", "list", *(["--json"] if as_json else []))
    names = [model["name"] for model in json.loads(listed.out)] if as_json else first_words(listed.out)
    assert (listed.code, names) == (2, ["a", "c"])
    assert "b/aliases.json: " in listed.err
    assert "hint: the file is damaged" in listed.err


def first_words(table: str) -> list[str]:
    return [line.split()[0] for line in table.splitlines()[1:]]


def test_list_as_a_document(automl_ad):
    automl_ad("registry", "add", "payments", GOLDEN)
    [model] = json.loads(automl_ad("registry", "list", "--json").out)
    assert [record["version"] for record in model["versions"]] == [VERSION]
    assert model["aliases"]["champion"]["version"] == VERSION
    assert [model] == json.loads(automl_ad("registry", "list", "payments", "--json").out)


def test_promote_and_rollback_print_the_version(automl_ad):
    registry = Registry.open("registry")
    registry.add("payments", GOLDEN, alias="nightly")
    promoted = automl_ad("registry", "promote", "payments", "nightly")
    assert (promoted.code, promoted.out) == (0, f"{VERSION}\n")
    assert f"champion is {VERSION}" in promoted.err
    refused = automl_ad("registry", "rollback", "payments")
    assert (refused.code, refused.out) == (2, "")
    assert "must have a version before" in refused.err


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_the_registry_can_be_elsewhere(automl_ad, home, monkeypatch, way):
    flags = ("--registry", home / "models") if way == "flag" else ()
    if way == "environment":
        monkeypatch.setenv("AUTOML_AD_REGISTRY", str(home / "models"))
    assert automl_ad("registry", "add", "payments", GOLDEN, *flags).code == 0
    assert Registry.open(home / "models").names() == ["payments"]


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("list",), 2, "must exist"),
        (("add", "../payments", GOLDEN), 2, "the name of a model must be"),
        (("add", "payments", "nowhere"), 3, "must exist"),
        (("promote", "payments"), 2, "must exist"),
    ],
)
def test_errors_have_a_code_and_a_way_out(automl_ad, home, command, code, words):
    failed = automl_ad("registry", *command)
    assert (failed.code, failed.out) == (code, "")
    assert words in failed.err
    assert "hint: " in failed.err
    assert list(home.iterdir()) == []


def test_search_registers_what_it_found(automl_ad, data, monkeypatch):
    found = automl_ad("search", data, *SEARCH, "--register", "payments", "--json")
    document = json.loads(found.out)
    champion = Registry.open("registry").resolve("payments")
    assert document["registered"]["version"] == champion
    assert document["registered"]["name"] == "payments"
    assert f"registered as payments, version {champion}, champion" in found.err

    def full(*_arguments, **_options):
        raise ArtifactError("no space left", "free some")

    monkeypatch.setattr(Registry, "add", full)
    again = ("--register", "payments", "--registry", "our models")
    failed = automl_ad("search", data, *SEARCH, "--resume", *again)
    assert failed.code == 2
    assert failed.out.splitlines()[-1] == document["artifact"]
    assert "the search has finished, but its artifact was not registered: no space left" in failed.err
    way_out = re.search(r"then `(automl-ad .*)`", failed.err)
    add = ["automl-ad", "registry", "add", "payments", document["artifact"], "--registry"]
    assert shlex.split(way_out[1]) == [*add, str(data.with_name("our models"))]


@pytest.mark.parametrize(
    ("name", "words"), [("../payments", "the name of a model must be"), ("payments", "must be usable")]
)
def test_search_finds_out_at_once_that_it_could_not_register(automl_ad, data, home, name, words):
    (home / "registry").write_text("a file where the folder should be")
    refused = automl_ad("search", data, *SEARCH, "--register", name)
    assert (refused.code, refused.out) == (2, "")
    assert words in refused.err
    assert not list(home.glob("study-*"))
