"""Models of a registry: champions followed while requests run, other versions loaded when asked for.

A new champion is loaded beside the old one, must score its golden rows, and takes its place in one step:
calls that began with the old one end with it. One that cannot be loaded never serves; the old one goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, TypeVar

from automl_ad.artifact.registry import CHAMPION, UnknownName
from automl_ad.errors import ArtifactError, AutomlADError, ConfigError
from automl_ad.rpc.errors import BrokenModel, UnknownModel
from automl_ad.rpc.models import ServedModel, the_name
from automl_ad.rpc.models.loaded_models import LoadedModels
from automl_ad.rpc.options import ModelSource

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.artifact.registry import Registry, RegistryEntry
    from automl_ad.rpc.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


Result = TypeVar("Result")
RETRY_S = 30.0
"""How long a version that could not be loaded is not tried again: loading takes the one thread that reads."""
READ_TIMEOUT_S = 60.0
"""Of a look into the registry; a storage that hangs is told of in the log."""


class LiveModels:
    """Belongs to one event loop; what reads files runs on a thread of its own, one model at a time."""

    def __init__(self, registry: Registry, source: ModelSource, metrics: Metrics) -> None:
        self._registry = registry
        self._source = source
        self._metrics = metrics
        self._entries: Mapping[str, RegistryEntry] = {}
        self._serving: dict[str, str] = {}
        """Name -> the version that answers those who name none."""
        self._rejected: set[tuple[str, str]] = set()
        """Champions that are broken; not tried again until the champion changes."""
        self._broken_until: dict[tuple[str, str], float] = {}
        """Versions that could not be loaded -> when the next call may try again."""
        self._described: dict[tuple[str, str], ServedModel] = {}
        self._loaded = LoadedModels(source.max_loaded, on_evicted=metrics.model_evicted)
        self._loading: dict[tuple[str, str], asyncio.Task[Scorer]] = {}
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="registry")
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the registry, load as many champions as fit, and watch it from now on.

        A champion that is broken gives way to the one before it. Raises ConfigError when nothing can be
        served, and what the registry raises.
        """
        self._entries = await self._in_thread(self._read)
        for position, name in enumerate(self._entries):
            await self._choose(name, is_loaded_now=position < self._source.max_loaded)
        if not self._serving:
            raise ConfigError(
                f"{self._registry.location}: a registry must have a champion that can be loaded, got none of "
                f"{len(self._entries)} models",
                "add one with `automl-ad registry add NAME ARTIFACT`; the log says what is broken",
            )
        self._watch = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Watch no more, and load nothing more."""
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        self._reader.shutdown(wait=False, cancel_futures=True)

    def find(self, name: str, version: str) -> Scorer | None:
        """The model if it is in memory. Raises UnknownModel for a name that is not served."""
        name = the_name(name, self._entries)
        return self._loaded.get(name, self._version_of(name, version))

    async def load(self, name: str, version: str) -> Scorer:
        """The model; callers who ask for the same one wait for the same loading."""
        name = the_name(name, self._entries)
        version = self._version_of(name, version)
        broken = BrokenModel(
            f"model {name!r} cannot be loaded in version {version!r}", "its server's log says why"
        )
        if monotonic() < self._broken_until.get((name, version), 0.0):
            raise broken
        try:
            return await self._load_once(name, version)
        except AutomlADError as error:
            self._broken_until[name, version] = monotonic() + RETRY_S
            raise broken from error

    async def served(self, may_use: Callable[[str], bool]) -> Sequence[ServedModel]:
        """Champions of the models one may use; what is known of them stays when they leave the memory."""
        return [
            described
            for name in sorted(filter(may_use, self._serving))
            if (described := await self._describe(name, self._serving[name])) is not None
        ]

    def aliases(self, scorer: Scorer) -> Sequence[str]:
        """Names of this version in the registry."""
        entry = self._entries.get(scorer.name)
        aliases = {} if entry is None else entry.aliases
        return sorted(alias for alias, record in aliases.items() if record.version == scorer.version)

    def _version_of(self, name: str, reference: str) -> str:
        """The version that a request means. Raises UnknownModel."""
        if reference in ("", CHAMPION):
            if name not in self._serving:
                raise UnknownModel(f"model {name!r} has no champion that can be served", "name a version")
            return self._serving[name]
        entry = self._entries[name]
        if reference in entry.aliases:
            return entry.aliases[reference].version
        if any(record.version == reference for record in entry.versions):
            return reference
        raise UnknownModel(f"model {name!r} has no version or alias {reference!r}")

    async def _describe(self, name: str, version: str) -> ServedModel | None:
        """What the champion expects; None while it cannot be loaded."""
        if (name, version) not in self._described:
            with contextlib.suppress(BrokenModel, UnknownModel):
                scorer = self.find(name, version) or await self.load(name, version)
                self._described[name, version] = ServedModel(name, version, scorer.schema)
        return self._described.get((name, version))

    async def _load_once(self, name: str, version: str) -> Scorer:
        """The version; all who want it at the same time wait for one loading."""
        loading = self._loading.get((name, version))
        if loading is None:
            loading = asyncio.create_task(self._bring(name, version))
            self._loading[name, version] = loading
            loading.add_done_callback(lambda _done: self._loading.pop((name, version), None))
        return await asyncio.shield(loading)

    async def _bring(self, name: str, version: str) -> Scorer:
        """The version from the registry, checked and in memory."""
        started = perf_counter()
        load = partial(self._registry.load, name, version, device=self._source.device)
        try:
            scorer: Scorer = await self._in_thread(load)
        except AutomlADError as error:
            log.error("model %s, version %s cannot be loaded: %s", name, version, error)
            raise
        self._loaded.put(scorer, keep=self._is_serving)
        self._metrics.model_loaded(name, version, perf_counter() - started, scorer.panel_percentiles)
        return scorer

    def _is_serving(self, scorer: Scorer) -> bool:
        return self._serving.get(scorer.name) == scorer.version

    async def _choose(self, name: str, *, is_loaded_now: bool) -> None:
        """Serve the champion, or the last one before it that can be loaded."""
        champion = self._entries[name].aliases.get(CHAMPION)
        if champion is None:
            return
        if not is_loaded_now:
            self._serving[name] = champion.version  # when it is first asked for
            return
        for version in (champion.version, *reversed(champion.previous)):
            if await self._takes(name, version):
                self._serving[name] = version
                return

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._source.poll_s)
            try:
                entries = await asyncio.wait_for(self._in_thread(self._read), READ_TIMEOUT_S)
            except (AutomlADError, OSError) as error:  # a TimeoutError too
                log.warning("the registry cannot be read, what is served stays: %s", error or "no answer")
            except Exception:  # nobody awaits this task: its end would go unnoticed
                log.exception("reading the registry failed, what is served stays")
            else:
                await self._adopt(entries)

    async def _adopt(self, entries: Mapping[str, RegistryEntry]) -> None:
        """Follow the registry: new champions take over, models that are gone are served no more."""
        self._entries = entries
        for name in [name for name in self._serving if name not in entries]:
            del self._serving[name]
            self._loaded.drop(name)
            log.warning("model %s has left the registry and is served no more", name)
        for name, entry in entries.items():
            champion = entry.aliases.get(CHAMPION)
            if champion is None:
                continue
            self._rejected = {
                (other, version)
                for other, version in self._rejected
                if other != name or version == champion.version
            }
            if champion.version != self._serving.get(name):
                await self._swap(name, champion.version)

    async def _swap(self, name: str, version: str) -> None:
        if (name, version) in self._rejected:
            return
        if not await self._takes(name, version):
            log.error("model %s stays at version %s", name, self._serving.get(name))
            return
        before, self._serving[name] = self._serving.get(name), version
        self._metrics.swap(name, version, "swapped")
        log.info("model %s: version %s takes over from %s", name, version, before)

    async def _takes(self, name: str, version: str) -> bool:
        """Whether the version is in memory. A broken one is rejected; else the next poll tries again."""
        try:
            if self._loaded.get(name, version) is None:
                await self._load_once(name, version)
        except ArtifactError:
            self._rejected.add((name, version))
            self._metrics.swap(name, version, "rejected")
            return False
        except AutomlADError:  # the registry, not the version: `_bring` has logged it
            return False
        except Exception:  # other models must not suffer for this one
            log.exception("model %s, version %s could not be loaded", name, version)
            return False
        return True

    def _read(self) -> Mapping[str, RegistryEntry]:
        """What the registry holds of the models that may be served, by name."""
        entries = {}
        for name in sorted(self._registry.names()):
            if self._source.names and name not in self._source.names:
                continue
            try:
                entries[name] = self._registry.entry(name)
            except UnknownName:
                continue  # it left while we read
            except AutomlADError as error:  # the others must not suffer for one
                log.error("model %s cannot be read, it stays as it is: %s", name, error)
                if name in self._entries:
                    entries[name] = self._entries[name]
        return entries

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)
