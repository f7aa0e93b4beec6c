"""Every error a user can meet: a sentence, a way out, and the exit code of the command line."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MAX_COMPARED = 100
"""Letters of an unknown name that are compared with known ones."""


class AutomlADError(Exception):
    """Root of the project's errors.

    `message` names the file, column or parameter, the rule and what was found; `hint` is the way out.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type[AutomlADError], tuple[str, str]]:
        """Survive the trip between processes (Ray pickles what a worker raises)."""
        return type(self), (self.message, self.hint)


class ConfigError(AutomlADError, ValueError):
    """A flag, a setting or a configuration file is wrong."""

    exit_code = 2


class SpaceError(ConfigError):
    """A search-space file breaks a rule."""


class StudyError(ConfigError):
    """A study folder cannot be used as asked: it exists, it is locked, or it belongs to other data."""


class DataError(AutomlADError, ValueError):
    """The data cannot be read or used."""

    exit_code = 3


class RowsError(DataError):
    """Rows handed to a scorer do not fit its schema (gRPC: INVALID_ARGUMENT)."""


class ArtifactError(AutomlADError, ValueError):
    """An artifact is missing, damaged, of an unknown version, or scores its golden rows differently."""

    exit_code = 3


class TrialFailed(AutomlADError, RuntimeError):
    """This configuration is no good on these data: recorded, never retried, and the study goes on."""


class NoTrialSucceeded(AutomlADError, RuntimeError):
    """Every trial failed or was vetoed."""

    exit_code = 4


class BudgetTooSmall(AutomlADError, RuntimeError):
    """The time budget ended before the minimum number of trials."""

    exit_code = 6


class ClusterError(AutomlADError, RuntimeError):
    """The Ray cluster cannot be reached, or is too small for one trial."""

    exit_code = 7


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the nearest known one, else what is known.

    >>> did_you_mean("lable", ["label", "f0"])
    "did you mean 'label'?"
    >>> did_you_mean("zebra", ["knn", "pca"])
    'known: knn, pca'
    """
    names = list(known)
    near = get_close_matches(name[:MAX_COMPARED], names, n=1)  # a name may be a stranger's, and megabytes
    return f"did you mean '{near[0]}'?" if near else f"known: {listing(names)}"


def listing(names: Iterable[str], limit: int = 20) -> str:
    """The names as text, cut after `limit`.

    >>> listing("abc", limit=2)
    'a, b and 1 more'
    """
    all_names = list(names)
    rest = len(all_names) - limit
    text = ", ".join(all_names[:limit]) or "nothing"
    return f"{text} and {rest} more" if rest > 0 else text
