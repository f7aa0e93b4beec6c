"""Step 1: reading, schema, fingerprint, preprocessing. Importing it imports neither torch nor torchvision."""

from automl_ad.data.conversion import columns_with_missing
from automl_ad.data.preprocessing import Preprocessor
from automl_ad.data.reading import MIN_ROWS, iter_batches, read_column_at, read_table
from automl_ad.data.scaling import PREPS, Scaler
from automl_ad.data.schema import DataKind, Dropped, Feature, FeatureKind, Schema
from automl_ad.data.sources import find_files
from automl_ad.data.table import Table, fingerprint

__all__ = [
    "MIN_ROWS",
    "PREPS",
    "DataKind",
    "Dropped",
    "Feature",
    "FeatureKind",
    "Preprocessor",
    "Scaler",
    "Schema",
    "Table",
    "columns_with_missing",
    "find_files",
    "fingerprint",
    "iter_batches",
    "read_column_at",
    "read_table",
]
