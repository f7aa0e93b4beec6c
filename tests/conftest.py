"""Small tables, and where the public data lie."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings

settings.register_profile("shared machine", deadline=None)  # a busy core is no failure
settings.load_profile("shared machine")

MakeColumns = Callable[..., pa.Table]


@pytest.fixture(scope="session")
def blob_columns() -> MakeColumns:
    """One Gaussian blob with five rows far out, columns x0, x1, ..."""

    def make(*, n_rows: int, n_columns: int, seed: int) -> pa.Table:
        x_ND = np.random.default_rng(seed).normal(size=(n_rows, n_columns))
        x_ND[:5] *= 6
        return pa.table({f"x{i}": x_ND[:, i] for i in range(n_columns)})

    return make


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of public benchmark data; the test is skipped where it is absent."""
    default = Path(__file__).parents[1] / "../shared/data"
    folder = Path(os.environ.get("AUTOML_AD_TEST_DATA", default))
    if not (folder / "INDEX.csv").exists():
        pytest.skip(f"public data must be at AUTOML_AD_TEST_DATA, nothing found at {folder}")
    return folder


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def automl_ad(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Finished]:
    """Runs a command line in this process."""
    from automl_ad.cli import main

    def run(*arguments: object) -> Finished:
        monkeypatch.setattr(sys, "argv", ["automl-ad", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_info:
            main()
        out, err = capsys.readouterr()
        return Finished(int(exit_info.value.code or 0), out, err)

    return run
