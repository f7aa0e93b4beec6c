"""The one training loop, and when it stops to be judged."""

from automl_ad.training.loop import FitReport, OnCheckpoint, fit
from automl_ad.training.schedule import checkpoint_epochs, n_epochs, phase_starts

__all__ = ["FitReport", "OnCheckpoint", "checkpoint_epochs", "fit", "n_epochs", "phase_starts"]
