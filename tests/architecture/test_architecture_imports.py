"""The import contracts hold, and each notices when it is broken on purpose."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copied_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "automl_ad", folder / "automl_ad")
    shutil.copytree(ROOT / "serve/automl_ad_serve", folder / "automl_ad_serve")
    return folder


def test_contracts_hold(copied_sources: Path):
    done = lint_imports(copied_sources)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "bad_import", "contract"),
    [
        ("data/table.py", "import automl_ad.detectors", "each step sees only the steps after it"),
        ("searching.py", "import automl_ad.evaluation.metrics", "each step sees only the steps after it"),
        ("criteria/veto.py", "import automl_ad.detectors.knn", "criteria judge scores, not detectors"),
        ("detectors/knn.py", "import automl_ad.detectors.pca", "detector files do not see each other"),
        ("trial.py", "import ray", "a trial knows neither Ray nor Optuna nor gRPC"),
        ("detectors/dasvdd.py", "import optuna", "a trial knows neither Ray nor Optuna nor gRPC"),
        ("tuning/local.py", "import ray", "Ray is known to one executor"),
        ("rpc/host.py", "import automl_ad_serve", "the library does not know the Serve application"),
        ("rpc/client/answers.py", "import automl_ad.rpc.wire.codec", "clients know neither the server"),
    ],
)
def test_broken_contract_is_noticed(copied_sources: Path, file: str, bad_import: str, contract: str):
    victim = copied_sources / "automl_ad" / file
    healthy = victim.read_text()
    victim.write_text(f"{healthy}\n{bad_import}\n")
    try:
        done = lint_imports(copied_sources)
    finally:
        victim.write_text(healthy)
    assert done.returncode != 0
    broken = [line for line in done.stdout.splitlines() if line.startswith(contract) and "BROKEN" in line]
    assert broken, done.stdout
