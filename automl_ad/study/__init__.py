"""The study folder: results that survive any kill, and the Optuna index beside them.

`Study` is for the one process that searches, `StudyFolder` for everyone who reads, `TrialStore` for whoever
writes a result.
"""

from automl_ad.study.distributions import to_distribution
from automl_ad.study.folder import StudyFolder
from automl_ad.study.index import IndexedTrial
from automl_ad.study.record import RECORD_FILE, StudyRecord
from automl_ad.study.study import Study
from automl_ad.study.trial_store import TrialStore

__all__ = [
    "RECORD_FILE",
    "IndexedTrial",
    "Study",
    "StudyFolder",
    "StudyRecord",
    "TrialStore",
    "to_distribution",
]
