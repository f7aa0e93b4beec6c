"""Arrays to and from the bytes of a safetensors file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from automl_ad.artifact.manifest import EXPORT_AGAIN
from automl_ad.errors import ArtifactError
from automl_ad.results import Arrays


def to_bytes(arrays: Arrays) -> bytes:
    """The file's content, the same for the same arrays.

    Row-major copies, because `safetensors.numpy.save` (0.8.0) writes a column-major array as it lies in
    memory and reads it back scrambled.
    """
    content: bytes = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    return content


def from_bytes(content: bytes, path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays in the bytes of the file at `path`. Raises ArtifactError."""
    try:
        arrays: dict[str, npt.NDArray[np.generic]] = load(content)
    except (SafetensorError, KeyError, ValueError) as error:  # KeyError: a dtype that numpy does not have
        raise ArtifactError(f"{path}: must be a safetensors file, got: {error}", EXPORT_AGAIN) from error
    return arrays
