"""A registry keeps versions, serves by alias, lets nothing broken become champion: in folders and objects."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from automl_ad.artifact import Manifest, Scorer, read_manifest
from automl_ad.artifact.manifest import content_version
from automl_ad.artifact.registry import Registry, RegistryError, UnknownName, UnknownVersion
from automl_ad.artifact.registry.objects import ObjectStorage
from automl_ad.artifact.registry.records import MAX_ALIASES, MAX_PREVIOUS
from automl_ad.errors import ArtifactError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture(params=["folder", "objects"])
def registry(request: pytest.FixtureRequest, root: Path) -> Registry:
    if request.param == "folder":
        return Registry.open(root)
    return Registry(ObjectStorage(pafs.LocalFileSystem(), str(root), shown="s3://bucket/models"))


def version_of(artifact: Path) -> str:
    return read_manifest(artifact).version


class TestAdding:
    def test_the_version_is_the_hash_of_the_content_and_the_copy_is_byte_by_byte(
        self, registry, root, versions
    ):
        version = registry.add("payments", versions[0])
        assert version == version_of(versions[0])
        copy = root / "payments" / "versions" / version
        assert contents(copy) == contents(versions[0])

    def test_only_files_of_the_manifest_are_copied(self, registry, root, versions, tmp_path):
        artifact = Path(shutil.copytree(versions[0], tmp_path / "artifact"))
        (artifact / "notes.txt").write_text("not for others")
        version = registry.add("payments", artifact)
        assert not (root / "payments" / "versions" / version / "notes.txt").exists()

    def test_the_first_version_is_champion_and_the_next_is_canary(self, registry, versions):
        first, second, third = (registry.add("payments", artifact) for artifact in versions)
        assert registry.resolve("payments") == registry.resolve("payments", "champion") == first
        assert registry.resolve("payments", "canary") == third
        assert registry.entry("payments").aliases["canary"].previous == (second,)

    def test_an_alias_of_ones_own(self, registry, versions):
        registry.add("payments", versions[0], alias="nightly")
        assert set(registry.entry("payments").aliases) == {"nightly"}

    def test_adding_again_changes_nothing(self, registry, root, versions):
        registry.add("payments", versions[0])
        before = contents(root)
        assert registry.add("payments", versions[0]) == version_of(versions[0])
        assert contents(root) == before

    def test_what_does_not_load_is_refused(self, registry, versions, tmp_path):
        artifact = Path(shutil.copytree(versions[0], tmp_path / "artifact"))
        (artifact / "panel.safetensors").write_bytes(b"something else")
        with pytest.raises(ArtifactError, match=r"panel\.safetensors"):
            registry.add("payments", artifact)

    def test_what_scores_its_golden_rows_differently_is_refused(self, registry, versions, tmp_path):
        artifact = with_other_golden_scores(Path(shutil.copytree(versions[0], tmp_path / "artifact")))
        with pytest.raises(ArtifactError, match=r"golden\.parquet"):
            registry.add("payments", artifact)

    def test_a_damaged_version_is_not_taken_for_the_same(self, registry, root, versions):
        version = registry.add("payments", versions[0])
        (root / "payments" / "versions" / version / "golden.parquet").unlink()
        with pytest.raises(ArtifactError, match="add the artifact again"):
            registry.add("payments", versions[0])

    def test_what_is_left_of_a_version_says_how_it_is_repaired(self, root, versions):
        registry = Registry.open(root)
        version = registry.add("payments", versions[0])
        place = root / "payments" / "versions" / version
        (place / "manifest.json").unlink()
        with pytest.raises(
            RegistryError, match=rf"{version}: must not be there yet.*\n.*remove it, then add"
        ):
            registry.add("payments", versions[0])
        shutil.rmtree(place)
        assert registry.add("payments", versions[0]) == version


class TestReading:
    def test_names_are_sorted_and_versions_are_in_the_order_of_adding(self, registry, versions):
        expected = []
        for artifact in versions:
            expected.append(registry.add("payments", artifact))
        registry.add("logins", versions[0])
        entry = registry.entry("payments")
        assert registry.names() == ["logins", "payments"]
        assert [record.version for record in entry.versions] == expected
        assert entry.aliases_of(expected[0]) == ["champion"]

    def test_a_scorer_is_called_as_in_the_registry(self, registry, versions, table):
        version = registry.add("logins", versions[0])
        scorer, alone = registry.load("logins", version), Scorer.load(versions[0])
        assert (scorer.name, alone.name) == ("logins", "payments")
        scores = scorer.score(table)
        assert (scores.model, scores.version) == ("logins", version)
        np.testing.assert_array_equal(scores.anomaly_score, alone.score(table).anomaly_score)

    def test_unknown_things_are_refused_with_the_nearest_known(self, registry, versions):
        registry.add("payments", versions[0])
        with pytest.raises(UnknownName, match="did you mean 'payments'"):
            registry.entry("payment")
        with pytest.raises(UnknownVersion, match="did you mean 'champion'"):
            registry.resolve("payments", "champoin")
        with pytest.raises(UnknownVersion):
            registry.load("payments", "0" * 16)

    def test_a_registry_that_is_not_there(self, registry, root):
        with pytest.raises(RegistryError, match="must exist"):
            registry.names()
        assert not root.exists()

    @pytest.mark.parametrize(
        ("content", "rule"),
        [
            ("", "JSON"),
            ('{"schema_version": 2, "aliases": {}}', "schema_version"),
            ('{"schema_version": 1, "aliases": {"champion": {"version": "../../x"}}}', "version"),
            ('{"schema_version": 1, "aliases": {}, "more": 1}', "more"),
        ],
    )
    def test_damaged_aliases_name_the_file_and_the_rule(self, registry, root, versions, content, rule):
        registry.add("payments", versions[0])
        (root / "payments" / "aliases.json").write_text(content)
        with pytest.raises(RegistryError, match=rf"aliases\.json: .*{rule}"):
            registry.entry("payments")

    def test_a_version_exchanged_for_another_is_refused(self, registry, root, versions):
        first, second = (registry.add("payments", artifact) for artifact in versions[:2])
        folder = root / "payments" / "versions"
        shutil.rmtree(folder / first)
        shutil.copytree(folder / second, folder / first)
        with pytest.raises(ArtifactError, match=f"must hold version {first}"):
            registry.load("payments", first)

    def test_errors_name_the_place_in_the_registry(self, registry, root, versions):
        version = registry.add("payments", versions[0])
        part = root / "payments" / "versions" / version / "part-0.safetensors"
        part.write_bytes(bytes(part.stat().st_size))
        place = rf"(registry|models)/payments/versions/{version}/part-0\.safetensors: SHA-256"
        with pytest.raises(ArtifactError, match=place):
            registry.load("payments", version)


class TestChoosing:
    def test_promoting_the_canary_and_rolling_back(self, registry, versions):
        first, second, third = (registry.add("payments", artifact) for artifact in versions)
        assert registry.promote("payments").version == third
        assert registry.promote("payments", second).previous == (first, third)
        assert [registry.rollback("payments").version for _ in range(2)] == [third, first]
        assert registry.resolve("payments", "canary") == third
        with pytest.raises(UnknownVersion, match="got none"):
            registry.rollback("payments")

    def test_promoting_the_champion_changes_nothing(self, registry, versions):
        registry.add("payments", versions[0])
        before = registry.entry("payments")
        registry.promote("payments", "champion")
        assert registry.entry("payments") == before

    def test_other_aliases_move_and_return_likewise(self, registry, versions):
        first, second = (registry.add("payments", artifact, alias="blue") for artifact in versions[:2])
        assert registry.resolve("payments", "blue") == second
        assert registry.rollback("payments", alias="blue").version == first

    @pytest.mark.parametrize("step", ["promote", "rollback"])
    def test_a_broken_version_never_becomes_champion(self, registry, root, versions, step):
        first, second = (registry.add("payments", artifact) for artifact in versions[:2])
        broken = second
        if step == "rollback":
            registry.promote("payments")
            broken = first
        champion = registry.resolve("payments")
        (root / "payments" / "versions" / broken / "golden.parquet").write_bytes(b"")
        with pytest.raises(ArtifactError, match=r"golden\.parquet"):
            getattr(registry, step)("payments")
        assert registry.resolve("payments") == champion

    def test_the_history_is_bounded(self, registry, versions):
        first, second = (registry.add("payments", artifact) for artifact in versions[:2])
        for turn in range(MAX_PREVIOUS + 5):
            registry.promote("payments", (second, first)[turn % 2])
        assert len(registry.entry("payments").aliases["champion"].previous) == MAX_PREVIOUS

    def test_one_alias_too_many_is_refused_before_anything_is_added(self, registry, root, versions):
        record = {"version": registry.add("payments", versions[0]), "since": "2026-01-01T00:00:00Z"}
        aliases = {f"alias-{number}": record for number in range(MAX_ALIASES)}
        document = {"schema_version": 1, "aliases": aliases}
        (root / "payments" / "aliases.json").write_text(json.dumps(document))
        before = contents(root)
        for change in (
            lambda: registry.promote("payments", "alias-0"),
            lambda: registry.add("payments", versions[1]),
        ):
            with pytest.raises(RegistryError, match="at most 64 aliases, got 'champion'"):
                change()
        assert contents(root) == before


class TestWritable:
    def test_trying_leaves_nothing_behind(self, registry, root, versions):
        registry.require_writable("payments")
        assert not root.exists() or contents(root) == {}
        registry.add("payments", versions[0])
        before = contents(root)
        registry.require_writable("payments")
        assert contents(root) == before

    def test_a_registry_that_is_a_file(self, registry, root):
        root.write_text("something else")
        with pytest.raises(RegistryError, match="got"):
            registry.require_writable("payments")


class TestLocations:
    def test_a_file_uri_is_a_folder(self, root, versions):
        version = Registry.open(root.as_uri()).add("payments", versions[0])
        assert Registry.open(root).resolve("payments") == version
        assert (root / "payments" / "lock").exists()

    @pytest.mark.parametrize("location", ["", "a\0b", "nowhere://bucket/prefix"])
    def test_no_location(self, location):
        with pytest.raises(RegistryError, match="a registry must be"):
            Registry.open(location)

    def test_a_location_keeps_what_says_where_the_bucket_is_and_no_keys(self):
        place = "region=eu-west-1&scheme=http&endpoint_override=localhost:1"
        registry = Registry.open(f"s3://key:secret@bucket/models?{place}")
        assert registry.location == f"s3://bucket/models?{place}"

    def test_keys_of_a_uri_are_not_shown(self):
        with pytest.raises(RegistryError) as refused:
            Registry.open("nowhere://key:secret@bucket/prefix?token=secret")
        assert "secret" not in str(refused.value)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def with_other_golden_scores(artifact: Path) -> Path:
    """The artifact, its golden scores doubled, and hashes and version made right again."""
    golden = artifact / "golden.parquet"
    rows = pq.read_table(golden)
    doubled = pa.array(2 * rows["anomaly_score"].to_numpy())
    pq.write_table(rows.set_column(rows.num_columns - 1, "anomaly_score", doubled), golden)
    document = json.loads((artifact / "manifest.json").read_text())
    content = golden.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    document["files"]["golden.parquet"] = {"size_bytes": len(content), "sha256": sha256}
    document["version"] = content_version(Manifest.model_validate_json(json.dumps(document)))
    (artifact / "manifest.json").write_text(json.dumps(document))
    return artifact
