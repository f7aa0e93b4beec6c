"""From what a user calls a registry (a folder, s3://bucket/prefix) to its storage."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from automl_ad.artifact.registry.errors import RegistryError
from automl_ad.artifact.registry.local import LocalStorage
from automl_ad.artifact.registry.objects import ObjectStorage
from automl_ad.artifact.registry.storage import Storage

_PLACES = {"region", "scheme", "endpoint_override"}
"""Options of pyarrow's URIs that say where a bucket is."""


def storage_of(location: str | Path) -> Storage:
    """The storage at a folder or a URI that pyarrow.fs knows; nothing is read yet. Raises RegistryError."""
    text = str(location)
    if not text or "\0" in text:
        raise RegistryError(f"a registry must be a folder or a URI, got {text!r}", "name a folder")
    if "://" not in text:
        return LocalStorage(Path(text).absolute())
    try:
        filesystem, path = pafs.FileSystem.from_uri(text)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).replace(text, _shown(text))
        raise RegistryError(
            f"a registry must be a folder or a URI such as s3://bucket/prefix, got {_shown(text)}: {reason}",
            "check the address",
        ) from error
    if isinstance(filesystem, pafs.LocalFileSystem):
        return LocalStorage(Path(path))
    return ObjectStorage(filesystem, path, shown=_shown(text), options=_options(text))


def _shown(uri: str) -> str:
    """The URI as it may be printed: no keys (s3://KEY:SECRET@bucket), no options.

    >>> _shown("s3://key:secret@bucket/models?region=eu-west-1")
    's3://bucket/models'
    """
    scheme, _, rest = uri.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _options(uri: str) -> str:
    """Those options of the URI that may be printed: where the bucket is, nothing that could be a secret.

    >>> _options("s3://key:secret@bucket/models?region=eu-west-1&token=secret")
    '?region=eu-west-1'
    """
    given = uri.partition("?")[2].split("&")
    kept = "&".join(option for option in given if option.partition("=")[0] in _PLACES)
    return f"?{kept}" if kept else ""
