"""Artifacts: what leaves the search, how it is written, checked, loaded, and how it scores rows."""

from automl_ad.artifact.batch import score_sources as score_sources
from automl_ad.artifact.ensemble import PanelECDF as PanelECDF
from automl_ad.artifact.ensemble import combine as combine
from automl_ad.artifact.format import write_artifact as write_artifact
from automl_ad.artifact.group_thresholds import with_groups as with_groups
from automl_ad.artifact.loading import read_manifest as read_manifest
from automl_ad.artifact.manifest import Manifest as Manifest
from automl_ad.artifact.manifest import Threshold as Threshold
from automl_ad.artifact.parts import Part as Part
from automl_ad.artifact.scorer import Rows as Rows
from automl_ad.artifact.scorer import Scorer as Scorer
from automl_ad.artifact.threshold import majority_threshold as majority_threshold
from automl_ad.artifact.threshold import threshold_of as threshold_of
from automl_ad.data.scores_file import BatchReport as BatchReport
