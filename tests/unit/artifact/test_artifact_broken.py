"""A damaged, edited or hostile artifact is refused with file and rule; nothing crashes, hangs or runs."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch_file

from automl_ad.artifact import Manifest, Scorer
from automl_ad.artifact.manifest import content_version
from automl_ad.errors import ArtifactError

NETWORK, ROWS, TREES = "part-0.safetensors", "part-1.safetensors", "part-2.safetensors"
PANEL, GOLDEN, MANIFEST = "panel.safetensors", "golden.parquet", "manifest.json"
Damage = Callable[[Path], None]


def reseal(folder: Path) -> None:
    """Make hashes, sizes and version right again, as somebody who means harm would."""
    document = json.loads((folder / MANIFEST).read_text())
    for name in document["files"]:
        content = (folder / name).read_bytes()
        document["files"][name] = {
            "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    manifest = Manifest.model_validate_json(json.dumps(document))
    document["version"] = content_version(manifest)
    (folder / MANIFEST).write_text(json.dumps(document))


def edit(change: Callable[[dict], object], *, sealed: bool = True) -> Damage:
    """Change the manifest."""

    def damage(folder: Path) -> None:
        document = json.loads((folder / MANIFEST).read_text())
        change(document)
        (folder / MANIFEST).write_text(json.dumps(document))
        if sealed:
            reseal(folder)

    return damage


def edit_arrays(name: str, change: Callable[[dict], object]) -> Damage:
    """Change the arrays of a file, hashes made right again."""

    def damage(folder: Path) -> None:
        arrays = load_file(folder / name)
        change(arrays)
        save_file(arrays, folder / name)
        reseal(folder)

    return damage


def edit_golden(change: Callable[[pa.Table], pa.Table]) -> Damage:
    def damage(folder: Path) -> None:
        pq.write_table(change(pq.read_table(folder / GOLDEN)), folder / GOLDEN)
        reseal(folder)

    return damage


def write(name: str, content: bytes, *, sealed: bool = False) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)
        if sealed:
            reseal(folder)

    return damage


def cut(name: str) -> Damage:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def flip_a_bit(name: str) -> Damage:
    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return damage


def replace_by_link(name: str) -> Damage:
    def damage(folder: Path) -> None:
        target = folder.parent / f"outside-{name}"
        (folder / name).rename(target)
        (folder / name).symlink_to(target)

    return damage


def replace_by_pipe(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return damage


def replace_by_socket(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        with (
            contextlib.chdir(folder),
            socket.socket(socket.AF_UNIX) as server,
        ):  # a path of at most 107 letters
            server.bind(name)

    return damage


def tensors(**entries: tuple[list[int], list[int]]) -> bytes:
    """A safetensors file of 64 bytes of data whose header says what it likes of shapes and places."""
    header = {
        name: {"dtype": "F64", "shape": shape, "data_offsets": offsets}
        for name, (shape, offsets) in entries.items()
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(64)


def nested(depth: int) -> dict:
    document: dict = {}
    for _ in range(depth):
        document = {"deeper": document}
    return document


def replace_by_folder(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def save_bfloat16(folder: Path) -> None:
    save_torch_file({"rows": torch.zeros(3, 5, dtype=torch.bfloat16)}, folder / ROWS)
    reseal(folder)


def grow_manifest(folder: Path) -> None:
    os.truncate(folder / MANIFEST, 17 * 2**20)


def set_first(name: str, value: float) -> Callable[[dict], None]:
    def change(arrays: dict) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name].flat[0] = value

    return change


def scale_scores(table: pa.Table) -> pa.Table:
    scores = pa.array(table["anomaly_score"].to_numpy() * 1.001)
    return table.set_column(table.num_columns - 1, "anomaly_score", scores)


def small_bomb() -> bytes:
    """A valid parquet file of a few hundred bytes that decodes to far more rows than asked for."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"anomaly_score": np.zeros(2_000_000)}), sink)
    return sink.getvalue()


