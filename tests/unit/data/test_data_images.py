"""Image tables: decoded, checked row by row, and never mixed with other columns."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from automl_ad.data import Preprocessor
from automl_ad.data.png import encode_png
from automl_ad.errors import ArtifactError, DataError, RowsError

RNG = np.random.default_rng(0)


def pixels(n=25, shape=(1, 4, 6)):
    return RNG.integers(0, 256, size=(n, *shape), dtype=np.uint8)


def table(images, name="image"):
    return pa.table({name: pa.array([encode_png(image) for image in images], pa.binary())})


@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
def test_pixels_come_back_in_channel_order(n_channels):
    images_NCHW = pixels(shape=(n_channels, 4, 6))
    fitted = Preprocessor.fit(table(images_NCHW))
    assert fitted.schema.kind == "image"
    np.testing.assert_array_equal(fitted.encode(table(images_NCHW)), images_NCHW.reshape(25, -1) / 255)
    assert fitted.encoded_names[:2] == ("image[0,0,0]", "image[0,0,1]")
    assert len(fitted.encoded_names) == n_channels * 24


def test_jpeg():
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (120, 120, 120)).save(file, "JPEG")
    content = file.getvalue()
    fitted = Preprocessor.fit(pa.table({"photo": [content] * 20}))
    assert abs(fitted.encode(pa.table({"photo": [content]})) * 255 - 120).max() < 3


def test_scalers_and_example_rows():
    fitted = Preprocessor.fit(table(pixels()))
    assert set(fitted.scalers) == {"unit", "pm1", "none"}
    drawn = fitted.sample_marginals(3, seed=0)
    scaled = fitted.scale(fitted.encode(drawn), "pm1")
    assert scaled.shape == (3, 24)
    assert -1 <= scaled.min() < -0.5 < 0.5 < scaled.max() <= 1


def test_the_shape_survives_the_artifact():
    fitted = Preprocessor.fit(table(pixels()))
    restored = Preprocessor.from_parts(fitted.to_json(), fitted.arrays())
    rows = table(pixels(5))
    np.testing.assert_array_equal(restored.encode(rows), fitted.encode(rows))
    document = fitted.to_json()
    document["plans"][0]["shape"] = [9, 4, 6]
    with pytest.raises(ArtifactError, match="shape of 'feature/0'"):
        Preprocessor.from_parts(document, fitted.arrays())


def test_an_image_column_stands_alone():
    both = table(pixels()).append_column("site", pa.array(["a"] * 25))
    with pytest.raises(DataError, match="got 'image' beside site") as caught:
        Preprocessor.fit(both)
    assert "--drop site" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (encode_png(pixels(1, (1, 5, 6))[0]), r"must be \(1, 4, 6\).*got \(1, 5, 6\) in row 2"),
        (encode_png(pixels(1, (3, 4, 6))[0]), r"got \(3, 4, 6\) in row 2"),
        (None, "got nothing in row 2"),
        (b"", "got nothing in row 2"),
        (b"\x89PNG\r\n\x1a\nhello", "damaged or other one in row 2"),
        (b"GIF89a", "damaged or other one in row 2"),
    ],
)
def test_refused_images_name_the_row(content, message):
    good = [encode_png(image) for image in pixels(24)]
    mixed = pa.table({"image": pa.array([*good[:2], content, *good[2:]], pa.binary())})
    with pytest.raises(RowsError, match=message):
        Preprocessor.fit(table(pixels())).encode(mixed)
    with pytest.raises(DataError, match="in row 2"):
        Preprocessor.fit(mixed)


def test_text_is_no_image():
    with pytest.raises(RowsError, match="must hold PNG or JPEG bytes, got string"):
        Preprocessor.fit(table(pixels())).encode(pa.table({"image": ["cat.png"]}))
