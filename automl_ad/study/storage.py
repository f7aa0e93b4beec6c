"""Optuna's storages: the journal in the study folder, or a database by URL."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from automl_ad.errors import StudyError


def open_journal(path: Path) -> BaseStorage:
    """The storage in the journal file, made when missing. Only for the holder of the folder's lock."""
    _repair_after_kill(path)
    try:
        return JournalStorage(JournalFileBackend(str(path)))
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


def open_database(url: str) -> BaseStorage:
    """The storage in a database. StudyError names it, without its password."""
    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError as error:
        raise StudyError(f"a storage must be an SQLAlchemy URL, got {error}") from error
    try:
        return optuna.storages.get_storage(url)
    except (OptunaError, SQLAlchemyError, ImportError) as error:
        raise StudyError(
            f"the database of the study must be reachable, got {type(error).__name__} for {shown}",
            "check the URL, the database, and that its driver is installed",
        ) from error
