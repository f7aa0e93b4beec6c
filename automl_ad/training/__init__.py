"""The one training loop, and when it stops to be judged."""

from automl_ad.training.early_stopping import StabilityStop
from automl_ad.training.loop import FitReport, OnCheckpoint, fit
from automl_ad.training.schedule import checkpoint_epochs, n_epochs, phase_starts
from automl_ad.training.split_half import half_fits

__all__ = [
    "FitReport",
    "OnCheckpoint",
    "StabilityStop",
    "checkpoint_epochs",
    "fit",
    "half_fits",
    "n_epochs",
    "phase_starts",
]
