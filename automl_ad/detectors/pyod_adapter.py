"""Detectors of PyOD (Zhao et al. 2019) as candidates to compare with: `pyod:<module of pyod.models>`.

They are searched and ranked like our own, and never exported: their state is pickled Python objects, and
loading an artifact executes no code (DESIGN D8). PyOD is an optional extra, imported when first asked for.
Shapes: N rows, D features.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import pkgutil
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from automl_ad.detectors.base import ClosedFormDetector, Detector, ScoreType
from automl_ad.errors import ArtifactError, ConfigError, TrialFailed, did_you_mean, listing
from automl_ad.results import PYOD_PREFIX, Arrays, Value

INSTALL = "install the extra: pip install 'automl-ad[pyod]'"


class PyodDetector(ClosedFormDetector):
    """One PyOD class behind our interface; `pyod_detector` makes the subclass for a name.

    Some of them (ECOD, COPOD, LMDD, SOS) rank a row among those it is scored with: a score then holds for one
    call only, and pseudo-anomalies, scored apart from the panel, say less than they do of our detectors.
    """

    score_types = (ScoreType(name="decision", meaning="PyOD's decision_function"),)
    outside: ClassVar[type[Any]]
    """PyOD's class."""

    def __init__(self, params: Mapping[str, Value], n_features: int, seed: int) -> None:
        self.n_features = n_features
        known = inspect.signature(self.outside).parameters
        given = {name: value for name, value in params.items() if name != "prep"}
        for name in given:
            if name not in known:
                raise TrialFailed(
                    f"{self.name} must be given its own parameters, got {name!r}: {listing(known)}"
                )
        if "random_state" in known:
            given.setdefault("random_state", seed)
        try:
            self._model = self.outside(**given)
        except (ValueError, TypeError) as error:
            raise TrialFailed(f"{self.name} refuses {given}: {error}") from error

    @classmethod
    def build(cls, params: Mapping[str, Value], *, n_features: int, n_members: int, seed: int) -> Self:
        """An unfitted detector; parameters not given take PyOD's defaults. See `Detector.build`."""
        del n_members
        return cls(params, n_features, seed)

    def fit(self, x_ND: npt.NDArray[np.float32], *, seed: int) -> None:
        """Fit PyOD's detector. Whatever it raises makes the trial fail: its code is not ours."""
        del seed
        self._call("fit", x_ND)

    def scores(
        self, x_ND: npt.NDArray[np.float32], types: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[np.float64]]:
        """`decision` -> [1, N]."""
        del types
        decision_N = np.asarray(self._call("decision_function", x_ND), dtype=np.float64)
        return {"decision": decision_N.reshape(1, len(x_ND))}

    def _call(self, method: str, x_ND: npt.NDArray[np.float32]) -> Any:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # stdout belongs to the user's data
                return getattr(self._model, method)(x_ND.astype(np.float64))
        except Exception as error:
            raise TrialFailed(f"{self.name}: {method} failed with {type(error).__name__}: {error}") from error

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """None: PyOD's state is not arrays."""
        return {}

    def load_arrays(self, arrays: Arrays) -> None:
        """Raises ArtifactError: there is nothing to restore."""
        del arrays
        raise ArtifactError(f"{self.name} cannot be restored: PyOD's detectors are compared, never exported")

    @property
    def n_parameters(self) -> int:
        """Not known of PyOD's detectors: 0."""
        return 0


@cache
def pyod_detector(name: str) -> type[Detector]:
    """The detector class for `pyod:<module>`, such as `pyod:ecod` for `pyod.models.ecod`.

    Raises ConfigError when PyOD is not installed, or has no such module, or that one cannot be imported.
    """
    module_name = name.removeprefix(PYOD_PREFIX)
    known = _module_names()
    if not re.fullmatch(r"[a-z0-9_]+", module_name) or module_name not in known:
        raise ConfigError(
            f"a PyOD detector must be named pyod:<module of pyod.models>, got {name!r}",
            did_you_mean(module_name, known),
        )
    try:
        module = importlib.import_module(f"pyod.models.{module_name}")
    except ImportError as error:
        raise ConfigError(f"{name} needs a library that is not installed: {error}", INSTALL) from error
    return type("PyodDetector", (PyodDetector,), {"name": name, "outside": _detector_class(module, name)})


def _module_names() -> list[str]:
    try:
        models = importlib.import_module("pyod.models")
    except ImportError as error:
        raise ConfigError(f"detectors named {PYOD_PREFIX}... need PyOD, got: {error}", INSTALL) from error
    return [module.name for module in pkgutil.iter_modules(models.__path__)]


def _detector_class(module: Any, name: str) -> type[Any]:
    base = importlib.import_module("pyod.models.base").BaseDetector
    own = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    if len(own) != 1:
        found = listing([value.__name__ for value in own]) if own else "none"
        raise ConfigError(f"{name} must name a module with one detector, got {found}")
    return own[0]
