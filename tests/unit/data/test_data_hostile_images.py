"""Images that mean harm: refused as rows, by their header where that is enough; nothing crashes or grows."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from automl_ad.data.images import decode_images
from automl_ad.data.png import SIGNATURE, encode_png
from automl_ad.errors import RowsError

SHAPE = (3, 16, 16)
PIXELS = np.random.default_rng(0).integers(0, 256, size=SHAPE, dtype=np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, body: bytes, *, bits: int = 8, color_type: int = 2) -> bytes:
    """A PNG file with any header and any body, its checksums right."""
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A JPEG file of 16 x 16 pixels whose header says otherwise."""
    file = io.BytesIO()
    Image.fromarray(PIXELS.transpose(1, 2, 0)).save(file, "JPEG")
    content = bytearray(file.getvalue())
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def decode(content: bytes, shape: tuple[int, int, int] | None = SHAPE) -> np.ndarray:
    return decode_images(pa.array([content], pa.binary()), "image", shape)


def peak_mib() -> float:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    return int(line.split()[1]) / 1024


ZEROS = zlib.compress(bytes(1_000))


@pytest.mark.parametrize("shape", [SHAPE, None], ids=["served", "fitted"])
@pytest.mark.parametrize(
    "content",
    [
        png(50_000, 50_000, ZEROS),
        png(9_000, 9_000, ZEROS),
        png(2**31 - 1, 2**31 - 1, ZEROS),
        jpeg(50_000, 50_000),
    ],
    ids=["png", "smaller png", "largest png", "jpeg"],
)
def test_a_huge_image_is_refused_by_its_header(content, shape):
    decode(encode_png(PIXELS))  # Pillow is loaded
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is used now
    before = peak_mib()
    with pytest.raises(RowsError, match=r"must have at most 67108864 pixels, got .* in row 0"):
        decode(content, shape)
    assert peak_mib() - before < 32


def test_an_image_of_another_size_is_refused_before_its_pixels_are_read():
    with pytest.raises(RowsError, match=r"must be \(3, 16, 16\).*got \(3, 4000, 4000\) in row 0"):
        decode(png(4_000, 4_000, b"no pixels at all"))


BROKEN = {
    "pixels end early": png(16, 16, ZEROS[:10]),
    "too few pixels": png(16, 16, zlib.compress(bytes(100))),
    "no pixels": png(16, 16, zlib.compress(b"")),
    "no deflate": png(16, 16, b"\x00\x01\x02\x03"),
    "wrong checksum": encode_png(PIXELS)[:-20] + b"x" * 20,
    "cut": encode_png(PIXELS)[:300],
    "no end": png(16, 16, b"")[:-12],
    "jpeg cut": jpeg(16, 16)[:400],
    "jpeg head only": jpeg(16, 16)[:30],
    "another format": b"II*\x00" + bytes(100),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_image_is_refused(case):
    with pytest.raises(RowsError, match="must hold PNG or JPEG files, got a damaged or other one in row 0"):
        decode(BROKEN[case])


@pytest.mark.parametrize("content", [encode_png(PIXELS), jpeg(16, 16)], ids=["png", "jpeg"])
def test_random_damage_is_refused_or_read_as_an_image_of_the_same_size(content):
    rng = np.random.default_rng(1)
    n_refused = 0
    for _ in range(400):
        damaged = bytearray(content)
        for place in rng.integers(8, len(content), size=rng.integers(1, 4)):
            damaged[place] ^= int(rng.integers(1, 256))
        try:
            assert decode(bytes(damaged)).shape == (1, *SHAPE)
        except RowsError:
            n_refused += 1
    assert n_refused > 20


def test_16_bits_a_channel_are_refused():
    with pytest.raises(RowsError, match="must be grey or RGB with 8 bits a channel, got I;16 in row 0"):
        decode(png(16, 16, zlib.compress(bytes(16 * 33)), bits=16, color_type=0))
