"""Files that are either whole or absent, whatever happens to the process or the machine."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from automl_ad.results import Arrays

UNREADABLE = (OSError, ValueError, SafetensorError)
"""What reading a damaged file raises; pydantic's and json's errors are ValueErrors."""


def replace_file(path: Path, content: bytes) -> None:
    """Write the content beside `path`, force it to disk, and give it the name."""
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}")
    write_file(temporary, content)
    temporary.replace(path)
    sync_folder(path.parent)


def write_file(path: Path, content: bytes) -> None:
    """Write the content and force it to disk; the name is not yet forced, see `sync_folder`."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def json_to_bytes(document: Mapping[str, Any]) -> bytes:
    """Indented, so that people can read it and diff it."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def arrays_to_bytes(arrays: Arrays) -> bytes:
    """The arrays as safetensors, which writes memory as it lies: hence C order first."""
    return safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()})


def arrays_from_bytes(content: bytes) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of a safetensors file."""
    return dict(safetensors.numpy.load(content))
