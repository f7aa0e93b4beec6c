"""Paths on any pyarrow filesystem that match a pattern, as a shell would match it."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import pyarrow.fs as pafs

WILDCARDS = "*?["


def has_wildcard(text: str) -> bool:
    """Whether the text is a pattern."""
    return any(character in text for character in WILDCARDS)


def fixed_folder(pattern: str) -> str:
    """The folder above the first part with a wildcard.

    >>> fixed_folder("/data/2026-*/part.parquet")
    '/data'
    """
    parts = PurePosixPath(pattern).parts
    n_fixed = next(place for place, part in enumerate(parts) if has_wildcard(part))
    return str(PurePosixPath(*parts[:n_fixed])) if n_fixed else ""


def paths_matching(filesystem: Any, pattern: str) -> list[str]:
    """Files that match, sorted. `*` stays within a folder, `**` stands for any number of folders."""
    parts = PurePosixPath(pattern).parts
    below = paths_below(filesystem, fixed_folder(pattern))
    return [path for path in below if _matches(PurePosixPath(path).parts, parts)]


def paths_below(filesystem: Any, folder: str) -> list[str]:
    """All files below the folder, sorted."""
    selector = pafs.FileSelector(folder, recursive=True, allow_not_found=True)
    return sorted(info.path for info in filesystem.get_file_info(selector) if info.is_file)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
