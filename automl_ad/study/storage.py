"""Optuna's storages: the journal in the study folder, or a database by URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from automl_ad.errors import StudyError


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexStorage:
    """An Optuna storage, and how to write to it many records at once."""

    storage: BaseStorage
    batch: Callable[[], AbstractContextManager[None]]


class _BatchingBackend(BaseJournalBackend):
    """The journal file; inside `batch` records are held back and appended together.

    Optuna forces every record to disk: telling a trial took 61 ms one by one, and takes 2 ms at once. A
    trial is then also told wholly or not at all.
    """

    def __init__(self, path: Path) -> None:
        self._file = JournalFileBackend(str(path))
        self._held: list[dict[str, Any]] | None = None

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self._file.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if self._held is None:
            self._file.append_logs(logs)
        else:
            self._held += logs

    @contextmanager
    def batch(self) -> Iterator[None]:
        held: list[dict[str, Any]] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
        self._file.append_logs(held)


def open_journal(path: Path) -> IndexStorage:
    """The storage in the journal file, made when missing. Only for the holder of the folder's lock."""
    _repair_after_kill(path)
    try:
        backend = _BatchingBackend(path)
        return IndexStorage(storage=JournalStorage(backend), batch=backend.batch)
    except ValueError as error:
        raise StudyError(
            f"every line of {path} must be a JSON record, got {error}",
            f"to rebuild it from the trials: rm {path}",
        ) from error


def _repair_after_kill(path: Path) -> None:
    """Drop a half-written last line, and Optuna's lock, which would hold us up for 30 s.

    A dashboard that writes at this moment loses its lock; it writes only when a person edits a note.
    """
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)


def open_database(url: str) -> IndexStorage:
    """The storage in a database. StudyError names it, without its password."""
    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError as error:
        raise StudyError(f"a storage must be an SQLAlchemy URL, got {error}") from error
    try:
        return IndexStorage(storage=optuna.storages.get_storage(url), batch=nullcontext)
    except (OptunaError, SQLAlchemyError, ImportError) as error:
        raise StudyError(
            f"the database of the study must be reachable, got {type(error).__name__} for {shown}",
            "check the URL, the database, and that its driver is installed",
        ) from error
