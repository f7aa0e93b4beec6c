"""The story of a search: read, prepare, run baselines, search, judge, keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl_ad.config import DataConfig, ExecutorConfig, ExecutorName, SearchConfig
from automl_ad.results import Selection, TrialResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Where a search stands."""

    stage: str
    n_done: int = 0
    n_total: int = 0
    n_failed: int = 0
    best: str = ""
    elapsed_s: float = 0.0
    note: str = ""
