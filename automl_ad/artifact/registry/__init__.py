"""Named models in versions, with aliases that say which version is served."""

from automl_ad.artifact.registry.errors import RegistryError as RegistryError
from automl_ad.artifact.registry.errors import UnknownName as UnknownName
from automl_ad.artifact.registry.errors import UnknownVersion as UnknownVersion
from automl_ad.artifact.registry.names import CANARY as CANARY
from automl_ad.artifact.registry.names import CHAMPION as CHAMPION
from automl_ad.artifact.registry.records import AliasRecord as AliasRecord
from automl_ad.artifact.registry.records import RegistryEntry as RegistryEntry
from automl_ad.artifact.registry.records import VersionRecord as VersionRecord
from automl_ad.artifact.registry.registry import Registry as Registry
