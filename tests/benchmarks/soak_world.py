"""What a soak serves, and what must come of it: models, versions with different scores, the library's scores.

`write` needs the library and runs once; `World` is read by clients that import neither torch nor the scorer.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

N_FEATURES, N_ROWS, BLOCK = 8, 2_048, 256
SWAPPED, STEADY, FORBIDDEN = "payments", "sizes", "secret"
"""The model whose champion is exchanged, one that stays, and one that the good token may not use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """Everything that a client knows. Picklable."""

    address: str
    rows_MF: np.ndarray
    """float32, so that every wire form carries the same numbers."""
    scores: dict[tuple[str, str], np.ndarray]
    """(model, version) -> [M] of the library, scored in blocks."""
    token: str
    ca: Path

    def is_right(self, model: str, version: str, start: int, scores: Iterable[float]) -> bool:
        """Whether they are, bit for bit, the scores that the library gives the rows from `start` on."""
        got = np.asarray(list(scores), dtype=np.float64)
        expected = self.scores.get((model, version))
        return (
            expected is not None and np.array_equal(got, expected[start : start + len(got)]) and len(got) > 0
        )


def write(
    folder: Path, n_versions: int
) -> tuple[Path, list[str], dict[tuple[str, str], np.ndarray], np.ndarray]:
    """(registry, versions of the swapped model, scores, rows)."""
    from small_artifacts import write_autoencoder

    from automl_ad.artifact import Scorer
    from automl_ad.artifact.registry import Registry

    rows_MF = np.random.default_rng(7).normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)
    registry = Registry.open(folder / "registry")
    names = [SWAPPED] * n_versions + [STEADY, FORBIDDEN]
    versions, scores = [], {}
    for seed, name in enumerate(names):
        artifact = write_autoencoder(folder / f"artifact-{seed}" / name, n_features=N_FEATURES, seed=seed)
        versions.append(registry.add(name, artifact))
        blocks = [rows_MF[start : start + BLOCK] for start in range(0, N_ROWS, BLOCK)]
        scorer = Scorer.load(artifact)
        scores[name, versions[-1]] = np.concatenate([scorer.score(block).anomaly_score for block in blocks])
    return folder / "registry", versions[:n_versions], scores, rows_MF


def write_keys(path: Path) -> str:
    """A token for all models but one; its hash is in the file."""
    token = secrets.token_hex(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    path.write_text(f'[keys.soak]\nsha256 = "{digest}"\nmodels = {json.dumps([SWAPPED, STEADY])}\n')
    path.chmod(0o600)
    return token


def write_certificates(folder: Path) -> tuple[Path, Path, Path]:
    """(authority, certificate, key) for 127.0.0.1 and localhost."""
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    ca, certificate, key = (folder / name for name in ("ca.pem", "server.pem", "server.key"))
    authority.cert_pem.write_to_path(str(ca))
    for index, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(certificate), append=index > 0)
    issued.private_key_pem.write_to_path(str(key))
    key.chmod(0o600)
    return ca, certificate, key
