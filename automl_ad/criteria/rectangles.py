"""Random rectangles of whole pixels inside an image: what CutPaste and CutMix cut.

Shapes: P rectangles. `shape` is (height, width) of the image, in pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Shape = tuple[int, ...]
Window = tuple[slice, slice, slice]
"""All channels, lines and columns of one rectangle: an index of (C, H, W)."""


def random_sizes(
    shape: Shape, area: tuple[float, float], n_rows: int, rng: np.random.Generator
) -> Int64Array:
    """[P, 2] heights and widths that cover such a share of the image, all equally likely.

    1 x 1 in images so small that none does: one pixel of 2 x 2 is a quarter.
    """
    height, width = shape
    share_HW = np.outer(np.arange(1, height + 1), np.arange(1, width + 1)) / (height * width)
    choices_R2 = 1 + np.argwhere((share_HW >= area[0]) & (share_HW <= area[1]))
    if not len(choices_R2):
        choices_R2 = np.ones((1, 2), dtype=np.int64)
    sizes_P2: Int64Array = choices_R2[rng.integers(len(choices_R2), size=n_rows)]
    return sizes_P2


def count_places(shape: Shape, sizes_P2: Int64Array) -> Int64Array:
    """[P] how many places each rectangle can have in the image.

    >>> count_places((4, 6), np.array([[4, 6], [1, 1], [3, 4]])).tolist()
    [1, 24, 6]
    """
    places_P: Int64Array = np.prod(np.array(shape) - sizes_P2 + 1, axis=1)
    return places_P


def windows(shape: Shape, sizes_P2: Int64Array, places_P: Int64Array) -> list[Window]:
    """Where each rectangle lies at its place, from 0 on along the lines of the image.

    >>> windows((4, 6), np.array([[3, 4]]), np.array([4]))
    [(slice(None, None, None), slice(1, 4, None), slice(1, 5, None))]
    """
    y_P, x_P = np.divmod(places_P, shape[1] - sizes_P2[:, 1] + 1)
    return [
        (slice(None), slice(y, y + height), slice(x, x + width))
        for y, x, (height, width) in zip(y_P.tolist(), x_P.tolist(), sizes_P2.tolist(), strict=True)
    ]
