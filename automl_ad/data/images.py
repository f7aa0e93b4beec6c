"""Image columns: PNG or JPEG bytes become pixels. The only module that imports torchvision, on use.

The bytes may come from anybody. Pillow decodes them for torchvision: it checks them as it goes, and says how
large an image is before it makes room for it. torchvision's own decoder (0.29) gives the same pixels, but PNG
data that end early crash its process.

Shapes: N rows, C channels, H x W pixels, D = C * H * W.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.data.conversion import is_binary
from automl_ad.data.png import COLOR_TYPES, encode_png
from automl_ad.data.schema import Feature
from automl_ad.errors import ArtifactError, RowsError

Matrix = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
Shape = tuple[int, int, int]
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
"""How PNG and JPEG files start."""
CHANNELS = {"1": 1, "L": 1, "P": 1, "LA": 2, "RGB": 3, "RGBA": 4}
"""Pillow's name of a pixel format with 8 bits a channel -> its channels. Palettes give their numbers."""
MAX_PIXELS = 2**26
"""Of one image, as its header says: 200 MB as RGB."""
BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, struct.error, zlib.error)
"""What Pillow 13 raises for damaged files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelPlan:
    """The part of an image encoder that is JSON."""

    encoding: Literal["pixels"] = "pixels"
    shape: tuple[int, int, int]
    """(C, H, W)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ImageEncoder:
    """[pixels / 255, flattened from (C, H, W)]."""

    feature: Feature
    plan: PixelPlan

    @classmethod
    def fit(cls, name: str, column: Any) -> ImageEncoder:
        """The first row decides size and channels."""
        _, *shape = decode_images(column.slice(0, 1), name).shape
        n_channels, height, width = shape
        feature = Feature(
            name=name,
            kind="image",
            arrow_type=str(column.type),
            is_nullable=False,
            policy=f"pixels / 255, {n_channels} x {height} x {width}",
        )
        return cls(feature=feature, plan=PixelPlan(shape=(n_channels, height, width)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the encoded features: channel, line, column."""
        return tuple(f"{self.feature.name}[{c},{y},{x}]" for c, y, x in np.ndindex(*self.plan.shape))

    def encode(self, column: Any) -> Matrix:
        """[N, D] in [0, 1]. Raises RowsError naming the row that is no image of the fitted size."""
        pixels_NCHW = decode_images(column, self.feature.name, self.plan.shape)
        return pixels_NCHW.reshape(len(column), -1) / 255.0

    def sample(self, n: int, rng: np.random.Generator) -> pa.Array:
        """Images of pure noise: any average of training images could show what was in them."""
        noise_NCHW = rng.integers(0, 256, size=(n, *self.plan.shape), dtype=np.uint8)
        return pa.array([encode_png(pixels_CHW) for pixels_CHW in noise_NCHW], pa.binary())

    def arrays(self) -> dict[str, Matrix]:
        """Nothing is fitted beside the shape."""
        return {}

    @classmethod
    def from_arrays(
        cls, feature: Feature, plan: PixelPlan, arrays: Mapping[str, npt.NDArray[np.generic]], name: str
    ) -> ImageEncoder:
        """The encoder of that shape. Raises ArtifactError for a shape no image has."""
        del arrays
        if plan.shape[0] not in COLOR_TYPES or min(plan.shape) < 1:
            raise ArtifactError(f"the image shape of '{name}' must be (1 to 4, H, W), got {plan.shape}")
        return cls(feature=feature, plan=plan)


def holds_images(column: Any) -> bool:
    """Whether the first value that is there starts like a PNG or JPEG file."""
    if not is_binary(column.type):
        return False
    present = column.drop_null()
    return len(present) > 0 and present[0].as_py().startswith(MAGIC)


def decode_images(column: Any, name: str, shape: Shape | None = None) -> Pixels:
    """uint8 [N, C, H, W]. Raises RowsError naming the row that is missing, damaged, or of another shape.

    `shape` (C, H, W) defaults to that of the first row.
    """
    if not is_binary(column.type):
        raise RowsError(
            f"column '{name}' must hold PNG or JPEG bytes, got {column.type}", "send the bytes of each file"
        )
    images: list[Pixels] = []
    for row, content in enumerate(column.to_pylist()):
        pixels_CHW = _decode(content, name, row, shape)
        shape = shape or pixels_CHW.shape
        images.append(pixels_CHW)
    return np.stack(images) if images else np.zeros((0, *(shape or (1, 0, 0))), np.uint8)


def _decode(content: bytes | None, name: str, row: int, shape: Shape | None) -> Pixels:
    """uint8 [C, H, W] of one file. One of another shape is refused by its header, before it is decoded."""
    from PIL import Image
    from torchvision.transforms.v2.functional import pil_to_tensor

    if not content:
        raise RowsError(f"column '{name}' must hold an image, got nothing in row {row}", "leave the row out")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            _require_shape(image.mode, image.size, name, row, shape)
            pixels_CHW = pil_to_tensor(image.convert("L") if image.mode == "1" else image)
    except RowsError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name, row, "far more") from error
    except BROKEN as error:
        raise RowsError(
            f"column '{name}' must hold PNG or JPEG files, got a damaged or other one in row {row}",
            "write the image again",
        ) from error
    return np.asarray(pixels_CHW.numpy(), dtype=np.uint8)


def _require_shape(mode: str, size: tuple[int, int], name: str, row: int, shape: Shape | None) -> None:
    if mode not in CHANNELS:
        raise RowsError(
            f"images of column '{name}' must be grey or RGB with 8 bits a channel, got {mode} in row {row}",
            "convert the image to 8 bits a channel",
        )
    width, height = size
    if width * height > MAX_PIXELS:
        raise _too_large(name, row, f"{width} x {height}")
    own_shape = (CHANNELS[mode], height, width)
    if shape is not None and own_shape != shape:
        raise RowsError(
            f"all images of column '{name}' must be {shape} (channels, height, width), "
            f"got {own_shape} in row {row}",
            "resize the images, or convert them to the same number of channels",
        )


def _too_large(name: str, row: int, got: str) -> RowsError:
    return RowsError(
        f"images of column '{name}' must have at most {MAX_PIXELS} pixels, got {got} in row {row}",
        "resize the images",
    )
