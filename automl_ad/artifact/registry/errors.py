"""What a registry refuses; artifacts that it refuses raise ArtifactError, as everywhere."""

from __future__ import annotations

from automl_ad.errors import ConfigError


class RegistryError(ConfigError):
    """A registry, or what was asked of it, breaks a rule."""


class UnknownName(RegistryError):
    """No model of that name is registered."""


class UnknownVersion(RegistryError):
    """The model has no such version or alias."""
