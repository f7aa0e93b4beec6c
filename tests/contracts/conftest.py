"""Two small artifacts, and every host serving both: the CLI in a process of its own, as a user starts it."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pyarrow as pa
import pytest

from automl_ad.artifact import Part, Scorer, threshold_of, write_artifact
from automl_ad.data import Preprocessor
from automl_ad.detectors import DETECTORS
from automl_ad.training import fit

MAX_ROWS, MAX_MESSAGE_MB = 5_000, 1
FLAGS = {"grpc.aio": [], "direct": ["--ray"], "ingress": ["--ray", "--door", "ingress"]}


@pytest.fixture(scope="session")
def numeric_rows() -> pa.Table:
    rng = np.random.default_rng(1)
    return pa.table({name: rng.normal(size=200) for name in ("width", "height", "weight")})


@pytest.fixture(scope="session")
def mixed_rows() -> pa.Table:
    rng = np.random.default_rng(2)
    age = rng.integers(18, 90, size=200).astype(float)
    age[::7] = np.nan
    return pa.table(
        {
            "amount": rng.lognormal(size=200),
            "age": pa.array(age, from_pandas=True),
            "country": pa.array(rng.choice(["fr", "de", "pt"], size=200)),
            "is_new": pa.array(rng.integers(0, 2, size=200).astype(bool)),
            "at": pa.array(1_700_000_000 + rng.integers(0, 10**6, size=200), pa.timestamp("s", tz="UTC")),
        }
    )


@pytest.fixture(scope="session")
def artifacts(numeric_rows, mixed_rows, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("artifacts")
    return {
        "sizes": export(folder / "sizes", numeric_rows),
        "payments": export(folder / "payments", mixed_rows),
    }


def export(path: Path, rows: pa.Table) -> Path:
    """An artifact named like its folder: Mahalanobis distance on all rows."""
    preprocessor = Preprocessor.fit(rows)
    x_ND = preprocessor.scale(preprocessor.encode(rows), "zscore")
    detector = DETECTORS["mahalanobis"].build({}, n_features=x_ND.shape[1], n_members=1, seed=0)
    fit(detector, x_ND, seed=0, checkpoints=(), on_checkpoint=lambda _epoch: False)
    panel_scores_N = detector.scores(x_ND)["mahalanobis"][0]
    part = Part(
        detector="mahalanobis",
        params={"prep": "zscore"},
        n_features=x_ND.shape[1],
        n_members=1,
        score_type="mahalanobis",
        checkpoint=0,
        trial=0,
        seed=0,
        weight=1.0,
        panel_scores=panel_scores_N,
        arrays=detector.arrays(),
    )
    return write_artifact(
        path,
        name=path.name,
        parts=[part],
        preprocessor=preprocessor,
        threshold=threshold_of(panel_scores_N, rate=0.05),
        panel_scores_N=panel_scores_N,
        data_fingerprint="0" * 64,
        seed=0,
        study={},
        evidence={},
    )


@pytest.fixture(scope="session")
def scorers(artifacts) -> dict[str, Scorer]:
    return {name: Scorer.load(path) for name, path in artifacts.items()}


@contextlib.contextmanager
def serving(artifacts: list[Path], *flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process of `automl-ad serve` and its address, once it prints that it listens."""
    command = [str(Path(sys.executable).with_name("automl-ad")), "serve", *map(str, artifacts), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on "), f"not listening: {line!r}, exit code {process.wait(5)}"
            yield process, f"127.0.0.1:{line.strip().rpartition(':')[2]}"
        finally:
            process.kill()


@pytest.fixture(
    scope="session",
    params=["grpc.aio", *(pytest.param(door, marks=pytest.mark.ray) for door in ("direct", "ingress"))],
)
def target(request: pytest.FixtureRequest, artifacts: dict[str, Path]) -> Iterator[str]:
    """Address of a host that serves both artifacts; it must end with 0 when it is told to stop."""
    limits = ["--max-rows", str(MAX_ROWS), "--max-message-mb", str(MAX_MESSAGE_MB)]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    flags = [*FLAGS[request.param], *limits, "--port", port]
    with serving(list(artifacts.values()), *flags) as (process, address):
        yield address
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.fixture
def channel(target: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(target) as channel:
        yield channel


@pytest.fixture(scope="session")
def start_server():
    return serving
