"""Whatever ends a writer at whatever step, the registry stays usable; writers at once lose nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pyarrow.fs as pafs
import pytest

from automl_ad.artifact import read_manifest
from automl_ad.artifact.registry import Registry, RegistryError
from automl_ad.artifact.registry.objects import ObjectStorage
from automl_ad.artifact.registry.records import MAX_ALIASES_BYTES
from automl_ad.errors import AutomlADError

STEPS = ("open", "mkdir", "fsync", "rename")
"""Every system call by which the registry writes."""
MOVES = 12
MOVE_AN_ALIAS = f"""
import sys, time
from pathlib import Path
from automl_ad.artifact.registry import Registry
root, alias, *versions = sys.argv[1:]
registry = Registry.open(root)
print("ready", flush=True)
sys.stdin.readline()
for turn in range({MOVES}):
    registry.promote("payments", versions[turn % len(versions)], alias=alias)
"""
KILLED_BEFORE_A_NAME = """
import os, signal, sys
from pathlib import Path
from automl_ad.artifact.registry import Registry
root, artifact = sys.argv[1:]
os.rename = lambda *names, **folders: os.kill(os.getpid(), signal.SIGKILL)
Registry.open(root).add("payments", Path(artifact))
"""


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@contextmanager
def failing_at(monkeypatch: pytest.MonkeyPatch, step: int, failure: BaseException) -> Iterator[list[str]]:
    """The calls made so far; the one with this number fails."""
    calls: list[str] = []

    def counted(name: str) -> Callable[..., object]:
        original = getattr(os, name)

        def call(*arguments: object, **options: object) -> object:
            calls.append(name)
            if len(calls) == step + 1:
                raise failure
            return original(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in STEPS:
            patch.setattr(os, name, counted(name))
        yield calls


def run_until_it_succeeds(
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
    work: Callable[[], object],
    check: Callable[[], None],
) -> int:
    """`work` with a failure at its first step, then at its second ...; how many steps there were."""
    for step in range(200):
        with failing_at(monkeypatch, step, failure) as calls:
            with suppress(Killed, AutomlADError):
                work()
            if len(calls) <= step:
                return step
        check()
    raise AssertionError("work never ended")


@pytest.mark.parametrize(
    "failure", [Killed(), OSError(28, "No space left on device")], ids=["killed", "disk full"]
)
class TestEverySingleStep:
    def test_adding(self, failure, monkeypatch, tmp_path, versions):
        """The first version of a model: not there, or whole."""
        wanted = read_manifest(versions[0]).version

        def check() -> None:
            registry = Registry.open(tmp_path / str(attempt[0]))
            if (tmp_path / str(attempt[0])).exists() and registry.names():
                assert registry.load("payments", wanted).version == wanted
            attempt[0] += 1

        attempt = [0]
        n_steps = run_until_it_succeeds(
            monkeypatch,
            failure,
            lambda: Registry.open(tmp_path / str(attempt[0])).add("payments", versions[0]),
            check,
        )
        assert n_steps > 20
        for folder in range(attempt[0]):
            registry = Registry.open(tmp_path / str(folder))
            assert registry.add("payments", versions[0]) == registry.resolve("payments") == wanted
            assert not list((tmp_path / str(folder)).rglob("*.partial"))

    def test_adding_another(self, failure, monkeypatch, tmp_path, versions):
        """The champion is served all the while."""
        registry = Registry.open(tmp_path)
        champion = registry.add("payments", versions[0])

        def check() -> None:
            assert registry.names() == ["payments"]
            assert registry.load("payments", "champion").version == champion
            for record in registry.entry("payments").versions:
                registry.load("payments", record.version)

        run_until_it_succeeds(monkeypatch, failure, lambda: registry.add("payments", versions[1]), check)
        assert registry.resolve("payments", "canary") == read_manifest(versions[1]).version

    def test_promoting(self, failure, monkeypatch, tmp_path, versions):
        """The champion is the old one or the new one, with a history that fits."""
        registry = Registry.open(tmp_path)
        old, new = (registry.add("payments", artifact) for artifact in versions[:2])

        def check() -> None:
            champion = registry.entry("payments").aliases["champion"]
            assert (champion.version, champion.previous) in [(old, ()), (new, (old,))]

        run_until_it_succeeds(monkeypatch, failure, lambda: registry.promote("payments"), check)
        assert registry.resolve("payments") == new


@pytest.mark.parametrize("n_written", range(5))
def test_objects_without_their_manifest_are_no_version(tmp_path, versions, n_written):
    """An upload that ends early is not seen, and the next one completes it."""
    storage = ObjectStorage(pafs.LocalFileSystem(), str(tmp_path), shown="s3://models")
    registry = Registry(storage)
    champion = registry.add("payments", versions[0])
    files = sorted(versions[1].iterdir(), key=lambda path: path.name == "manifest.json")[:n_written]
    wanted = read_manifest(versions[1]).version
    storage.put("payments", wanted, ((path.name, path.read_bytes()) for path in files))
    assert [record.version for record in registry.entry("payments").versions] == [champion]
    assert registry.add("payments", versions[1]) == wanted
    assert registry.promote("payments").version == wanted


class Overtaken:
    """A filesystem on which a writer is between the two requests of a reader."""

    def __init__(self, write: Callable[[], object]) -> None:
        self._files = pafs.LocalFileSystem()
        self._write = write

    def __getattr__(self, name: str) -> object:
        return getattr(self._files, name)

    def get_file_info(self, path: str) -> object:
        info = self._files.get_file_info(path)
        self._write()
        return info


def test_aliases_that_grow_while_they_are_read_are_whole(tmp_path):
    aliases = tmp_path / "payments" / "aliases.json"
    aliases.parent.mkdir()
    aliases.write_bytes(b"short")
    longer = Overtaken(lambda: aliases.write_bytes(b"longer than before"))
    storage = ObjectStorage(longer, str(tmp_path), shown="s3://models")
    assert storage.read_aliases("payments") == b"longer than before"
    endless = Overtaken(lambda: aliases.write_bytes(bytes(MAX_ALIASES_BYTES + 1)))
    with pytest.raises(RegistryError, match=f"at most {MAX_ALIASES_BYTES} bytes, got more"):
        ObjectStorage(endless, str(tmp_path), shown="s3://models").read_aliases("payments")


def test_the_lock_is_one_that_nfs_grants(monkeypatch, tmp_path, versions):
    """NFS makes of an exclusive flock a lock of bytes, which needs a descriptor open for writing."""
    flock = fcntl.flock

    def as_on_nfs(descriptor: int, operation: int) -> None:
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        if operation & fcntl.LOCK_EX and mode == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", as_on_nfs)
    registry = Registry.open(tmp_path)
    assert registry.add("payments", versions[0]) == registry.resolve("payments")


def test_trying_to_write_while_another_writer_tidies_up(monkeypatch, tmp_path, versions):
    """The probe looks like what a killed writer has left."""
    registry = Registry.open(tmp_path)
    registry.add("payments", versions[0])
    unlink, probes = os.unlink, []

    def twice(path: str, **options: int) -> None:
        if "probe" in path:
            probes.append(path)
            unlink(path, **options)
        unlink(path, **options)

    monkeypatch.setattr(os, "unlink", twice)
    registry.require_writable("payments")
    assert probes


def test_a_killed_process_leaves_a_usable_registry(tmp_path, versions):
    """SIGKILL just before the version gets its name, the lock held."""
    command = [sys.executable, "-c", KILLED_BEFORE_A_NAME, str(tmp_path), str(versions[0])]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert list(tmp_path.rglob("*.partial"))
    registry = Registry.open(tmp_path)
    version = registry.add("payments", versions[0])
    assert registry.resolve("payments") == version
    assert not list(tmp_path.rglob("*.partial"))


def test_two_processes_at_once_lose_no_update(tmp_path, versions):
    registry = Registry.open(tmp_path)
    added = [registry.add("payments", artifact) for artifact in versions]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", MOVE_AN_ALIAS, str(tmp_path), alias, *added],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for alias in ("left", "right")
    ]
    for child in children:
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
        assert child.returncode == 0
    require_complete(registry, added, ("left", "right"))


def test_threads_at_once_lose_no_update(tmp_path, versions):
    registry = Registry.open(tmp_path)
    added = [registry.add("payments", artifact) for artifact in versions]

    def move(alias: str) -> None:
        for turn in range(MOVES):
            registry.promote("payments", added[turn % len(added)], alias=alias)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(move, ("a", "b", "c", "d")))
    require_complete(registry, added, ("a", "b", "c", "d"))


def test_adding_the_same_from_many_threads_is_adding_once(tmp_path, versions):
    registry = Registry.open(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        added = set(pool.map(lambda _turn: registry.add("payments", versions[0]), range(8)))
    assert [{record.version} for record in registry.entry("payments").versions] == [added]


def require_complete(registry: Registry, added: list[str], aliases: tuple[str, ...]) -> None:
    """Every move of every alias is in its history."""
    expected = [added[turn % len(added)] for turn in range(MOVES)]
    for alias in aliases:
        record = registry.entry("payments").aliases[alias]
        assert [*record.previous, record.version] == expected
