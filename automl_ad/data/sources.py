"""From what the user typed (file, folder, glob, URI) to the list of data files, in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote

import pyarrow.fs as pafs

from automl_ad.data.globbing import fixed_folder, has_wildcard, paths_below, paths_matching
from automl_ad.data.guard import reading
from automl_ad.errors import DataError, did_you_mean

FileFormat = Literal["parquet", "csv"]
FORMATS: Mapping[str, FileFormat] = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".csv.gz": "csv"}
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """One file to read. `partition`: the `key=value` folders between the source and the file."""

    filesystem: Any
    path: str
    name: str
    """As a person knows it: the local path, or scheme and path."""
    format: FileFormat
    partition: Mapping[str, str | None] = field(default_factory=dict)


def find_files(sources: Sequence[str]) -> tuple[SourceFile, ...]:
    """Every data file of the sources: sources in the order given, files of a source sorted by path.

    Raises DataError when a source does not exist, matches nothing, is empty or has an unknown extension.
    """
    return tuple(file for source in sources for file in _files_of(source))


def _files_of(source: str) -> list[SourceFile]:
    with reading(source):
        filesystem, path, prefix = _filesystem_of(source)
        kind = filesystem.get_file_info(path).type
        if kind == pafs.FileType.File:
            return [_source_file(filesystem, path, prefix, base=path)]
        if kind == pafs.FileType.Directory:
            return _files_of_folder(filesystem, path, prefix)
        if has_wildcard(path):
            return _files_of_glob(filesystem, path, prefix)
    raise DataError(f"data file {source} must exist, found nothing there", _near_file(filesystem, path))


def _filesystem_of(source: str) -> tuple[Any, str, str]:
    """Filesystem, path on it, and what stands before the path in a message."""
    if "://" not in source:
        return pafs.LocalFileSystem(), str(Path(source).absolute()), ""
    filesystem, path = pafs.FileSystem.from_uri(source)
    scheme = source.split("://")[0]
    return filesystem, path, "" if scheme == "file" else f"{scheme}://"


def _source_file(filesystem: Any, path: str, prefix: str, *, base: str) -> SourceFile:
    """The file with its format. Raises DataError for an unknown extension or a file of 0 bytes."""
    name = prefix + path
    file_format = _format_of(path)
    if file_format is None:
        raise DataError(
            f"the extension of {name} must be one of {', '.join(FORMATS)}, "
            f"got '{PurePosixPath(path).suffix}'",
            "convert the data to parquet or CSV, or rename the file",
        )
    if filesystem.get_file_info(path).size == 0:
        raise DataError(f"{name} must hold data, got an empty file (0 bytes)", "was it written completely?")
    partition = _partition_of(path, base)
    return SourceFile(filesystem=filesystem, path=path, name=name, format=file_format, partition=partition)


def _format_of(path: str) -> FileFormat | None:
    lowered = path.lower()
    return next((kind for extension, kind in FORMATS.items() if lowered.endswith(extension)), None)


def _partition_of(path: str, base: str) -> dict[str, str | None]:
    """The hive partition of a file: folder `y=2020` below the base -> {"y": "2020"}."""
    folders = PurePosixPath(path).parent.parts[len(PurePosixPath(base).parts) :]
    pairs = [folder.split("=", 1) for folder in folders if "=" in folder]
    return {unquote(key): None if value == HIVE_NULL else unquote(value) for key, value in pairs}


def _files_of_folder(filesystem: Any, folder: str, prefix: str) -> list[SourceFile]:
    """All data files below the folder; names that start with `_` or `.` are skipped, as Spark and Hive do."""
    depth = len(PurePosixPath(folder).parts)
    paths = [
        path
        for path in paths_below(filesystem, folder)
        if _format_of(path) and not any(part[0] in "_." for part in PurePosixPath(path).parts[depth:])
    ]
    if not paths:
        raise DataError(
            f"folder {prefix}{folder} must hold data files ({', '.join(FORMATS)}), found none",
            "name the files, or another folder",
        )
    return [_source_file(filesystem, path, prefix, base=folder) for path in paths]


def _files_of_glob(filesystem: Any, pattern: str, prefix: str) -> list[SourceFile]:
    base = fixed_folder(pattern)
    paths = paths_matching(filesystem, pattern)
    if not paths:
        raise DataError(
            f"{prefix}{pattern} must match at least one file, matched nothing",
            f"look into {prefix}{base}, and quote the pattern",
        )
    return [_source_file(filesystem, path, prefix, base=base) for path in paths]


def _near_file(filesystem: Any, path: str) -> str:
    """The near match in the folder of a missing file."""
    folder = str(PurePosixPath(path).parent)
    selector = pafs.FileSelector(folder, allow_not_found=True)
    names = sorted(info.base_name for info in filesystem.get_file_info(selector))
    if not names:
        return f"{folder} does not exist or is empty"
    return f"in {folder}: {did_you_mean(PurePosixPath(path).name, names)}"
