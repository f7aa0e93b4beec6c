"""Small artifacts, and every host serving a registry of them: the CLI in a process, as a user starts it."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest

from automl_ad.artifact import Part, Scorer, threshold_of, write_artifact
from automl_ad.artifact.registry import Registry
from automl_ad.data import Preprocessor
from automl_ad.detectors import DETECTORS
from automl_ad.training import fit

MAX_ROWS, MAX_MESSAGE_MB = 5_000, 1
FLAGS = {
    "grpc.aio": [],
    "direct": ["--ray"],
    "ingress": ["--door", "ingress", "--insecure", "--reflection"],  # its proxy listens on all interfaces
}
TOKEN, TOKEN_OF_SIZES = "a" * 64, "b" * 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A running service, and the registry that it follows."""

    address: str
    registry: Registry


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
        "moving": export(folder / "moving", numeric_rows.slice(0, 150)),
        "moved": export(folder / "moved", numeric_rows.slice(50, 150)),
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


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory) -> Path:
    """One token for every model, one for `sizes` alone."""
    path = tmp_path_factory.mktemp("keys") / "keys.toml"
    path.touch(mode=0o600)
    everything, sizes = (hashlib.sha256(token.encode()).hexdigest() for token in (TOKEN, TOKEN_OF_SIZES))
    path.write_text(
        f'[keys.everything]\nsha256 = "{everything}"\n[keys.sizes]\nsha256 = "{sizes}"\nmodels = ["sizes"]\n'
    )
    return path


@pytest.fixture(
    scope="session",
    params=["grpc.aio", *(pytest.param(door, marks=pytest.mark.ray) for door in ("direct", "ingress"))],
)
def target(
    request: pytest.FixtureRequest, artifacts: dict[str, Path], keys_file: Path, tmp_path_factory
) -> Iterator[Target]:
    """A host that serves `sizes`, `payments` and `moving`; it must end with 0 when it is told to stop."""
    registry = tmp_path_factory.mktemp("registry")
    for name in ("sizes", "payments", "moving"):
        Registry.open(registry).add(name, artifacts[name])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    limits = ["--max-rows", str(MAX_ROWS), "--max-message-mb", str(MAX_MESSAGE_MB), "--port", port]
    models = ["--registry", str(registry), "--poll", "0.2s", "--keys", str(keys_file)]
    with serving([], *FLAGS[request.param], *models, *limits) as (process, address):
        yield Target(address=address, registry=Registry.open(registry))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


class _WithToken(grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor):
    def intercept_unary_unary(self, continuation, client_call_details, request):
        return continuation(self._details(client_call_details), request)

    def intercept_stream_stream(self, continuation, client_call_details, request_iterator):
        return continuation(self._details(client_call_details), request_iterator)

    def _details(self, details: Any) -> Any:
        metadata = [*(details.metadata or ()), ("authorization", f"Bearer {TOKEN}")]
        return details._replace(metadata=metadata)


@pytest.fixture
def bare_channel(target: Target) -> Iterator[grpc.Channel]:
    """Without a token."""
    with grpc.insecure_channel(target.address) as channel:
        yield channel


@pytest.fixture
def channel(bare_channel: grpc.Channel) -> grpc.Channel:
    """With the token for every model."""
    return grpc.intercept_channel(bare_channel, _WithToken())


@pytest.fixture(scope="session")
def start_server():
    return serving


@pytest.fixture(scope="session")
def tokens() -> dict[str, str]:
    return {"everything": TOKEN, "sizes": TOKEN_OF_SIZES}
