"""What pyarrow or the system raises while reading becomes a DataError that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from automl_ad.errors import DataError


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Around everything that reads `name`; our own errors pass as they are."""
    try:
        yield
    except PermissionError as error:
        raise DataError(
            f"{name} must be readable, got: permission denied", "give this user read permission"
        ) from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{name} must be readable, got: {reason}", "check that the file is complete and not damaged"
        ) from error