def shared_text_bomb() -> bytes:
    """A valid parquet file of 1,500 bytes: 32 rows that all refer to one text of 32 MB."""
    text = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(["a" * 2**25]))
    rows = pa.table(
        {"a": text.take(pa.array([0] * 32)).cast(pa.large_string()), "anomaly_score": np.zeros(32)}
    )
    sink = io.BytesIO()
    pq.write_table(rows, sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def part(index: int, **values: object) -> Callable[[dict], None]:
    return lambda document: document["parts"][index].update(values)


def params(index: int, **values: object) -> Callable[[dict], None]:
    return lambda document: document["parts"][index]["params"].update(values)


def point_outside(document: dict) -> None:
    document["files"]["../../etc/passwd"] = document["files"].pop(ROWS)


BROKEN: dict[str, tuple[Damage, str, str]] = {
    # what                         damage, file named, rule named
    "folder missing": (shutil.rmtree, MANIFEST, "must exist"),
    "manifest missing": (lambda folder: (folder / MANIFEST).unlink(), MANIFEST, "must exist"),
    "manifest empty": (write(MANIFEST, b""), MANIFEST, "EOF"),
    "manifest truncated": (cut(MANIFEST), MANIFEST, "EOF"),
    "manifest binary": (write(MANIFEST, bytes(range(256))), MANIFEST, "JSON"),
    "manifest nested for ever": (write(MANIFEST, b'{"a":' + b"[" * 10**6), MANIFEST, "recursion"),
    "manifest too large": (grow_manifest, MANIFEST, "at most 16777216 bytes"),
    "manifest is a link": (replace_by_link(MANIFEST), MANIFEST, "symbolic link"),
    "manifest a list": (write(MANIFEST, b"[]"), MANIFEST, "object"),
    "newer format": (
        edit(lambda d: d.update(schema_version=2, new_field=1), sealed=False),
        MANIFEST,
        "schema_version must be at most 1, got 2",
    ),
    "threshold edited": (
        edit(lambda d: d["threshold"].update(value=0.0), sealed=False),
        MANIFEST,
        "version must be",
    ),
    "field unknown": (edit(lambda d: d.update(run="rm"), sealed=False), MANIFEST, "run: Extra inputs"),
    "field missing": (
        edit(lambda d: d.pop("threshold"), sealed=False),
        MANIFEST,
        "threshold: Field required",
    ),
    "threshold NaN": (
        edit(lambda d: d["threshold"].update(value=float("nan")), sealed=False),
        MANIFEST,
        "threshold.value",
    ),
    "evidence NaN": (
        edit(lambda d: d["evidence"].update(x=float("nan")), sealed=False),
        MANIFEST,
        "finite",
    ),
    "file name climbs out": (edit(point_outside, sealed=False), MANIFEST, "files must be exactly"),
    "weights do not sum": (edit(part(0, weight=0.9), sealed=False), MANIFEST, "sum to 1"),
    "rows denied": (
        edit(lambda d: d.update(contains_training_rows=False), sealed=False),
        MANIFEST,
        "contains_training_rows must be true",
    ),
    "part missing": (lambda folder: (folder / TREES).unlink(), TREES, "must exist"),
    "part truncated": (cut(ROWS), ROWS, "truncated"),
    "part grown": (
        lambda folder: os.truncate(folder / ROWS, 10**9),
        ROWS,
        "at most",
    ),
    "part changed": (flip_a_bit(NETWORK), NETWORK, "SHA-256"),
    "part is a link": (replace_by_link(NETWORK), NETWORK, "symbolic link"),
    "part is a pipe": (replace_by_pipe(NETWORK), NETWORK, "regular file"),
    "part is a socket": (replace_by_socket(NETWORK), NETWORK, "must be readable"),
    "part claims terabytes": (
        write(ROWS, tensors(rows=([10**12], [0, 8 * 10**12])), sealed=True),
        ROWS,
        "safetensors",
    ),
    "part claims more than it has": (
        write(ROWS, tensors(rows=([9], [0, 72])), sealed=True),
        ROWS,
        "safetensors",
    ),
    "part overlaps itself": (
        write(ROWS, tensors(rows=([8], [0, 64]), other=([8], [0, 64])), sealed=True),
        ROWS,
        "safetensors",
    ),
    "part has a shape that overflows": (
        write(ROWS, tensors(rows=([2**32, 2**32], [0, 64])), sealed=True),
        ROWS,
        "safetensors",
    ),
    "evidence nested for ever": (
        edit(lambda d: d.update(evidence=nested(400)), sealed=False),
        MANIFEST,
        "recursion",
    ),
    "part is a folder": (replace_by_folder(NETWORK), NETWORK, "regular file"),
    "part not safetensors": (write(ROWS, b"\x80\x04cos\nsystem\n.", sealed=True), ROWS, "safetensors"),
    "part claims a huge header": (write(ROWS, b"\xff" * 64, sealed=True), ROWS, "safetensors"),
    "part of another dtype": (save_bfloat16, ROWS, "safetensors file, got: 'BF16'"),
    "array missing": (edit_arrays(ROWS, lambda a: a.pop("rows")), ROWS, "'rows' must be present"),
    "array of wrong shape": (
        edit_arrays(ROWS, lambda a: a.update(rows=a["rows"][:, :3].copy())),
        ROWS,
        "'rows' must have shape",
    ),
    "array with NaN": (edit_arrays(ROWS, set_first("rows", np.nan)), ROWS, "'rows' must be finite"),
    "tree node out of range": (
        edit_arrays(TREES, set_first("children", 10**6)),
        TREES,
        "'children' must lie",
    ),
    "tree loops": (edit_arrays(TREES, set_first("children", 0)), TREES, "'children' must lie"),
    "tree feature out of range": (
        edit_arrays(TREES, set_first("features", 99)),
        TREES,
        "'features' must be in",
    ),
    "detector unknown": (edit(part(0, detector="os.system")), NETWORK, "detector must be one of"),
    "score type unknown": (edit(part(1, score_type="nll")), ROWS, "no score type 'nll'"),
    "prep unknown": (edit(part(1, prep="whiten")), MANIFEST, "prep of part 1 must be one of"),
    "width of another model": (edit(part(1, n_features=7)), ROWS, "shape"),
    "members of another model": (edit(part(0, n_members=3)), NETWORK, "must have"),
    "network of terabytes": (edit(params(0, latent_size=65_536, width=1e4)), NETWORK, "values, got"),
    "network beyond all limits": (
        edit(params(0, width=1e18), sealed=False),
        MANIFEST,
        "parts.0.params: Value error, width must not exceed 65536",
    ),
    "count beyond all limits": (
        edit(params(0, n_layers=10**9), sealed=False),
        MANIFEST,
        "n_layers must not exceed 65536",
    ),
    "param of wrong kind": (edit(params(1, n_neighbors="many")), ROWS, "n_neighbors must be an integer"),
    "panel lacks a part": (edit_arrays(PANEL, lambda a: a.pop("part-1")), PANEL, "'part-1'"),
    "panel not finite": (edit_arrays(PANEL, set_first("part-1", np.inf)), PANEL, "finite"),
    "panel shorter": (
        edit_arrays(PANEL, lambda a: a.update({"part-1": a["part-1"][:50].copy()})),
        PANEL,
        "as long as",
    ),
    "panel not combined": (edit_arrays(PANEL, set_first("final", 99.0)), PANEL, "combination"),
    "panel of another size": (edit(lambda d: d.update(n_panel_rows=7)), PANEL, "must hold 7 rows"),
    "preprocessing array missing": (
        edit_arrays("preprocessing.safetensors", lambda a: a.pop("scaler/robust/center")),
        "preprocessing.safetensors",
        "scaler/robust/center",
    ),
    "preprocessing document empty": (
        edit(lambda d: d.update(preprocessing={})),
        "preprocessing.safetensors",
        "preprocessor",
    ),
    "golden missing": (lambda folder: (folder / GOLDEN).unlink(), GOLDEN, "must exist"),
    "golden not parquet": (write(GOLDEN, b"PAR1" * 20, sealed=True), GOLDEN, "parquet"),
    "golden with other scores": (edit_golden(scale_scores), GOLDEN, "golden rows must score as they did"),
    "golden shorter": (edit_golden(lambda table: table.slice(0, 8)), GOLDEN, "must hold 32 rows"),
    "golden explodes": (write(GOLDEN, small_bomb(), sealed=True), GOLDEN, "must hold 32 rows"),
    "golden explodes in its rows": (
        write(GOLDEN, shared_text_bomb(), sealed=True),
        GOLDEN,
        "must hold at most 268435456 bytes of texts and images, got 1073741824",
    ),
    "golden without a column": (edit_golden(lambda table: table.drop_columns("b")), GOLDEN, "column 'b'"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", BROKEN)
def test_broken_artifact_is_refused_with_file_and_rule(case, ensemble_path, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(ensemble_path, folder)
    damage, file, rule = BROKEN[case]
    damage(folder)
    with pytest.raises(ArtifactError) as caught:
        Scorer.load(folder)
    assert str(folder / file) in caught.value.message
    assert rule in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 3


def test_a_file_instead_of_a_folder_is_refused(tmp_path):
    (tmp_path / "artifact").write_text("{}")
    with pytest.raises(ArtifactError, match="must be a folder"):
        Scorer.load(tmp_path / "artifact")


def test_resealing_alone_breaks_nothing(ensemble_path, tmp_path):
    """Otherwise the cases above would prove nothing."""
    shutil.copytree(ensemble_path, tmp_path / "copy")
    edit(lambda document: document["evidence"].update(note="seen"))(tmp_path / "copy")
    edit_arrays(PANEL, dict.keys)(tmp_path / "copy")
    edit_golden(lambda table: table)(tmp_path / "copy")
    assert Scorer.load(tmp_path / "copy").manifest.evidence["note"] == "seen"


def test_files_that_the_manifest_does_not_list_are_not_opened(ensemble_path, tmp_path):
    shutil.copytree(ensemble_path, tmp_path / "copy")
    os.mkfifo(tmp_path / "copy" / "part-9.safetensors")
    (tmp_path / "copy" / "weights.pkl").write_bytes(b"\x80\x04cos\nsystem\n.")
    assert Scorer.load(tmp_path / "copy").name == "payments"


def test_a_hard_link_is_only_its_content(ensemble_path, tmp_path):
    """It cannot be told from a file, and need not be: what it holds must have the recorded hash."""
    shutil.copytree(ensemble_path, tmp_path / "copy")
    (tmp_path / "copy" / NETWORK).rename(tmp_path / "outside")
    os.link(tmp_path / "outside", tmp_path / "copy" / NETWORK)
    assert Scorer.load(tmp_path / "copy").name == "payments"
    (tmp_path / "secret").write_bytes(b"of somebody else")
    (tmp_path / "copy" / NETWORK).unlink()
    os.link(tmp_path / "secret", tmp_path / "copy" / NETWORK)
    with pytest.raises(ArtifactError, match=rf"{NETWORK}: must have \d+ bytes, got 16") as caught:
        Scorer.load(tmp_path / "copy")
    assert "somebody" not in str(caught.value)


def test_golden_rows_can_be_left_unchecked(ensemble_path, tmp_path):
    shutil.copytree(ensemble_path, tmp_path / "copy")
    edit_golden(scale_scores)(tmp_path / "copy")
    assert Scorer.load(tmp_path / "copy", check_golden=False).name == "payments"
