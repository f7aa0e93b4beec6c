"""What may be called a model, a version or an alias: checked before any path is made of it."""

from __future__ import annotations

import re

from automl_ad.artifact.registry.errors import RegistryError

CHAMPION = "champion"
"""The alias that answers those who name no version."""
CANARY = "canary"
"""The alias of the version that may become champion."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"""As `name` in a manifest; no `..` besides."""
VERSION_PATTERN = r"^[0-9a-f]{16}$"
"""As `version` in a manifest: a hash of the content."""
ALIAS_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"


def is_name(text: str) -> bool:
    r"""Whether a model may be called so.

    >>> is_name("payments"), is_name("../payments"), is_name("a..b"), is_name("payments\n")
    (True, False, False, False)
    """
    return _matches(NAME_PATTERN, text) and ".." not in text


def is_version(text: str) -> bool:
    """Whether it can be the version of an artifact.

    >>> is_version("0123456789abcdef"), is_version("champion")
    (True, False)
    """
    return _matches(VERSION_PATTERN, text)


def is_alias(text: str) -> bool:
    """Whether it can be an alias; what looks like a version cannot.

    >>> is_alias("champion"), is_alias("Champion"), is_alias("abcdefabcdefabcd")
    (True, False, False)
    """
    return _matches(ALIAS_PATTERN, text) and not is_version(text)


def require_name(text: str) -> None:
    """Raise RegistryError unless a model may be called so."""
    if not is_name(text):
        raise RegistryError(
            "the name of a model must be at most 128 letters, digits, '.', '_' and '-', the first a letter "
            f"or digit, without '..', got {_shown(text)}",
            "choose a name such as 'payments'",
        )


def require_alias(text: str) -> None:
    """Raise RegistryError unless it can be an alias."""
    if not is_alias(text):
        raise RegistryError(
            "an alias must be a lower-case word of at most 32 letters, digits, '_' and '-' that is no "
            f"version, got {_shown(text)}",
            f"choose a word such as {CHAMPION!r} or {CANARY!r}",
        )


def _matches(pattern: str, text: str) -> bool:
    """Python's `$` also matches before a last line feed; `fullmatch` does not let one pass."""
    return re.fullmatch(pattern.removeprefix("^").removesuffix("$"), text) is not None


def _shown(text: str) -> str:
    """Short and escaped, so that no name can break a line of a log."""
    return ascii(text[:60])
