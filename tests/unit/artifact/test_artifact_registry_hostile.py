"""No name and no link leads out of a registry: nothing outside is read, written or made."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.artifact.registry import Registry, RegistryError, UnknownName
from automl_ad.artifact.registry.objects import ObjectStorage
from automl_ad.errors import AutomlADError

STEPS = st.sampled_from(
    ["..", ".", "", "/", "\0", "\n", "~", "outside", "payments", "versions", "%2e%2e", "\\"]
)
HOSTILE = st.one_of(st.text(max_size=200), st.lists(STEPS, min_size=1, max_size=6).map("/".join))
CALLS: dict[str, Callable[[Registry, str, Path], object]] = {
    "entry": lambda registry, name, _artifact: registry.entry(name),
    "resolve": lambda registry, name, _artifact: registry.resolve(name),
    "load": lambda registry, name, _artifact: registry.load(name, "champion"),
    "add": lambda registry, name, artifact: registry.add(name, artifact),
    "promote": lambda registry, name, _artifact: registry.promote(name),
    "rollback": lambda registry, name, _artifact: registry.rollback(name),
    "require_writable": lambda registry, name, _artifact: registry.require_writable(name),
}


@pytest.fixture(scope="module")
def home(versions, tmp_path_factory) -> Path:
    """A registry, and beside it another one that must not be reached from it."""
    folder = tmp_path_factory.mktemp("home")
    Registry.open(folder / "registry").add("payments", versions[0])
    Registry.open(folder / "outside").add("payments", versions[0])
    return folder


@pytest.fixture(scope="module", params=["folder", "objects"])
def filled(request: pytest.FixtureRequest, home: Path) -> Registry:
    root = home / "registry"
    if request.param == "folder":
        return Registry.open(root)
    return Registry(ObjectStorage(pafs.LocalFileSystem(), str(root), shown="s3://models"))


def everything(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


def is_harmless(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) is not None and ".." not in name


@pytest.mark.parametrize("call", CALLS)
@given(name=HOSTILE.filter(lambda name: not is_harmless(name)))
def test_hostile_names_are_refused_before_anything_is_touched(home, filled, versions, call, name):
    before = everything(home)
    with pytest.raises(RegistryError, match="the name of a model must be"):
        CALLS[call](filled, name, versions[0])
    assert everything(home) == before


@given(reference=HOSTILE)
def test_hostile_references_mean_nothing(home, filled, reference):
    before = everything(home)
    for call in (filled.resolve, filled.promote, filled.load):
        if reference:
            with pytest.raises(RegistryError):
                call("payments", reference)
    assert everything(home) == before


@given(alias=HOSTILE.filter(lambda alias: not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", alias)))
def test_hostile_aliases_are_refused(home, filled, versions, alias):
    before = everything(home)
    for call in (
        lambda: filled.add("payments", versions[1], alias=alias),
        lambda: filled.promote("payments", "champion", alias=alias),
        lambda: filled.rollback("payments", alias=alias),
    ):
        with pytest.raises(RegistryError, match="an alias must be"):
            call()
    assert everything(home) == before


def test_refused_names_cannot_break_a_line(filled):
    with pytest.raises(RegistryError) as refused:
        filled.entry("a\nautoml-ad: all is well\x1b[2J")
    assert len(refused.value.message.splitlines()) == 1
    assert "\x1b" not in refused.value.message


def test_an_alias_that_looks_like_a_version_is_refused(filled):
    with pytest.raises(RegistryError, match="is no version"):
        filled.promote("payments", "champion", alias="abcdefabcdefabcd")


LINKS = [
    "payments",
    "payments/aliases.json",
    "payments/versions",
    "payments/versions/VERSION",
    "payments/versions/VERSION/manifest.json",
    "payments/versions/VERSION/part-0.safetensors",
    "payments/versions/VERSION/golden.parquet",
]
"""Each is exchanged for a link to its twin outside, or for a pipe."""


@pytest.fixture
def own(home: Path, tmp_path: Path, versions) -> tuple[Path, str]:
    """A copy of both, to be damaged, and the version that they hold."""
    shutil.copytree(home, tmp_path / "own")
    root = tmp_path / "own" / "registry"
    return root, Registry.open(root).resolve("payments")


def to_link(path: Path, twin: Path) -> None:
    path.symlink_to(twin)


def to_relative_link(path: Path, twin: Path) -> None:
    path.symlink_to(os.path.relpath(twin, path.parent))


def to_pipe(path: Path, _twin: Path) -> None:
    os.mkfifo(path)


def to_device(path: Path, _twin: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("exchange", [to_link, to_relative_link, to_pipe, to_device])
@pytest.mark.parametrize("step", LINKS)
def test_links_pipes_and_devices_are_not_followed(own, versions, step, exchange):
    root, version = own
    path = root / step.replace("VERSION", version)
    twin = root.with_name("outside") / path.relative_to(root)
    path.rename(root.parent / "taken")
    exchange(path, twin)
    outside = everything(root.with_name("outside"))
    registry = Registry.open(root)
    for call in (
        lambda: registry.load("payments", version),
        lambda: registry.promote("payments", version),
        lambda: registry.add("payments", versions[0]),
    ):
        with pytest.raises(AutomlADError):
            call()
    assert everything(root.with_name("outside")) == outside


def test_linked_models_are_not_listed(own):
    root, _version = own
    (root / "linked").symlink_to(root.with_name("outside") / "payments")
    registry = Registry.open(root)
    assert registry.names() == ["payments"]
    with pytest.raises(RegistryError, match="symbolic link"):
        registry.entry("linked")


def test_nothing_is_written_through_links(own, versions):
    root, _version = own
    (root / "payments" / "lock").unlink()
    (root / "payments" / "lock").symlink_to(root.parent / "made")
    with pytest.raises(RegistryError, match="symbolic link"):
        Registry.open(root).add("payments", versions[1])
    assert not (root.parent / "made").exists()


def test_what_a_killed_writer_left_is_removed_and_links_in_it_are_not_followed(own, versions):
    root, _version = own
    outside = everything(root.with_name("outside"))
    left = root / "payments" / "versions" / ".0123456789abcdef.00000000.partial"
    left.mkdir()
    (left / "models").symlink_to(root.with_name("outside"))
    (left.parent / ".linked.partial").symlink_to(root.with_name("outside"))
    Registry.open(root).add("payments", versions[1])
    assert not os.path.lexists(left)
    assert not os.path.lexists(left.parent / ".linked.partial")
    assert everything(root.with_name("outside")) == outside


def test_other_things_in_the_folder_are_no_models(own):
    root, _version = own
    (root / "notes.txt").write_text("x")
    (root / ".hidden" / "versions").mkdir(parents=True)
    (root / "empty" / "versions" / "0123456789abcdef").mkdir(parents=True)
    registry = Registry.open(root)
    assert registry.names() == ["payments"]
    with pytest.raises(UnknownName):
        registry.entry("empty")
