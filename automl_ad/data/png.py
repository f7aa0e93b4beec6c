"""A PNG file from pixels, with the standard library alone: for example rows of image artifacts.

torchvision writes only 1 and 3 channels, and this needs no torch. Format: W3C PNG specification, 5 and 11.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels -> PNG colour type: grey, grey and alpha, RGB, RGB and alpha."""


def encode_png(pixels_CHW: npt.NDArray[np.uint8]) -> bytes:
    r"""The bytes of a PNG file with 8 bits a channel.

    >>> encode_png(np.zeros((1, 2, 2), np.uint8))[:4]
    b'\x89PNG'
    """
    n_channels, height, width = pixels_CHW.shape
    header = struct.pack(">IIBBBBB", width, height, 8, COLOR_TYPES[n_channels], 0, 0, 0)
    lines_HL = pixels_CHW.transpose(1, 2, 0).reshape(height, width * n_channels)
    unfiltered = np.pad(lines_HL, ((0, 0), (1, 0)))  # each line starts with its filter, 0 = none
    body = _chunk(b"IDAT", zlib.compress(unfiltered.tobytes()))
    return SIGNATURE + _chunk(b"IHDR", header) + body + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
