"""Image columns: encoded PNG or JPEG bytes become pixels. The only module that imports torchvision, on use.

Shapes: N rows, C channels, H x W pixels, D = C * H * W.
"""

from __future__ import annotations

import warnings
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
MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
"""How PNG and JPEG files start."""
DEPRECATION = "The image decoding and encoding capabilities of TorchVision"
"""torchvision 0.29 will move its decoders to TorchCodec. They still work; this is the one caller."""


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


def decode_images(column: Any, name: str, shape: tuple[int, int, int] | None = None) -> Pixels:
    """uint8 [N, C, H, W]. Raises RowsError naming the row that is missing, damaged, or of another shape.

    `shape` (C, H, W) defaults to that of the first row.
    """
    if not is_binary(column.type):
        raise RowsError(
            f"column '{name}' must hold PNG or JPEG bytes, got {column.type}", "send the bytes of each file"
        )
    images: list[Pixels] = []
    for row, content in enumerate(column.to_pylist()):
        pixels_CHW = _decode(content, name, row)
        shape = shape or pixels_CHW.shape
        if pixels_CHW.shape != shape:
            raise RowsError(
                f"all images of column '{name}' must be {shape} (channels, height, width), "
                f"got {pixels_CHW.shape} in row {row}",
                "resize the images, or convert them to the same number of channels",
            )
        images.append(pixels_CHW)
    return np.stack(images) if images else np.zeros((0, *(shape or (1, 0, 0))), np.uint8)


def _decode(content: bytes | None, name: str, row: int) -> Pixels:
    """uint8 [C, H, W] of one file."""
    import torch
    from torchvision.io import decode_image

    if not content:
        raise RowsError(f"column '{name}' must hold an image, got nothing in row {row}", "leave the row out")
    encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", DEPRECATION, DeprecationWarning)
            pixels = decode_image(encoded).numpy()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise RowsError(
            f"column '{name}' must hold PNG or JPEG files, got a damaged or other one in row {row}: {reason}",
            "write the image again",
        ) from error
    if pixels.dtype != np.uint8:
        raise RowsError(
            f"images of column '{name}' must have 8 bits a channel, got {pixels.dtype} in row {row}",
            "convert the image to 8 bits",
        )
    return np.asarray(pixels, dtype=np.uint8)
