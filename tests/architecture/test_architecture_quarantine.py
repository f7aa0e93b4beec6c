"""Labels stay in `automl_ad.evaluation`, and nothing that is loaded can execute code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LABEL_METRICS = ("sklearn.metrics", "automl_ad.evaluation", "automl_ad.data.read_column_at")
"""What computes with labels, and the one way to read them."""
CODE_LOADERS = ("pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve", "skops")


def imported_names(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offences(source: str, forbidden: tuple[str, ...]) -> list[str]:
    names = imported_names(source)
    return [name for name in names if any(name == f or name.startswith(f + ".") for f in forbidden)]


def sources() -> list[Path]:
    files = [*ROOT.glob("automl_ad/**/*.py"), *ROOT.glob("serve/**/*.py")]
    return [file for file in files if "_pb2" not in file.name]


def sees_labels(file: Path) -> bool:
    return file.is_relative_to(ROOT / "automl_ad/evaluation") or file.is_relative_to(ROOT / "automl_ad/cli")


@pytest.mark.parametrize("file", [f for f in sources() if not sees_labels(f)], ids=lambda f: f.name)
def test_no_label_metric_outside_evaluation(file: Path):
    assert offences(file.read_text(), LABEL_METRICS) == []


@pytest.mark.parametrize("file", sources(), ids=lambda f: f.name)
def test_no_loader_that_executes_code(file: Path):
    text = file.read_text()
    assert offences(text, CODE_LOADERS) == []
    assert "torch.load" not in text
    assert "allow_pickle=True" not in text


@pytest.mark.parametrize(
    "source",
    [
        "from sklearn.metrics import roc_auc_score",
        "import sklearn.metrics as m",
        "from sklearn import metrics",
        "def f():\n    from automl_ad.evaluation.metrics import auroc",
        "from automl_ad.data import read_column_at",
    ],
)
def test_the_quarantine_notices_a_breach(source: str):
    assert offences(source, LABEL_METRICS)
