"""Search spaces: which detectors and configs a search may try, read from TOML.

Public names: `load_space` for a preset, `load_space_file` for a file of your own.
"""

from automl_ad.space.detector_loading import load_detector, load_space_file
from automl_ad.space.detector_space import DetectorSpace, describe_when
from automl_ad.space.file_format import DataKind, json_schema
from automl_ad.space.known import check_known
from automl_ad.space.loading import load_baselines, load_preset, load_space, validate_file
from automl_ad.space.parameter import Parameter
from automl_ad.space.search_space import Preset, SearchSpace
from automl_ad.space.shipped import detector_names, preset_names

__all__ = [
    "DataKind",
    "DetectorSpace",
    "Parameter",
    "Preset",
    "SearchSpace",
    "check_known",
    "describe_when",
    "detector_names",
    "json_schema",
    "load_baselines",
    "load_detector",
    "load_preset",
    "load_space",
    "load_space_file",
    "preset_names",
    "validate_file",
]
