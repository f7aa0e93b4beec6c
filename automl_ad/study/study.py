"""A study while it is searched: the locked folder, which is the truth, and the Optuna index beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from automl_ad.config import SearchConfig
from automl_ad.errors import StudyError
from automl_ad.results import Arrays, TrialResult
from automl_ad.space import SearchSpace
from automl_ad.study.folder import StudyFolder
from automl_ad.study.index import Attribute, IndexedTrial, TrialIndex
from automl_ad.study.lock import LOCK_FILE, FolderLock
from automl_ad.study.record import RECORD_FILE, StudyRecord, new_record, read_record, resumed, write_record
from automl_ad.study.storage import open_database, open_journal

JOURNAL_FILE = "journal.log"
MAX_INTERRUPTIONS = 5
"""More often than anyone stops a study by hand in the middle of the same trial."""


class Study(StudyFolder):
    """A study folder that this process searches in. Use it in a `with` block."""

    def __init__(self, path: Path, record: StudyRecord, index: TrialIndex) -> None:
        super().__init__(path, record)
        self.index = index
        self._resources = ExitStack()

    @classmethod
    def create(
        cls,
        path: Path,
        config: SearchConfig,
        *,
        fingerprint: str,
        space: SearchSpace,
        group_column: str | None = None,
        documents: Mapping[str, Mapping[str, Any]] | None = None,
        arrays: Mapping[str, Arrays] | None = None,
        storage_url: str | None = None,
    ) -> Self:
        """A new study in a new or empty folder.

        Documents and arrays are written before `study.json`: a folder with a record is complete.
        """
        documents, arrays = documents or {}, arrays or {}
        own = {
            LOCK_FILE,
            *(f"{name}.json" for name in documents),
            *(f"{name}.safetensors" for name in arrays),
        }
        _refuse_used(path, own)
        path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as resources:
            resources.enter_context(FolderLock(path))
            _refuse_used(path, own)
            record = new_record(path, config, fingerprint=fingerprint, space=space, group_column=group_column)
            folder = StudyFolder(path, record)
            for name, document in documents.items():
                folder.write_document(name, document)
            for name, named_arrays in arrays.items():
                folder.write_arrays(name, named_arrays)
            write_record(path, record)
            return cls._opened(path, record, space, storage_url, resources)

    @classmethod
    def resume(
        cls,
        path: Path,
        config: SearchConfig,
        *,
        fingerprint: str,
        space: SearchSpace,
        group_column: str | None = None,
        storage_url: str | None = None,
    ) -> Self:
        """The study in the folder, to go on with. StudyError names what differs from how it was begun."""
        record = resumed(
            read_record(path), config, fingerprint=fingerprint, space=space, group_column=group_column
        )
        with ExitStack() as resources:
            resources.enter_context(FolderLock(path))
            write_record(path, record)
            return cls._opened(path, record, space, storage_url, resources)

    @classmethod
    def _opened(
        cls,
        path: Path,
        record: StudyRecord,
        space: SearchSpace,
        storage_url: str | None,
        resources: ExitStack,
    ) -> Self:
        storage = open_database(storage_url) if storage_url else open_journal(path / JOURNAL_FILE)
        index = TrialIndex(storage, record.name, space)
        resources.callback(index.close)
        study = cls(path, record, index)
        study.reconcile()
        study._resources = resources.pop_all()
        return study

    def trials(self) -> list[IndexedTrial]:
        """The trials that count: unfinished ones, and finished ones that left a result worth something.

        Not among them: interrupted trials, and those stopped before their first checkpoint.
        """
        kept = set(self.store.numbers())
        return [trial for trial in self.index.trials() if trial.is_unfinished or _counts(trial, kept)]

    def tell(self, result: TrialResult, attributes: Mapping[str, Attribute] | None = None) -> None:
        """Enter a kept result into the index, and keep the weights within `keep_bytes`."""
        self.index.tell(result, attributes)
        if self.store.weights_bytes() > self.record.config.keep_bytes:
            self.store.shrink_weights(self.record.config.keep_bytes, self._worst_first())

    def reconcile(self) -> None:
        """Make the index agree with the folder: nothing finished is lost, nothing finished runs again."""
        self.store.remove_leftovers()
        for number in self.store.numbers():
            while number > self.index.n_trials:
                self.index.add_gap()
            if number == self.index.n_trials:
                self.index.add(self.store.read(number))
        for trial in self.index.trials():
            if trial.is_unfinished and self.store.has(trial.number):
                self.index.tell(self.store.read(trial.number))
            elif trial.is_running:
                self._settle(trial)

    def _settle(self, trial: IndexedTrial) -> None:
        """Have an interrupted trial run again, unless it may be what ends the process again and again."""
        n_before = sum(t.was_interrupted and t.config == trial.config for t in self.index.trials())
        if n_before + 1 < MAX_INTERRUPTIONS:
            self.index.interrupt(trial)
            return
        result = TrialResult(
            trial=trial.number,
            config=trial.config,
            seed=self.record.config.seed + trial.number,
            state="failed",
            reason=f"interrupted {MAX_INTERRUPTIONS} times; it may be what ends the process",
        )
        self.store.write(result)
        self.index.tell(result)

    def close(self) -> None:
        """Settle trials that were killed while running, and free the folder."""
        with self._resources:
            self.reconcile()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _worst_first(self) -> list[int]:
        """Trials that may lose their weights, lowest objective first; never baselines, which anchor."""
        expendable = [trial for trial in self.index.trials() if trial.config.origin != "baseline"]
        expendable.sort(key=lambda trial: (trial.objective, -trial.number))
        return [trial.number for trial in expendable if not trial.is_unfinished]


def _counts(trial: IndexedTrial, kept: Collection[int]) -> bool:
    is_empty_stop = trial.frozen.user_attrs.get("state") == "stopped" and not trial.has_candidates
    return trial.number in kept and not is_empty_stop


def _refuse_used(path: Path, own: Collection[str]) -> None:
    """StudyError unless the folder is missing, empty, or left by a creation that was killed."""
    if path.is_dir():
        names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".tmp-")}
        if RECORD_FILE in names:
            raise StudyError(
                f"a new study needs a folder of its own, got {path} with a study in it",
                "give --resume to go on with it, or another --output",
            )
        if not names - set(own):
            return
    elif not path.exists():
        return
    raise StudyError(
        f"a new study needs a new or empty folder, got {path}, which holds something else",
        "give another --output",
    )
