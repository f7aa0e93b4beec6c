"""Champions that change while they are asked for, versions on demand, and what is broken never serves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from automl_ad.artifact.registry import RegistryError
from automl_ad.errors import ArtifactError, ConfigError
from automl_ad.rpc.errors import BrokenModel, UnknownModel
from automl_ad.rpc.models.live_models import LiveModels
from automl_ad.rpc.options import ModelSource
from automl_ad.rpc.telemetry.metrics import Metrics

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Loaded:
    panel_percentiles = np.array([50.0, 100.0])
    schema = "what a row must look like"

    def __init__(self, name: str, version: str) -> None:
        self.name, self.version = name, version


class FakeRegistry:
    """Models in memory; versions called `broken...` cannot be loaded, `unreachable` ones not at present."""

    location = "there"

    def __init__(self, **versions: list[str]) -> None:
        self.models = {
            name: {"versions": list(held), "champion": held[-1], "previous": ()}
            for name, held in versions.items()
        }
        self.loads: list[tuple[str, str]] = []
        self.may_load = threading.Event()
        self.may_load.set()
        self.is_down = False
        self.damaged: set[str] = set()
        self.unreachable: set[str] = set()

    def promote(self, name: str, version: str) -> None:
        model = self.models[name]
        model["previous"] = (*model["previous"], model["champion"])
        model["champion"] = version
        if version not in model["versions"]:
            model["versions"].append(version)

    def names(self) -> list[str]:
        if self.is_down:
            raise ArtifactError("the bucket does not answer")
        return sorted(self.models)

    def entry(self, name: str) -> Any:
        if name in self.damaged:
            raise ArtifactError("aliases.json must be JSON")
        model = self.models[name]
        champion = SimpleNamespace(version=model["champion"], since=NOW, previous=model["previous"])
        canary = SimpleNamespace(version=model["versions"][-1], since=NOW, previous=())
        versions = tuple(SimpleNamespace(version=version, registered=NOW) for version in model["versions"])
        aliases = {"canary": canary} | ({"champion": champion} if champion.version else {})
        return SimpleNamespace(name=name, versions=versions, aliases=aliases)

    def load(self, name: str, version: str, *, device: str) -> Any:
        self.loads.append((name, version))
        assert self.may_load.wait(10)
        if version in self.unreachable:
            raise RegistryError("there: must be usable, got: timeout")
        if version.startswith("broken"):
            raise ArtifactError("golden rows must score as they did at export")
        return Loaded(name, version)


def serving(registry: FakeRegistry, scenario: Callable[[LiveModels], Any], **source: Any) -> Any:
    """What the scenario returns, run beside models that watch the registry a hundred times a second."""

    async def run() -> Any:
        models = LiveModels(registry, ModelSource(registry="there", poll_s=0.01, **source), Metrics())
        await models.start()
        try:
            return await asyncio.wait_for(scenario(models), 20)
        finally:
            await models.stop()

    return asyncio.run(run())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.005)


def test_the_champion_answers_those_who_name_no_version():
    async def scenario(models: LiveModels) -> None:
        assert models.find("a", "").version == "2"
        assert models.find("a", "champion") is models.find("a", "2")
        assert models.find("", "").name == "a"

    serving(FakeRegistry(a=["1", "2"]), scenario)


def test_another_version_is_loaded_when_asked_for_once_for_all_who_ask():
    registry = FakeRegistry(a=["1", "2"])

    async def scenario(models: LiveModels) -> None:
        assert models.find("a", "1") is None
        loaded = await asyncio.gather(*(models.load("a", "1") for _ in range(20)))
        assert {id(scorer) for scorer in loaded} == {id(models.find("a", "1"))}

    serving(registry, scenario)
    assert registry.loads == [("a", "2"), ("a", "1")]


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("b", "", "no model is called 'b'"),
        ("a", "9", "model 'a' has no version or alias '9'"),
        ("a", "../a", "model 'a' has no version or alias '../a'"),
    ],
)
def test_what_the_registry_does_not_hold_is_unknown_and_never_read(name, version, said):
    registry = FakeRegistry(a=["1"])

    async def scenario(models: LiveModels) -> None:
        with pytest.raises(UnknownModel, match=said):
            models.find(name, version)
        with pytest.raises(UnknownModel, match=said):
            await models.load(name, version)

    serving(registry, scenario)
    assert registry.loads == [("a", "1")]


def test_a_new_champion_takes_over_while_the_old_one_answers():
    registry = FakeRegistry(a=["1"])

    async def scenario(models: LiveModels) -> None:
        old = models.find("a", "")
        registry.may_load.clear()
        registry.promote("a", "2")
        await until(lambda: ("a", "2") in registry.loads)
        assert models.find("a", "") is old  # while the new one is being loaded
        registry.may_load.set()
        await until(lambda: models.find("a", "").version == "2")
        assert models.find("a", "1") is old

    serving(registry, scenario)


def test_a_champion_that_is_broken_never_serves_and_is_tried_once():
    registry = FakeRegistry(a=["1"])

    async def scenario(models: LiveModels) -> None:
        registry.promote("a", "broken")
        await until(lambda: ("a", "broken") in registry.loads)
        await asyncio.sleep(0.1)
        assert models.find("a", "").version == "1"
        registry.promote("a", "3")
        await until(lambda: models.find("a", "").version == "3")

    serving(registry, scenario)
    assert registry.loads == [("a", "1"), ("a", "broken"), ("a", "3")]


def test_a_champion_that_could_not_be_reached_is_tried_again():
    registry = FakeRegistry(a=["1"])

    async def scenario(models: LiveModels) -> None:
        registry.unreachable.add("2")
        registry.promote("a", "2")
        await until(lambda: registry.loads.count(("a", "2")) > 1)
        assert models.find("a", "").version == "1"
        registry.unreachable.clear()
        await until(lambda: models.find("a", "").version == "2")

    serving(registry, scenario)


def test_a_champion_that_was_rejected_is_tried_again_when_it_is_promoted_anew():
    registry = FakeRegistry(a=["1"])

    async def scenario(models: LiveModels) -> None:
        registry.promote("a", "broken")
        await until(lambda: ("a", "broken") in registry.loads)
        registry.promote("a", "1")
        await asyncio.sleep(0.1)
        registry.promote("a", "broken")
        await until(lambda: registry.loads.count(("a", "broken")) == 2)

    serving(registry, scenario)


def test_a_bug_with_one_model_does_not_keep_others_from_swapping():
    registry = FakeRegistry(a=["1"], b=["1"])

    async def scenario(models: LiveModels) -> None:
        load = registry.load

        def explode(name: str, version: str, *, device: str) -> Any:
            if name == "a":
                raise MemoryError
            return load(name, version, device=device)

        registry.load = explode
        registry.promote("a", "2")
        registry.promote("b", "2")
        await until(lambda: models.find("b", "").version == "2")
        assert models.find("a", "").version == "1"

    serving(registry, scenario)


def test_at_start_a_broken_champion_gives_way_to_the_one_before_it():
    registry = FakeRegistry(a=["1"])
    registry.promote("a", "2")
    registry.promote("a", "broken")

    async def scenario(models: LiveModels) -> None:
        assert models.find("a", "").version == "2"

    serving(registry, scenario)


def test_without_any_model_that_can_be_served_there_is_no_start():
    async def never(models: LiveModels) -> None:
        raise AssertionError

    with pytest.raises(ConfigError, match="there: a registry must have a champion that can be loaded"):
        serving(FakeRegistry(a=["broken"]), never)


def test_a_broken_version_that_is_asked_for_is_an_error_without_its_path():
    async def scenario(models: LiveModels) -> None:
        with pytest.raises(BrokenModel, match="model 'a' cannot be loaded in version 'broken'") as refused:
            await models.load("a", "broken")
        assert "golden" not in str(refused.value)
        with pytest.raises(BrokenModel):
            await models.load("a", "broken")
        assert registry.loads.count(("a", "broken")) == 1  # asked again, it is not read again at once

    registry = FakeRegistry(a=["broken", "1"])
    serving(registry, scenario)


def test_the_version_unused_for_longest_makes_room_and_champions_stay():
    registry = FakeRegistry(a=["1", "2", "3", "4"])

    async def scenario(models: LiveModels) -> None:
        await models.load("a", "1")
        await models.load("a", "2")
        assert models.find("a", "1") is not None  # used again: "2" is now unused for longest
        await models.load("a", "3")
        held = [version for version in "1234" if models.find("a", version) is not None]
        assert held == ["1", "3", "4"]

    serving(registry, scenario, max_loaded=3)


def test_more_models_than_fit_are_served_in_turn():
    registry = FakeRegistry(a=["1"], b=["1"], c=["1"])

    async def scenario(models: LiveModels) -> None:
        for _ in range(3):
            assert [model.name for model in await models.served(lambda _name: True)] == ["a", "b", "c"]
        assert len(registry.loads) == 3  # once each: a list must not push models out of memory
        for name in "abcabc":
            scorer = models.find(name, "") or await models.load(name, "")
            assert scorer.name == name

    serving(registry, scenario, max_loaded=2)


def test_only_the_named_models_are_served():
    async def scenario(models: LiveModels) -> None:
        assert [scorer.name for scorer in await models.served(lambda _name: True)] == ["b"]
        assert await models.served(lambda name: name == "a") == []
        with pytest.raises(UnknownModel):
            models.find("a", "")

    serving(FakeRegistry(a=["1"], b=["1"]), scenario, names=("b",))


def test_a_registry_that_does_not_answer_changes_nothing_and_is_asked_again():
    registry = FakeRegistry(a=["1"])

    async def scenario(models: LiveModels) -> None:
        registry.is_down = True
        registry.promote("a", "2")
        await asyncio.sleep(0.1)
        assert models.find("a", "").version == "1"
        registry.is_down = False
        await until(lambda: models.find("a", "").version == "2")

    serving(registry, scenario)


def test_a_model_whose_aliases_are_damaged_stays_as_it_is_and_others_go_on():
    registry = FakeRegistry(a=["1"], b=["1"])

    async def scenario(models: LiveModels) -> None:
        registry.damaged.add("a")
        registry.promote("a", "2")
        registry.promote("b", "2")
        await until(lambda: models.find("b", "").version == "2")
        assert models.find("a", "").version == "1"

    serving(registry, scenario)


def test_a_model_that_left_the_registry_is_served_no_more():
    registry = FakeRegistry(a=["1"], b=["1"])

    async def scenario(models: LiveModels) -> None:
        del registry.models["b"]
        await until(lambda: "b" not in models._serving)
        with pytest.raises(UnknownModel):
            models.find("b", "")
        assert [scorer.name for scorer in await models.served(lambda _name: True)] == ["a"]

    serving(registry, scenario)


def test_a_version_knows_its_aliases():
    async def scenario(models: LiveModels) -> None:
        assert models.aliases(models.find("a", "")) == ["canary", "champion"]

    serving(FakeRegistry(a=["1"]), scenario)
